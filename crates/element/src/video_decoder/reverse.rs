// SPDX-License-Identifier: MPL-2.0
//! Reverse playback. The base class gathers a group of pictures, passes its frames to
//! the decoder, requests a drain, and then pushes, back to front, the frames finished
//! by the time the drain returns.
//!
//! It requests the drain with its stream lock held, which the output task would need in
//! order to finish a frame. So in reverse playback the task only stores outputs, and
//! the streaming thread finishes them in the drain. That wait, and the one for room in
//! a group of more frames than a session has room for, happen under the stream lock. No
//! thread that ends them needs that lock; the watchdog bounds them, and a flush or a
//! state change ends them.

use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_video::prelude::*;

use super::{SupervisedVideoDecoder, decoder, losses};
use crate::{CAT, EventDisposition};

/// Delivers an output, for the output task: stores it in reverse playback, otherwise
/// finishes it.
#[doc(hidden)]
pub fn deliver<T: SupervisedVideoDecoder>(
    imp: &T,
    output: T::Output,
) -> Option<Result<gst::FlowSuccess, gst::FlowError>> {
    if let Some(put_by) = &mut imp.stream().state().reverse {
        put_by.push(output);
        return None;
    }
    losses::release_lost(imp);
    imp.finish_output(output)
}

/// Finishes the frames of the group that the base class has passed. In forward playback
/// there is nothing to do: the drain was done in `sink_event` or in a probe, before the
/// base class took its lock.
#[doc(hidden)]
pub fn drain<T: SupervisedVideoDecoder>(imp: &T) -> Result<gst::FlowSuccess, gst::FlowError> {
    if imp.stream().state().reverse.is_none() {
        return Ok(gst::FlowSuccess::Ok);
    }
    if imp.supervision().drain_before(imp) != EventDisposition::Forward {
        return Err(gst::FlowError::Flushing);
    }
    let outputs = match &mut imp.stream().state().reverse {
        Some(put_by) => std::mem::take(put_by),
        None => Vec::new(),
    };
    losses::release_lost(imp);
    let mut answer = Ok(gst::FlowSuccess::Ok);
    for output in outputs {
        if let Some(Err(error)) = imp.finish_output(output) {
            answer = answer.and(Err(error));
        }
    }
    answer
}

/// Makes the base class decode the last group, by a discontinuity. It would do so only
/// after EOS: too late to distinguish a complete stream from a truncated one.
pub(super) fn decode_gathered<T: SupervisedVideoDecoder>(imp: &T) {
    if imp.stream().state().reverse.is_none() {
        return;
    }
    let mut nothing = gst::Buffer::new();
    nothing.make_mut().set_flags(gst::BufferFlags::DISCONT);
    let flow = decoder(imp).sink_pad().chain(nothing);
    gst::debug!(CAT, imp = imp, "the last group in reverse: {flow:?}");
    if flow.is_err() {
        imp.supervision().note_answer(flow);
    }
}

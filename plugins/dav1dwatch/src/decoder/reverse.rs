// SPDX-License-Identifier: MPL-2.0
//! Reverse playback. The base class gathers a group of pictures, hands its frames
//! over, asks for a drain, and then pushes, back to front, what has been finished
//! by the time the drain returns.
//!
//! It asks with its stream lock held, which the output task would need in order
//! to finish a frame. So in reverse playback the task only puts outputs by, and
//! they are finished by the streaming thread, in the drain. That wait, and the one for
//! room in a group of more frames than a session has room for, are under the stream
//! lock; nobody that could end them needs that lock, the watchdog bounds them, and a
//! flush or a state change ends them.

use codecwatch_dav1d as dav1d;
use codecwatch_element::EventDisposition;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_video::prelude::*;

use super::imp::{CAT, Dav1dWatchDec};

impl Dav1dWatchDec {
    /// What the output task does with an output.
    pub(super) fn on_output(
        &self,
        output: dav1d::Decoded,
    ) -> Option<Result<gst::FlowSuccess, gst::FlowError>> {
        let mut state = self.state();
        match &mut state.reverse {
            Some(put_by) => {
                put_by.push(output);
                None
            }
            _ => {
                drop(state);
                self.finish_output(output)
            }
        }
    }

    /// Finishes the frames of the group that the base class has handed over.
    pub(super) fn finish_group(&self) -> Result<gst::FlowSuccess, gst::FlowError> {
        if self.state().reverse.is_none() {
            return Ok(gst::FlowSuccess::Ok);
        }
        if self.supervision.drain_before(self) != EventDisposition::Forward {
            return Err(gst::FlowError::Flushing);
        }
        let outputs = match &mut self.state().reverse {
            Some(put_by) => std::mem::take(put_by),
            None => Vec::new(),
        };
        self.release_lost();
        let mut answer = Ok(gst::FlowSuccess::Ok);
        for output in outputs {
            if let Some(Err(error)) = self.finish_output(output) {
                answer = answer.and(Err(error));
            }
        }
        answer
    }

    /// Has the base class decode the last group, which it would do only after it
    /// was told of the end: too late to tell a complete stream from a cut one. A
    /// discontinuity makes it do so.
    pub(super) fn decode_gathered(&self) {
        if self.state().reverse.is_none() {
            return;
        }
        let mut nothing = gst::Buffer::new();
        nothing.make_mut().set_flags(gst::BufferFlags::DISCONT);
        let flow = self.obj().sink_pad().chain(nothing);
        gst::debug!(CAT, imp = self, "the last group in reverse: {flow:?}");
        if flow.is_err() {
            self.supervision.note_answer(flow);
        }
    }
}

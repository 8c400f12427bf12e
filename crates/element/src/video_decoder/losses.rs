// SPDX-License-Identifier: MPL-2.0
//! Inputs that do not reach the codec, and frames that do not come out.
//!
//! Inputs that refer to one that did not reach the codec lack their reference, and a
//! codec may decode them nevertheless. So the next input after a loss is marked.

use gst_video::prelude::*;

use super::{SupervisedVideoDecoder, decoder};

/// Whether inputs are missing before this one; returns true once. `discont`: its buffer
/// is marked DISCONT, by which upstream signals lost data. In reverse playback the mark
/// only means that a group of pictures begins.
pub(super) fn take<T: SupervisedVideoDecoder>(imp: &T, discont: bool) -> bool {
    let mut state = imp.stream().state();
    let marked = discont && state.reverse.is_none();
    std::mem::take(&mut state.loss) || marked
}

/// Skips a buffer without data. Its DISCONT mark holds for the next buffer.
pub(super) fn skip_empty<T: SupervisedVideoDecoder>(imp: &T, buffer: Option<&gst::BufferRef>) {
    if buffer.is_some_and(|buffer| buffer.flags().contains(gst::BufferFlags::DISCONT)) {
        let mut state = imp.stream().state();
        state.loss |= state.reverse.is_none();
    }
}

/// Whether the codec does not need this buffer. A buffer that is marked as corrupted
/// had data.
pub(super) fn is_empty(buffer: &gst::BufferRef) -> bool {
    buffer.size() == 0 && !buffer.flags().contains(gst::BufferFlags::CORRUPTED)
}

/// Releases the frame of an input that gives no picture. Its events go with the next
/// one.
pub fn release<T: SupervisedVideoDecoder>(imp: &T, id: u32) {
    let element = decoder(imp);
    if let Some(frame) = element.frame(frame_number(id)) {
        element.release_frame(frame);
    }
}

/// Releases the frames that were lost with a session.
pub fn release_lost<T: SupervisedVideoDecoder>(imp: &T) {
    for id in imp.supervision().take_lost() {
        release(imp, id);
    }
}

/// The number of frames that the element has failed to finish or [release], once every
/// session has given all its output and the [lost](release_lost) frames are released.
/// (An output that is still being delivered belongs to a session that was given up. One
/// that is stored in reverse playback is finished when the base class handles EOS.)
pub(super) fn forgotten<T: SupervisedVideoDecoder>(imp: &T) -> usize {
    let delivering = imp.supervision().lock().is_delivering();
    if delivering {
        return 0;
    }
    let stored = imp.stream().state().reverse.as_ref().map_or(0, Vec::len);
    decoder(imp).frames().len().saturating_sub(stored)
}

/// The base class takes the 32 bits as an `int`.
fn frame_number(id: u32) -> i32 {
    id.cast_signed()
}

// SPDX-License-Identifier: MPL-2.0
//! Inputs that do not reach the codec, and frames that do not come out.
//!
//! An input that does not reach the codec is missed by those that refer to it, and a
//! codec may decode them all the same. So the next input after a gap says so.

use gst_video::prelude::*;

use super::{SupervisedVideoDecoder, decoder};

/// Whether inputs are missing before this one; answers once. `discont`: its buffer is
/// marked so, which is how upstream says that data was lost. Played backwards, it only
/// says where a group of pictures begins.
pub(super) fn take<T: SupervisedVideoDecoder>(imp: &T, discont: bool) -> bool {
    let mut state = imp.stream().state();
    let marked = discont && state.reverse.is_none();
    std::mem::take(&mut state.loss) || marked
}

/// A buffer without data leads to nothing. But its mark of a discontinuity holds for
/// the next one.
pub(super) fn skip_empty<T: SupervisedVideoDecoder>(imp: &T, buffer: Option<&gst::BufferRef>) {
    if buffer.is_some_and(|buffer| buffer.flags().contains(gst::BufferFlags::DISCONT)) {
        let mut state = imp.stream().state();
        state.loss |= state.reverse.is_none();
    }
}

/// Whether there is nothing in it that the codec has to hear of. A buffer that is
/// marked as corrupted had data.
pub(super) fn is_empty(buffer: &gst::BufferRef) -> bool {
    buffer.size() == 0 && !buffer.flags().contains(gst::BufferFlags::CORRUPTED)
}

/// Lets go of the frame of an input that leads to no picture. Its events go with the
/// next one.
pub fn release<T: SupervisedVideoDecoder>(imp: &T, id: u32) {
    let element = decoder(imp);
    if let Some(frame) = element.frame(frame_number(id)) {
        element.release_frame(frame);
    }
}

/// Lets go of the frames that were lost with a session.
pub fn release_lost<T: SupervisedVideoDecoder>(imp: &T) {
    for id in imp.supervision().take_lost() {
        release(imp, id);
    }
}

/// The base class takes an `int` for its 32 bits.
fn frame_number(id: u32) -> i32 {
    id.cast_signed()
}

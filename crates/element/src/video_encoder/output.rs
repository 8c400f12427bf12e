// SPDX-License-Identifier: MPL-2.0
//! What an encoder gives, on its way downstream. Runs on the output task.

use gst::subclass::prelude::*;
use gst_video::VideoCodecFrameFlags;
use gst_video::prelude::*;

use super::{SupervisedVideoEncoder, encoder};
use crate::CAT;

/// Negotiates the caps of what comes out. Has to come before the first packet of a
/// format, and may come again.
///
/// # Errors
/// [`NotNegotiated`](gst::FlowError::NotNegotiated) where downstream does not take them.
pub fn negotiate<T: SupervisedVideoEncoder>(
    imp: &T,
    caps: gst::Caps,
) -> Result<(), gst::FlowError> {
    let element = encoder(imp);
    let state = element
        .set_output_state(caps, imp.stream().format().as_ref())
        .map_err(|_| gst::FlowError::NotNegotiated)?;
    // Whatever downstream says now: when it changes, the base class asks it again.
    imp.stream().state().has_src_caps = true;
    element
        .negotiate(state)
        .map_err(|_| gst::FlowError::NotNegotiated)?;
    release_lost(imp);
    Ok(())
}

fn negotiate_by_format<T: SupervisedVideoEncoder>(imp: &T) -> Result<(), gst::FlowError> {
    match imp.src_caps() {
        Some(caps) => negotiate(imp, caps),
        None => {
            let text = "a packet has come before the element has said its caps";
            Err(imp.supervision().fail(imp, text))
        }
    }
}

/// Finishes frame `id` with its packet. Packets come in the order of presentation.
/// Returns what downstream answered; `None` where a flush was faster. Negotiates
/// first, where the format alone [says the caps](SupervisedVideoEncoder::src_caps);
/// where it does not, [`negotiate`] must have come before, or the stream ends with an
/// error: the packet would have the caps of the format before.
pub fn finish_packet<T: SupervisedVideoEncoder>(
    imp: &T,
    id: u32,
    mut packet: gst::Buffer,
    is_key: bool,
) -> Option<Result<gst::FlowSuccess, gst::FlowError>> {
    let has_src_caps = imp.stream().state().has_src_caps;
    if !has_src_caps && let Err(flow) = negotiate_by_format(imp) {
        return Some(Err(flow));
    }
    let element = encoder(imp);
    // The base class takes an `int` for its 32 bits.
    let Some(mut frame) = element.frame(id.cast_signed()) else {
        gst::debug!(CAT, imp = imp, "frame {id} is gone: a flush overtook it");
        return None;
    };
    if is_key {
        frame.set_flags(VideoCodecFrameFlags::SYNC_POINT);
    }
    // The base class would guess, and wrongly where time steps back: by the earliest
    // frame inside.
    frame.set_dts(frame.pts());
    let stepped_back = frame
        .input_buffer()
        .is_some_and(|shell| shell.flags().contains(gst::BufferFlags::RESYNC));
    let discont = imp.supervision().take_discont();
    let marked = packet.make_mut();
    if discont {
        marked.set_flags(gst::BufferFlags::DISCONT);
    }
    if stepped_back {
        marked.set_flags(gst::BufferFlags::RESYNC);
    }
    frame.set_output_buffer(packet);
    Some(element.finish_frame(frame))
}

/// Whether each frame has come out or is known to be lost, now that every session has
/// given what it had. Where not, the element has not [finished](finish_packet) one. (An
/// output that is still on its way is one of a session that was given up.)
pub(super) fn is_complete<T: SupervisedVideoEncoder>(imp: &T) -> bool {
    let supervision = imp.supervision();
    supervision.lock().is_delivering() || encoder(imp).frames().len() <= supervision.lost()
}

/// Lets go of the frames that were lost, with the events that ride with them. The
/// base class can do that only when it knows the output caps: with those of a session,
/// or at the end.
pub(super) fn release_lost<T: SupervisedVideoEncoder>(imp: &T) {
    let element = encoder(imp);
    if element.output_state().is_none() {
        return;
    }
    for id in imp.supervision().take_lost() {
        if let Some(frame) = element.frame(id.cast_signed()) {
            // Without an output buffer it is dropped.
            let _ = element.finish_frame(frame);
        }
    }
}

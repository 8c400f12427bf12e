// SPDX-License-Identifier: MPL-2.0
//! Passes an encoder's output downstream. Runs on the output task.

use gst::subclass::prelude::*;
use gst_video::VideoCodecFrameFlags;
use gst_video::prelude::*;

use super::{SupervisedVideoEncoder, encoder};
use crate::CAT;

/// Negotiates the output caps. Must be called before the first packet of a format, and
/// may be called again.
///
/// # Errors
/// [`NotNegotiated`](gst::FlowError::NotNegotiated) if downstream does not accept them.
pub fn negotiate<T: SupervisedVideoEncoder>(
    imp: &T,
    caps: gst::Caps,
) -> Result<(), gst::FlowError> {
    let element = encoder(imp);
    let state = element
        .set_output_state(caps, imp.stream().format().as_ref())
        .map_err(|_| gst::FlowError::NotNegotiated)?;
    // Whether or not downstream accepts them: after a change of downstream, the base
    // class negotiates again.
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
            let text = "packet received before the element negotiated its caps";
            Err(imp.supervision().fail(imp, text))
        }
    }
}

/// Finishes frame `id` with its packet. Packets come in the order of presentation.
/// Returns the flow return of downstream; `None` if a flush has dropped the frame.
/// Negotiates first, if the format alone [determines the
/// caps](SupervisedVideoEncoder::src_caps); if it does not, [`negotiate`] must have
/// been called before, or the stream ends with an error: the packet would have the caps
/// of the previous format.
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
    // The base class takes the 32 bits as an `int`.
    let Some(mut frame) = element.frame(id.cast_signed()) else {
        gst::debug!(CAT, imp = imp, "frame {id} is gone: a flush overtook it");
        return None;
    };
    if is_key {
        frame.set_flags(VideoCodecFrameFlags::SYNC_POINT);
    }
    // The base class would guess it from the earliest frame inside, wrongly where time
    // steps back.
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

/// The number of frames that the element has failed to [finish](finish_packet), once
/// every session has given all its output. (An output that is still being delivered
/// belongs to a session that was given up.)
pub(super) fn forgotten<T: SupervisedVideoEncoder>(imp: &T) -> usize {
    let supervision = imp.supervision();
    let delivering = supervision.lock().is_delivering();
    if delivering {
        return 0;
    }
    let lost = supervision.lost();
    encoder(imp).frames().len().saturating_sub(lost)
}

/// Releases the frames that were lost, with the events attached to them. The base class
/// can do that only when it knows the output caps: with those of a session, or at the
/// end.
pub(super) fn release_lost<T: SupervisedVideoEncoder>(imp: &T) {
    let element = encoder(imp);
    if element.output_state().is_none() {
        return;
    }
    for id in imp.supervision().take_lost() {
        if let Some(frame) = element.frame(id.cast_signed()) {
            // A frame without an output buffer is dropped.
            let _ = element.finish_frame(frame);
        }
    }
}

// SPDX-License-Identifier: MPL-2.0
//! In trick mode each key frame is to be shown at once, so the base class requests a
//! drain before each, but with its stream lock held. So a probe drains before the base
//! class takes the lock.

use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_video::prelude::*;

use super::{SupervisedVideoDecoder, decoder};

/// Installs the probe. Must be called once, when the element is constructed.
pub(super) fn install<T: SupervisedVideoDecoder>(imp: &T) {
    let weak = imp.obj().downgrade();
    let probe = move |pad: &gst::Pad, info: &mut gst::PadProbeInfo| {
        if let (Some(element), Some(buffer)) = (weak.upgrade(), info.buffer())
            && follows_a_key_frame(pad, buffer)
        {
            // The result does not matter: `submit` checks again.
            let imp = T::from_obj(&element);
            let _ = imp.supervision().drain_before(imp);
        }
        gst::PadProbeReturn::Ok
    };
    decoder(imp)
        .sink_pad()
        .add_probe(gst::PadProbeType::BUFFER, probe);
}

/// Whether a buffer follows a key frame in a segment of key frames only.
fn follows_a_key_frame(pad: &gst::Pad, buffer: &gst::BufferRef) -> bool {
    if !buffer.flags().contains(gst::BufferFlags::DISCONT) {
        return false;
    }
    let segment = pad.sticky_event::<gst::event::Segment>(0);
    segment.is_some_and(|event| {
        let segment = event.segment();
        let flags = segment.flags();
        segment.rate() > 0.0 && flags.contains(gst::SegmentFlags::TRICKMODE_KEY_UNITS)
    })
}

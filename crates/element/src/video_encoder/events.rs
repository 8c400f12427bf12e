// SPDX-License-Identifier: MPL-2.0
//! Events on their way to the base class of an encoder.

use gst::prelude::*;
use gst_video::prelude::*;
use gst_video::subclass::prelude::*;

use super::timestamps::Timestamps;
use super::{SupervisedVideoEncoder, caps_change, output};
use crate::{Circumstances, EventDisposition};

#[doc(hidden)]
pub fn sink_event<T: SupervisedVideoEncoder>(imp: &T, event: gst::Event) -> bool {
    let disposition = before(imp, &event);
    disposition.apply(imp, event, |event| forward(imp, event))
}

/// What has to happen before an event, and whether it may pass then.
fn before<T: SupervisedVideoEncoder>(imp: &T, event: &gst::Event) -> EventDisposition {
    let mut found = Circumstances::default();
    if let gst::EventView::Caps(caps) = event.view() {
        if imp.supervision().check_announced_duration(imp).is_err() {
            return EventDisposition::Refuse;
        }
        found.ends_session = caps_change::is_new(imp, caps.caps());
    }
    imp.supervision().sink_event(imp, event, found)
}

#[doc(hidden)]
pub fn src_event<T: SupervisedVideoEncoder>(imp: &T, event: gst::Event) -> bool {
    imp.supervision().src_event(imp, &event);
    imp.parent_src_event(event)
}

/// Chains up an event that may pass.
fn forward<T: SupervisedVideoEncoder>(imp: &T, event: gst::Event) -> bool {
    if event.is_serialized() {
        imp.stream().pixels.release();
    }
    match event.view() {
        gst::EventView::Caps(caps) => {
            let caps = caps.caps_owned();
            return caps_change::chain_up(imp, event, &caps);
        }
        gst::EventView::Eos(_) | gst::EventView::SegmentDone(_) => {
            output::release_lost(imp);
            let frames = output::forgotten(imp);
            if frames > 0 {
                let text = format!(
                    "the stream ended, but the element did not finish all of its frames: \
                     {frames} are left"
                );
                let _ = imp.supervision().fail(imp, &text);
                return true;
            }
            if event.type_() == gst::EventType::SegmentDone {
                // The base class would keep it until the next frame, and none follows.
                return super::encoder(imp).src_pad().push_event(event);
            }
        }
        // Running time restarts, and so does the output stream.
        gst::EventView::FlushStop(_) => imp.stream().state().times = Timestamps::default(),
        gst::EventView::StreamStart(_) => imp.stream().state().stream_begins = true,
        _ => {}
    }
    imp.parent_sink_event(event)
}

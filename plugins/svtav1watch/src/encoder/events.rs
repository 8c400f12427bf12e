// SPDX-License-Identifier: MPL-2.0
//! Sink events that an encoder has to look at.

use codecwatch_element::EventDisposition;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_video::subclass::prelude::*;

use super::format::same_hdr;
use super::imp::{CAT, SvtAv1WatchEnc};
use super::timestamps::Timestamps;

impl SvtAv1WatchEnc {
    /// Chains an event up that may pass.
    pub(super) fn forward(&self, event: gst::Event) -> bool {
        if event.is_serialized() {
            self.pixels.release();
        }
        match event.view() {
            gst::EventView::Caps(caps) => {
                let caps = caps.caps_owned();
                self.new_caps(event, &caps)
            }
            gst::EventView::Eos(_) => {
                self.release_lost();
                self.parent_sink_event(event)
            }
            // The base class would keep it until a frame comes, and none does.
            gst::EventView::SegmentDone(_) => match self.obj().static_pad("src") {
                Some(pad) => pad.push_event(event),
                None => false,
            },
            // Running time begins anew, and so does the stream that comes out.
            gst::EventView::FlushStop(_) => {
                let mut state = self.state();
                state.times = Timestamps::default();
                state.length.restart();
                drop(state);
                self.parent_sink_event(event)
            }
            gst::EventView::StreamStart(_) => {
                self.state().stream_begins = true;
                self.parent_sink_event(event)
            }
            _ => self.parent_sink_event(event),
        }
    }

    fn new_caps(&self, event: gst::Event, caps: &gst::Caps) -> bool {
        let Ok(end) = self.supervision.check_duration(self) else {
            return false;
        };
        let old = {
            let mut state = self.state();
            state.length.announce(end);
            state.format.as_ref().map(|format| format.caps.clone())
        };
        let Some(old) = old else {
            return self.parent_sink_event(event);
        };
        if old.is_strictly_equal(caps) {
            return self.parent_sink_event(event);
        }
        // Nothing that is inside may come out under the new caps, or be lost.
        match self.supervision.before_new_format(self) {
            EventDisposition::Forward => {}
            EventDisposition::Swallow => return true,
            EventDisposition::Refuse => return false,
        }
        if !same_hdr(&old, caps) && !self.prime(caps) {
            return false;
        }
        self.parent_sink_event(event)
    }

    /// The base class takes caps that differ in HDR metadata alone for the old
    /// ones. Caps with another frame rate in between make it look again.
    fn prime(&self, caps: &gst::Caps) -> bool {
        gst::debug!(CAT, imp = self, "the HDR metadata changes");
        let mut other = caps.clone();
        other
            .make_mut()
            .set("framerate", gst::Fraction::new(i32::MAX, 1));
        self.state().priming = true;
        let primed = self.parent_sink_event(gst::event::Caps::new(&other));
        self.state().priming = false;
        primed
    }
}

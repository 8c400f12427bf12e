// SPDX-License-Identifier: MPL-2.0
//! Sink events that a decoder has to look at.

use codecwatch_element::EventDisposition;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_video::prelude::*;
use gst_video::subclass::prelude::*;

use super::imp::{CAT, Dav1dWatchDec};
use super::input::Bitstream;

impl Dav1dWatchDec {
    pub(super) fn on_sink_event(&self, event: gst::Event) -> bool {
        let disposition = match event.view() {
            gst::EventView::Caps(caps) => self.before_caps(caps.caps()),
            gst::EventView::Segment(segment) => self.before_segment(&event, segment.segment()),
            gst::EventView::Gap(_) => self.before_gap(&event),
            gst::EventView::Eos(_) | gst::EventView::SegmentDone(_) => self.before_end(&event),
            _ => self.supervision.sink_event(self, &event),
        };
        match disposition {
            EventDisposition::Forward => self.forward(event),
            EventDisposition::Swallow => true,
            EventDisposition::Refuse => false,
        }
    }

    fn forward(&self, event: gst::Event) -> bool {
        match event.type_() {
            gst::EventType::FlushStop => self.state().flushed(),
            gst::EventType::Eos | gst::EventType::SegmentDone => self.release_lost(),
            _ => {}
        }
        self.parent_sink_event(event)
    }

    /// When the bitstream is another one, what came before has to come out first:
    /// a session ends and another begins. Otherwise the session goes on; pictures
    /// find their format by their input (see `State::formats`).
    fn before_caps(&self, caps: &gst::CapsRef) -> EventDisposition {
        let Ok(end) = self.supervision.check_duration(self) else {
            return EventDisposition::Refuse;
        };
        let old = {
            let mut state = self.state();
            state.length.announce(end);
            state.format().cloned()
        };
        if old
            .as_ref()
            .is_some_and(|old| old.caps.is_strictly_equal(caps))
        {
            return EventDisposition::Forward;
        }
        let live = self.settings().max_frame_delay < 0 && self.upstream_is_live();
        let as_live = std::mem::replace(&mut self.state().live, live) == live;
        match old {
            Some(old) if !as_live || old.bitstream != Bitstream::of(caps) => {
                self.supervision.before_new_format(self)
            }
            _ => EventDisposition::Forward,
        }
    }

    /// A gap waits for what is inside, where that costs nothing. A session that
    /// holds pictures back cannot give them without being drained, and where a
    /// drained one cannot go on (dav1d before 1.5.1) everything up to the next
    /// key frame would be lost: there the gap goes ahead, as it does in the base
    /// class and with every decoder that works on several frames.
    fn before_gap(&self, event: &gst::Event) -> EventDisposition {
        let holds_back = self.held_back().is_some_and(|pictures| pictures > 0);
        if holds_back {
            EventDisposition::Forward
        } else {
            self.supervision.sink_event(self, event)
        }
    }

    fn upstream_is_live(&self) -> bool {
        let mut query = gst::query::Latency::new();
        self.obj().sink_pad().peer_query(&mut query) && query.result().0
    }

    /// A change of direction waits for what is inside, which has to come out in
    /// the old one.
    fn before_segment(&self, event: &gst::Event, segment: &gst::Segment) -> EventDisposition {
        let reverse = segment.rate() < 0.0;
        if self.state().reverse.is_some() != reverse {
            gst::debug!(CAT, imp = self, "reverse playback: {reverse}");
            let disposition = self.supervision.drain_before(self);
            if disposition != EventDisposition::Forward {
                return disposition;
            }
            self.state().reverse = reverse.then(Vec::new);
        }
        self.supervision.sink_event(self, event)
    }

    fn before_end(&self, event: &gst::Event) -> EventDisposition {
        self.decode_gathered();
        let disposition = self.supervision.sink_event(self, event);
        if disposition != EventDisposition::Forward || event.type_() != gst::EventType::Eos {
            return disposition;
        }
        // Played backwards, what came out last is not the end of the stream.
        let allowed = u32::try_from(self.obj().max_errors()).ok();
        let cut_short = {
            let state = self.state();
            let allowed = allowed.filter(|_| state.reverse.is_none());
            state.tally.why_cut_short(allowed)
        };
        if let Some(text) = cut_short {
            // The base class would let EOS pass, even where it posts an error.
            let _error = self.supervision.fail(self, &text);
            return EventDisposition::Swallow;
        }
        disposition
    }
}

// SPDX-License-Identifier: MPL-2.0
//! The steps that give the element something.

use std::time::{Duration, Instant};

use gst::prelude::*;

use super::held::Item;
use super::{Stage, UNDER_WAY, wait};
use crate::material::FRAME;
use crate::scenario::Source;

/// Looks at which nothing has moved for it to be at rest.
const QUIET: u32 = 10;

/// Whether nothing more comes of a session with this verdict. That holds for one that
/// was given up, too, which `stats` shows until an input begins the next.
pub(super) fn owes_nothing(verdict: &str) -> bool {
    matches!(verdict, "idle" | "backpressured" | "wedged")
}

impl Stage<'_> {
    pub(super) fn push(&mut self, frames: u32, paced: bool) -> bool {
        let live = self.scenario.source == Source::Live;
        for _ in 0..frames {
            if paced {
                let now = Instant::now();
                let due = self.due.unwrap_or(now).max(now - Duration::from_secs(1));
                std::thread::sleep(due.saturating_duration_since(now));
                self.due = Some(due + Duration::from_nanos(FRAME.nseconds()));
            }
            let (number, time) = self.position.take();
            let mut buffer = self.material.buffer(number, self.other_caps);
            if !live {
                let buffer = buffer.make_mut();
                buffer.set_pts(time);
                buffer.set_duration(FRAME);
            }
            if !self.give(Item::Buffer(buffer)) {
                return false;
            }
        }
        true
    }

    /// Nothing moves any more, however often one looks.
    pub(super) fn settle(&self) -> bool {
        let mut last = None;
        let mut same = 0;
        self.wait(|stage| {
            let stats = stage.codec.property::<gst::Structure>("stats");
            let count = |name| stats.get::<u64>(name).unwrap_or(0);
            let standing = (
                count("frames-in"),
                count("frames-out"),
                stage.watch.seen().life.taken,
            );
            let held = stage.scenario.source == Source::Live
                && stage.pipeline.current_state() != gst::State::Playing;
            let resting = (held || stage.source.current_level_buffers() == 0)
                && stats.get::<u32>("queued").unwrap_or(0) == 0
                && stats.get::<&str>("verdict").is_ok_and(owes_nothing);
            same = if resting && last == Some(standing) {
                same + 1
            } else {
                0
            };
            last = Some(standing);
            same >= QUIET || stage.has_ended()
        })
    }

    pub(super) fn flush(&mut self) -> bool {
        // `send_event` holds the source's state lock. The pipeline, in the middle of
        // a change, waits for that, and what the sink posts at FLUSH_STOP waits for
        // the pipeline: a deadlock of GStreamer's own (1.22).
        wait(UNDER_WAY, || !self.is_changing());
        let begun = self.source.send_event(gst::event::FlushStart::new());
        let ended = self.source.send_event(gst::event::FlushStop::new(true));
        self.flush_held();
        self.go_on_with_a_key();
        // Where nothing is linked, nobody downstream has taken it.
        begun && ended || !self.codec.static_pad("src").unwrap().is_linked()
    }

    pub(super) fn seek(&mut self) -> bool {
        // The times of a live source begin anew, and none may lie before the segment.
        let to = match self.scenario.source {
            Source::Live => gst::ClockTime::ZERO,
            Source::NonLive => FRAME * (self.position.number() / 2),
        };
        let sought = self.pipeline.seek_simple(gst::SeekFlags::FLUSH, to);
        self.flush_held();
        self.go_on_with_a_key();
        sought.is_ok() || self.has_ended()
    }

    pub(super) fn change_caps(&mut self) -> bool {
        self.other_caps = !self.other_caps;
        let caps = self.material.caps(self.other_caps);
        self.go_on_with_a_key();
        self.give(Item::Caps(caps))
    }

    pub(super) fn gap(&mut self) -> bool {
        let (_, at) = self.position.take();
        let gap = gst::event::Gap::builder(at).duration(FRAME).build();
        // What comes next may refer to the frame that is left out.
        self.go_on_with_a_key();
        self.source.send_event(gap) || self.has_ended()
    }

    /// What the element forgets, or is not given, what comes next must not refer to.
    pub(super) fn go_on_with_a_key(&self) {
        self.position
            .skip_to(|number| self.material.key_at(number, self.other_caps));
    }

    pub(super) fn request_key(&self) -> bool {
        let request = gst_video::UpstreamForceKeyUnitEvent::builder().build();
        // A decoder hands it on, and nobody is there to take it.
        self.codec.static_pad("src").unwrap().send_event(request);
        true
    }

    pub(super) fn end(&mut self) -> bool {
        self.ended = true;
        self.give(Item::End)
    }
}

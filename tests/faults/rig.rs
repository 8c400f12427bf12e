// SPDX-License-Identifier: MPL-2.0
//! A pipeline around the encoder, in a process of its own under the fault shim.
#![allow(dead_code, unreachable_pub, reason = "each suite uses a part")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gst::prelude::*;
use support::Launch;

pub const CAPS: &str = "video/x-raw,format=I420,width=64,height=64,framerate=30/1";
/// Budgets of the tests.
pub const BUDGET: Duration = Duration::from_secs(1);
/// What a noisy machine may add.
pub const SLACK: Duration = Duration::from_millis(1200);

/// A pipeline around the encoder.
pub struct Rig {
    pub pipeline: gst::Pipeline,
    pub codec: gst::Element,
    pub source: gst_app::AppSrc,
}

impl Rig {
    pub fn new(properties: &str) -> Self {
        support::init();
        let budget = BUDGET.as_nanos();
        let pipeline = gst::parse::launch(&format!(
            "appsrc name=in format=time caps={CAPS} ! svtav1watchenc name=codec preset=12 \
             low-latency=true watchdog-timeout={budget} drain-timeout={budget} \
             close-timeout={budget} {properties} ! fakesink name=out sync=false async=false"
        ))
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
        let source = pipeline.by_name("in").unwrap();
        let codec = pipeline.by_name("codec").unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        Self {
            codec,
            source: source.downcast().unwrap(),
            pipeline,
        }
    }

    pub fn frame(number: u64) -> gst::Buffer {
        let mut buffer = gst::Buffer::from_mut_slice(vec![128_u8; 64 * 64 * 3 / 2]);
        let writable = buffer.get_mut().unwrap();
        writable.set_pts(gst::ClockTime::from_mseconds(33) * number);
        writable.set_duration(gst::ClockTime::from_mseconds(33));
        buffer
    }

    /// Asks for this frame to be a key frame.
    pub fn key_request(number: u64) -> gst::Event {
        gst_video::DownstreamForceKeyUnitEvent::builder()
            .running_time(gst::ClockTime::from_mseconds(33) * number)
            .build()
    }

    pub fn ask_for_key_frame(&self, number: u64) {
        let pad = self.codec.static_pad("sink").unwrap();
        assert!(pad.send_event(Self::key_request(number)));
    }

    /// A pad in place of the source: what is pushed into it is in the encoder's hands
    /// when the push returns. The stream has begun.
    pub fn by_hand(&self) -> gst::Pad {
        let sink = self.codec.static_pad("sink").unwrap();
        sink.peer().unwrap().unlink(&sink).unwrap();
        let pad = gst::Pad::builder(gst::PadDirection::Src).build();
        pad.set_active(true).unwrap();
        pad.link(&sink).unwrap();
        pad.push_event(gst::event::StreamStart::new("stream"));
        pad.push_event(gst::event::Caps::new(&CAPS.parse::<gst::Caps>().unwrap()));
        pad.push_event(Self::segment());
        pad
    }

    pub fn segment() -> gst::Event {
        gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new())
    }

    pub fn stats(&self) -> gst::Structure {
        self.codec.property("stats")
    }

    /// The number of the session that `stats` speaks of.
    pub fn session(&self) -> u64 {
        self.stats().get("session").unwrap()
    }

    pub fn phase(&self) -> String {
        self.stats().get("phase").unwrap()
    }

    pub fn message(&self, kinds: &[gst::MessageType]) -> Option<gst::Message> {
        message(&self.pipeline, kinds)
    }

    /// The next message is the warning of a close that hangs.
    pub fn warns_of_a_stuck_close(&self) {
        warns_of_a_stuck_close(&self.pipeline);
    }

    /// Counts what comes out.
    pub fn count(&self) -> Arc<AtomicU64> {
        let count = Arc::new(AtomicU64::new(0));
        let counted = count.clone();
        let pad = self.codec.static_pad("src").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            counted.fetch_add(1, Ordering::Relaxed);
            gst::PadProbeReturn::Ok
        });
        count
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// The next message of one of these kinds.
pub fn message(pipeline: &gst::Pipeline, kinds: &[gst::MessageType]) -> Option<gst::Message> {
    let bus = pipeline.bus().unwrap();
    bus.timed_pop_filtered(gst::ClockTime::from_seconds(20), kinds)
}

/// The next message is the warning of a close that hangs.
pub fn warns_of_a_stuck_close(pipeline: &gst::Pipeline) {
    let message = message(
        pipeline,
        &[gst::MessageType::Warning, gst::MessageType::Error],
    );
    let message = message.expect("a warning");
    let gst::MessageView::Warning(warning) = message.view() else {
        panic!("{message:?}");
    };
    assert!(warning.error().matches(gst::LibraryError::Shutdown));
}

/// Waits until something holds.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs the test of this name in a child under a script; `None` in the child.
pub fn in_a_child(this: &str, script: &str) -> Option<support::Finished> {
    if support::is_child() {
        return None;
    }
    let run = Launch::this_test(this)
        .rehearse(script)
        .bound(Duration::from_secs(60))
        .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    Some(run)
}

// SPDX-License-Identifier: MPL-2.0
//! Hosted codecs of one process beside one that hangs: nobody waits for it.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use gst::prelude::*;

const PIPELINES: usize = 10;
const FRAMES: u64 = 60;
/// How long the watchdog waits: who waited for the wedged one would be late by this.
const WATCHDOG: Duration = Duration::from_secs(3);
/// How late a frame may be shown on a machine that does something else as well.
const LATE: gst::ClockTime = gst::ClockTime::from_mseconds(1500);
/// How long the first frame may take: a live source begins when its codec takes something.
const BEGIN: Duration = Duration::from_millis(2500);

/// A live source whose frames are shown when they are due.
struct Live {
    pipeline: gst::Pipeline,
    /// How late each frame came to the sink.
    late: Arc<Mutex<Vec<gst::ClockTime>>>,
    /// When the first of them came.
    first: Arc<OnceLock<Instant>>,
}

impl Live {
    fn new(codec: &str) -> Self {
        let text = format!(
            "videotestsrc is-live=true num-buffers={FRAMES} \
             ! video/x-raw,format=I420,width=64,height=64,framerate=30/1 \
             ! codecwatch name=codec codec=\"{codec}\" watchdog-timeout={} \
             ! fakesink name=end sync=true",
            WATCHDOG.as_nanos()
        );
        let pipeline = gst::parse::launch(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        let late = Arc::new(Mutex::new(Vec::new()));
        let end = pipeline.by_name("end").unwrap();
        let first = Arc::<OnceLock<Instant>>::default();
        let (seen, begins, sink) = (late.clone(), first.clone(), end.clone());
        let pad = end.static_pad("sink").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let due = info.buffer().and_then(|buffer| buffer.pts()).unwrap();
            let now = sink.current_running_time().unwrap_or_default();
            seen.lock().unwrap().push(now.saturating_sub(due));
            let _ = begins.get_or_init(Instant::now);
            gst::PadProbeReturn::Ok
        });
        Self {
            pipeline,
            late,
            first,
        }
    }

    fn end(&self) -> gst::Message {
        let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
        let bus = self.pipeline.bus().unwrap();
        let message = bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &kinds);
        message.expect("a pipeline without an end")
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// `codec`: what nine of them have. The tenth has `wedged`.
fn assert_that_nobody_waits(codec: &str, wedged: &str) {
    support::init();
    let wedged = Live::new(wedged);
    let others: Vec<Live> = (1..PIPELINES).map(|_| Live::new(codec)).collect();
    wedged.pipeline.set_state(gst::State::Playing).unwrap();
    // It may hang from its beginning on.
    std::thread::sleep(Duration::from_millis(200));
    let begun = Instant::now();
    for live in &others {
        live.pipeline.set_state(gst::State::Playing).unwrap();
    }
    for live in &others {
        let message = live.end();
        assert_eq!(message.type_(), gst::MessageType::Eos, "{message:?}");
        let late = live.late.lock().unwrap();
        assert_eq!(late.len() as u64, FRAMES);
        let first = live.first.get().unwrap().duration_since(begun);
        assert!(first < BEGIN, "the first frame came after {first:?}");
        let latest = late.iter().max().unwrap();
        assert!(*latest < LATE, "a frame came {latest} late: {late:?}");
    }
    let message = wedged.end();
    assert_eq!(message.type_(), gst::MessageType::Error, "{message:?}");
}

#[test]
fn nine_pipelines_beside_a_wedged_one_deliver_each_frame_in_time() {
    assert_that_nobody_waits("wedge", "wedge at=chain how=sleep number=9");
}

/// They open, or take their format, while the other hangs there.
#[test]
fn nine_pipelines_beside_one_that_hangs_where_they_open_deliver_each_frame_in_time() {
    for place in ["at=event kind=caps", "at=ReadyToPaused"] {
        assert_that_nobody_waits("wedge", &format!("wedge {place} how=sleep"));
    }
}

#[test]
fn nine_encoders_beside_a_wedged_pipeline_deliver_each_frame_in_time() {
    assert_that_nobody_waits(
        "vp8enc deadline=1 cpu-used=8",
        "vp8enc deadline=1 cpu-used=8 ! wedge at=chain how=sleep number=9",
    );
}

#[test]
fn nine_pipelines_beside_one_with_a_wedged_thread_deliver_each_frame_in_time() {
    let queue = "queue max-size-buffers=2 ! wedge";
    assert_that_nobody_waits(queue, &format!("{queue} at=chain how=sleep number=9"));
}

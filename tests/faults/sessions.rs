// SPDX-License-Identifier: MPL-2.0
//! Sessions that follow each other while one of them hangs, and the time that a
//! stop takes: each test is a process of its own under the fault shim.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::mpsc;
use std::time::{Duration, Instant};

use gst::prelude::*;
use support::Launch;
use support::process::threads;

const CAPS: &str = "video/x-raw,format=I420,width=64,height=64,framerate=30/1";
/// Budgets of the tests.
const BUDGET: Duration = Duration::from_secs(1);
/// What a noisy machine may add.
const SLACK: Duration = Duration::from_millis(1200);

/// A pipeline around the encoder.
struct Rig {
    pipeline: gst::Pipeline,
    codec: gst::Element,
    source: gst_app::AppSrc,
}

impl Rig {
    fn new(properties: &str) -> Self {
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

    fn frame(number: u64) -> gst::Buffer {
        let mut buffer = gst::Buffer::from_mut_slice(vec![128_u8; 64 * 64 * 3 / 2]);
        let writable = buffer.get_mut().unwrap();
        writable.set_pts(gst::ClockTime::from_mseconds(33) * number);
        writable.set_duration(gst::ClockTime::from_mseconds(33));
        buffer
    }

    fn ask_for_key_frame(&self, number: u64) {
        let forced = gst_video::DownstreamForceKeyUnitEvent::builder()
            .running_time(gst::ClockTime::from_mseconds(33) * number)
            .build();
        let pad = self.codec.static_pad("sink").unwrap();
        assert!(pad.send_event(forced));
    }

    fn message(&self, kinds: &[gst::MessageType]) -> Option<gst::Message> {
        let bus = self.pipeline.bus().unwrap();
        bus.timed_pop_filtered(gst::ClockTime::from_seconds(20), kinds)
    }

    fn warns_of_a_stuck_close(&self) {
        let message = self.message(&[gst::MessageType::Warning, gst::MessageType::Error]);
        let message = message.expect("a warning");
        let gst::MessageView::Warning(warning) = message.view() else {
            panic!("{message:?}");
        };
        assert!(warning.error().matches(gst::LibraryError::Shutdown));
    }

    /// Counts what comes out.
    fn count(&self) -> std::sync::Arc<std::sync::atomic::AtomicU64> {
        let count = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
        let counted = count.clone();
        let pad = self.codec.static_pad("src").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
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

/// Runs the test of this name in a child under a script; `None` in the child.
fn in_a_child(this: &str, script: &str) -> Option<support::Finished> {
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

#[test]
fn the_time_to_close_counts_from_the_beginning_of_the_state_change() {
    let this = "the_time_to_close_counts_from_the_beginning_of_the_state_change";
    if let Some(run) = in_a_child(this, "svt_av1_enc_deinit:hang") {
        assert!(run.says("rehearse: "), "nothing hung: {}", run.text());
        return;
    }
    let rig = Rig::new("");
    // Downstream takes its time, and no flush ends it: deactivating the pad waits.
    let (arrived, arrival) = mpsc::channel();
    let pad = rig.codec.static_pad("src").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        arrived.send(()).unwrap();
        std::thread::sleep(BUDGET);
        gst::PadProbeReturn::Ok
    });
    for number in 0..3 {
        rig.source.push_buffer(Rig::frame(number)).unwrap();
    }
    arrival.recv_timeout(Duration::from_secs(10)).unwrap();
    let begin = Instant::now();
    rig.codec.set_state(gst::State::Ready).unwrap();
    // Counted from the end of the deactivation it would be twice the budget.
    let took = begin.elapsed();
    assert!(took < 2 * BUDGET - BUDGET / 4, "{took:?}");
}

#[test]
fn a_session_that_hangs_while_it_closes_behind_a_flush_is_told_of() {
    let this = "a_session_that_hangs_while_it_closes_behind_a_flush_is_told_of";
    if let Some(run) = in_a_child(this, "svt_av1_enc_deinit:hang@1") {
        assert!(run.says("rehearse: "), "nothing hung: {}", run.text());
        return;
    }
    let rig = Rig::new("");
    for number in 0..3 {
        rig.source.push_buffer(Rig::frame(number)).unwrap();
    }
    let begin = Instant::now();
    while rig.codec.property::<gst::Structure>("stats").get("phase") != Ok("running") {
        assert!(begin.elapsed() < Duration::from_secs(10), "it does not run");
        std::thread::sleep(Duration::from_millis(5));
    }
    // Nobody waits for what is flushed, and the stream goes on.
    let pad = rig.source.static_pad("src").unwrap();
    assert!(pad.push_event(gst::event::FlushStart::new()));
    assert!(pad.push_event(gst::event::FlushStop::new(true)));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(pad.push_event(gst::event::Segment::new(&segment)));
    for number in 3..6 {
        pad.push(Rig::frame(number)).unwrap();
    }
    assert!(pad.push_event(gst::event::Eos::new()));
    rig.warns_of_a_stuck_close();
    let end = rig.message(&[gst::MessageType::Eos, gst::MessageType::Error]);
    assert_eq!(end.expect("an end").type_(), gst::MessageType::Eos);
}

#[test]
fn a_close_that_works_for_too_long_is_told_of_after_the_end() {
    let this = "a_close_that_works_for_too_long_is_told_of_after_the_end";
    if let Some(run) = in_a_child(this, "svt_av1_enc_deinit:spin") {
        assert!(run.says("rehearse: "), "nothing spun: {}", run.text());
        return;
    }
    let rig = Rig::new("slow-limit=3000000000");
    for number in 0..3 {
        rig.source.push_buffer(Rig::frame(number)).unwrap();
    }
    rig.source.end_of_stream().unwrap();
    let kinds = [
        gst::MessageType::Eos,
        gst::MessageType::Warning,
        gst::MessageType::Error,
    ];
    let end = rig.message(&kinds).expect("an end");
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    rig.warns_of_a_stuck_close();
}

#[test]
fn after_an_error_no_other_session_goes_on_unwatched() {
    if support::svtav1_version() >= (1, 8) {
        return support::skip("sessions", "this SVT-AV1 hands no session over");
    }
    let this = "after_an_error_no_other_session_goes_on_unwatched";
    if let Some(run) = in_a_child(
        this,
        // The second session does not open either, and would not be watched.
        "svt_av1_enc_send_picture:hang@5,svt_av1_enc_init:hang=12s@2",
    ) {
        assert!(run.says("rehearse: "), "nothing hung: {}", run.text());
        return;
    }
    let rig = Rig::new("");
    let pad = rig.codec.static_pad("sink").unwrap();
    // The fifth frame hangs in the first session; the sixth begins another, which
    // gets more frames than it has room for.
    let source = gst::Pad::builder(gst::PadDirection::Src).build();
    let appsrc = pad.peer().unwrap();
    appsrc.unlink(&pad).unwrap();
    source.set_active(true).unwrap();
    source.link(&pad).unwrap();
    source.push_event(gst::event::StreamStart::new("stream"));
    source.push_event(gst::event::Caps::new(&CAPS.parse::<gst::Caps>().unwrap()));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    source.push_event(gst::event::Segment::new(&segment));
    let mut longest = Duration::ZERO;
    for number in 0..40 {
        if number == 5 {
            std::thread::sleep(Duration::from_millis(300));
            rig.ask_for_key_frame(number);
        }
        let begin = Instant::now();
        // Until the error is on the bus the answer is Flushing.
        let _ = source.push(Rig::frame(number));
        longest = longest.max(begin.elapsed());
    }
    let error = rig.message(&[gst::MessageType::Error]).expect("an error");
    assert_eq!(error.src(), Some(rig.codec.upcast_ref()));
    let comes_true = |answer| {
        (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            source.push(Rig::frame(40)) == answer
        })
    };
    assert!(comes_true(Err(gst::FlowError::Error)));
    assert!(longest < BUDGET + SLACK, "a push waited for {longest:?}");
    let count = rig.count();
    std::thread::sleep(Duration::from_millis(500));
    let after = count.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(after, 0, "frames came out after the error");
}

#[test]
fn a_restart_leaves_the_sessions_behind_the_wedged_one_alone() {
    if support::svtav1_version() >= (1, 8) {
        return support::skip("sessions", "this SVT-AV1 hands no session over");
    }
    let this = "a_restart_leaves_the_sessions_behind_the_wedged_one_alone";
    if let Some(run) = in_a_child(this, "svt_av1_enc_send_picture:hang@5") {
        assert!(run.says("rehearse: "), "nothing hung: {}", run.text());
        return;
    }
    let rig = Rig::new("restart-limit=1");
    let count = rig.count();
    for number in 0..5 {
        rig.source.push_buffer(Rig::frame(number)).unwrap();
    }
    std::thread::sleep(Duration::from_millis(300));
    rig.ask_for_key_frame(5);
    for number in 5..30 {
        rig.source.push_buffer(Rig::frame(number)).unwrap();
    }
    rig.source.end_of_stream().unwrap();
    let restarted = rig.message(&[gst::MessageType::Element]).unwrap();
    let lost = restarted
        .structure()
        .unwrap()
        .get::<u64>("frames-lost")
        .unwrap();
    let end = rig
        .message(&[gst::MessageType::Eos, gst::MessageType::Error])
        .unwrap();
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    assert!((1..=5).contains(&lost), "{lost} lost");
    let out = count.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(out + lost, 30, "{lost} lost");
}

#[test]
fn key_frame_requests_in_a_row_open_one_session_after_the_other() {
    let this = "key_frame_requests_in_a_row_open_one_session_after_the_other";
    if in_a_child(this, "svt_av1_enc_init:trace").is_some() {
        return;
    }
    let rig = Rig::new("");
    let count = rig.count();
    rig.source.push_buffer(Rig::frame(0)).unwrap();
    rig.source.push_buffer(Rig::frame(1)).unwrap();
    let begin = Instant::now();
    while count.load(std::sync::atomic::Ordering::Relaxed) == 0 {
        assert!(begin.elapsed() < Duration::from_secs(10), "no packet");
        std::thread::sleep(Duration::from_millis(5));
    }
    let alone = threads();
    let mut most = 0;
    for number in 2..40 {
        rig.ask_for_key_frame(number);
        rig.source.push_buffer(Rig::frame(number)).unwrap();
        std::thread::sleep(Duration::from_millis(10));
        most = most.max(threads());
    }
    rig.source.end_of_stream().unwrap();
    let end = rig
        .message(&[gst::MessageType::Eos, gst::MessageType::Error])
        .unwrap();
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), 40);
    // One that drains and one that opens, and the threads of the pipeline.
    assert!(
        most <= 2 * alone + 4,
        "{most} threads, one session has {alone}"
    );
}

#[test]
fn after_a_wedge_a_slow_preset_is_refused_and_told_who_holds_the_place() {
    if support::svtav1_version() >= (4, 1) {
        return support::skip("sessions", "slow presets go with each other here");
    }
    let this = "after_a_wedge_a_slow_preset_is_refused_and_told_who_holds_the_place";
    if let Some(run) = in_a_child(this, "svt_av1_enc_send_picture:hang@5") {
        assert!(run.says("rehearse: "), "nothing hung: {}", run.text());
        return;
    }
    let play = || {
        let rig = Rig::new("low-latency=false preset=4");
        for number in 0..10 {
            let _ = rig.source.push_buffer(Rig::frame(number));
        }
        rig.message(&[gst::MessageType::Error]).expect("an error")
    };
    let texts = [play(), play()].map(|error| match error.view() {
        gst::MessageView::Error(error) => error.error().to_string(),
        _ => String::new(),
    });
    assert!(texts[0].contains("is wedged"), "{texts:?}");
    assert!(
        texts[1].contains("SVT-AV1#1 (preset 4), which was given up"),
        "{texts:?}"
    );
}

#[test]
fn a_session_that_is_refused_says_so_in_the_details_of_its_error() {
    let this = "a_session_that_is_refused_says_so_in_the_details_of_its_error";
    if let Some(run) = in_a_child(this, "svt_av1_enc_send_picture:hang@5") {
        assert!(run.says("rehearse: "), "nothing hung: {}", run.text());
        return;
    }
    let play = || {
        let rig = Rig::new("max-abandoned=1");
        for number in 0..10 {
            let _ = rig.source.push_buffer(Rig::frame(number));
        }
        rig.message(&[gst::MessageType::Error]).expect("an error")
    };
    let outcomes = [play(), play()].map(|error| match error.view() {
        gst::MessageView::Error(error) => {
            let details = error.details().expect("details");
            assert_eq!(details.name(), "codecwatch-fault");
            details.get::<String>("outcome").unwrap()
        }
        _ => String::new(),
    });
    assert_eq!(outcomes, ["WatchdogAbandoned", "Refused"]);
}

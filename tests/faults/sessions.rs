// SPDX-License-Identifier: MPL-2.0
//! Sessions that follow each other while one of them hangs, and the time that a
//! stop takes: each test is a process of its own under the fault shim.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod rig;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use gst::prelude::*;
use rig::{BUDGET, Rig, SLACK, eventually, in_a_child, warns_of_a_stuck_close};

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

/// Not every dav1d goes on after a drain: before 1.5.1 none does with several frames in
/// work.
#[test]
fn a_session_that_hangs_while_it_closes_behind_a_drain_is_told_of() {
    let this = "a_session_that_hangs_while_it_closes_behind_a_drain_is_told_of";
    if let Some(run) = in_a_child(this, "dav1d_close:hang@1") {
        assert!(run.says("rehearse: "), "nothing hung: {}", run.text());
        return;
    }
    support::init();
    let pipeline = gst::parse::launch(&format!(
        "filesrc location={} ! matroskademux ! av1parse ! dav1dwatchdec name=codec n-threads=4 \
         max-frame-delay=4 close-timeout={} ! fakesink sync=false async=false",
        support::media::clip().display(),
        BUDGET.as_nanos()
    ));
    let pipeline = pipeline.unwrap().downcast::<gst::Pipeline>().unwrap();
    let codec = pipeline.by_name("codec").unwrap();
    // A still frame begins before the tenth frame, and nothing more comes.
    let (told, drained) = mpsc::channel();
    let (goes_on, may_go_on) = mpsc::channel::<()>();
    let (frames, may_go_on) = (AtomicU64::new(0), Mutex::new(may_go_on));
    let sink = codec.static_pad("sink").unwrap();
    let upstream = sink.peer().unwrap();
    upstream.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        if frames.fetch_add(1, Ordering::Relaxed) == 9 {
            let still = gst_video::StillFrameEvent::builder(true).build();
            told.send(sink.send_event(still)).unwrap();
            let _ = may_go_on.lock().unwrap().recv();
        }
        gst::PadProbeReturn::Ok
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    assert!(drained.recv_timeout(Duration::from_secs(10)).unwrap());
    let stats = codec.property::<gst::Structure>("stats");
    if stats.get("phase") != Ok("running") {
        warns_of_a_stuck_close(&pipeline);
    }
    drop(goes_on);
    pipeline.set_state(gst::State::Null).unwrap();
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
    // The fifth frame hangs in the first session; the sixth begins another, which
    // gets more frames than it has room for.
    let source = rig.by_hand();
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
    let after = count.load(Ordering::Relaxed);
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
    let out = count.load(Ordering::Relaxed);
    assert_eq!(out + lost, 30, "{lost} lost");
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
        texts[1].contains("SVT-AV1#1 (preset 4), which was abandoned"),
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

#[test]
fn after_a_free_that_hangs_the_next_session_opens_at_once() {
    if support::svtav1_version() >= (4, 0) {
        return support::skip("sessions", "encoders are freed at any time here");
    }
    let this = "after_a_free_that_hangs_the_next_session_opens_at_once";
    if let Some(run) = in_a_child(this, "svt_av1_enc_deinit_handle:hang@1") {
        assert!(run.says("rehearse: "), "nothing hung: {}", run.text());
        return;
    }
    for life in 0..2 {
        let rig = Rig::new("");
        let count = rig.count();
        for number in 0..5 {
            rig.source.push_buffer(Rig::frame(number)).unwrap();
        }
        // Not for the minute that a free of unknown fate is given.
        eventually(&format!("a packet in life {life}"), || {
            count.load(Ordering::Relaxed) > 0
        });
    }
}

#[test]
fn a_flush_ends_the_wait_for_a_close_at_the_end_of_the_stream() {
    let this = "a_flush_ends_the_wait_for_a_close_at_the_end_of_the_stream";
    if let Some(run) = in_a_child(this, "svt_av1_enc_deinit:hang=8s@1") {
        assert!(run.says("rehearse: "), "nothing hung: {}", run.text());
        return;
    }
    let rig = Rig::new("close-timeout=60000000000");
    let count = rig.count();
    let source = rig.by_hand();
    for number in 0..3 {
        source.push(Rig::frame(number)).unwrap();
    }
    let ending = source.clone();
    let end = std::thread::spawn(move || ending.push_event(gst::event::Eos::new()));
    eventually("it closes", || rig.phase() == "closing");
    std::thread::sleep(Duration::from_millis(200));
    assert!(!end.is_finished());
    let begin = Instant::now();
    source.push_event(gst::event::FlushStart::new());
    let taken = end.join().unwrap();
    assert!(
        begin.elapsed() < Duration::from_secs(4),
        "{:?}",
        begin.elapsed()
    );
    assert!(!taken, "the flush has dropped the end");
    source.push_event(gst::event::FlushStop::new(true));
    source.push_event(Rig::segment());
    let before = count.load(Ordering::Relaxed);
    for number in 0..3 {
        source.push(Rig::frame(number)).unwrap();
    }
    source.push_event(gst::event::Eos::new());
    let after = count.load(Ordering::Relaxed);
    assert_eq!(after - before, 3);
}

#[test]
fn encoders_that_are_flushed_at_the_same_time_are_no_leak() {
    let this = "encoders_that_are_flushed_at_the_same_time_are_no_leak";
    // Each close takes a while, so that all of them overlap.
    if let Some(run) = in_a_child(this, "svt_av1_enc_deinit:delay=1500ms") {
        assert!(
            run.says("rehearse: "),
            "nothing took its time: {}",
            run.text()
        );
        return;
    }
    let rigs: Vec<_> = (0..6)
        .map(|_| {
            let rig = Rig::new("close-timeout=30000000000 max-abandoned=2");
            let (count, source) = (rig.count(), rig.by_hand());
            (rig, count, source)
        })
        .collect();
    let push_and_see = |what: &str| {
        for (_, _, source) in &rigs {
            for number in 0..3 {
                source.push(Rig::frame(number)).unwrap();
            }
        }
        for (rig, count, _) in &rigs {
            eventually(what, || count.swap(0, Ordering::Relaxed) > 0);
            let error = rig
                .pipeline
                .bus()
                .unwrap()
                .pop_filtered(&[gst::MessageType::Error]);
            assert!(error.is_none(), "{error:?}");
        }
    };
    push_and_see("the first packets");
    for (_, _, source) in &rigs {
        source.push_event(gst::event::FlushStart::new());
        source.push_event(gst::event::FlushStop::new(true));
        source.push_event(Rig::segment());
    }
    push_and_see("packets after the flush");
}

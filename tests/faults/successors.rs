// SPDX-License-Identifier: MPL-2.0
//! Sessions that take over from each other for key frames, where the library makes
//! none in mid-stream: how many of them there are.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod rig;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gst::prelude::*;
use rig::{Rig, eventually, in_a_child};

/// Budgets that nothing here uses up.
const PATIENT: &str = "watchdog-timeout=60000000000 drain-timeout=60000000000";

fn hands_nothing_over() -> bool {
    let hands_nothing_over = support::svtav1_version() >= (1, 8);
    if hands_nothing_over {
        support::skip("successors", "this SVT-AV1 hands no session over");
    }
    hands_nothing_over
}

#[test]
fn key_frame_requests_that_come_before_the_next_session_opens_are_one() {
    if hands_nothing_over() {
        return;
    }
    let this = "key_frame_requests_that_come_before_the_next_session_opens_are_one";
    // The end of the first session, after two frames.
    if let Some(run) = in_a_child(this, "svt_av1_enc_send_picture:hang=2s@3") {
        assert!(run.says("rehearse: "), "nothing hung: {}", run.text());
        return;
    }
    let rig = Rig::new(PATIENT);
    let count = rig.count();
    let source = rig.by_hand();
    for number in 0..6 {
        if number >= 2 {
            source.push_event(Rig::key_request(number));
        }
        source.push(Rig::frame(number)).unwrap();
    }
    assert_eq!(rig.phase(), "waiting", "the first was too quick to show it");
    assert_eq!(rig.session(), 2);
    source.push_event(gst::event::Eos::new());
    assert_eq!(count.load(Ordering::Relaxed), 6);
    assert_eq!(rig.session(), 2);
}

#[test]
fn sessions_do_not_pile_up_where_downstream_takes_nothing() {
    if hands_nothing_over() {
        return;
    }
    const FRAMES: u64 = 24;
    let rig = Rig::new(PATIENT);
    let count = rig.count();
    let source = rig.by_hand();
    let blocked = rig.codec.static_pad("src").unwrap();
    let block = blocked
        .add_probe(
            gst::PadProbeType::BLOCK | gst::PadProbeType::BUFFER,
            |_, _| gst::PadProbeReturn::Ok,
        )
        .unwrap();
    let pushed = Arc::new(AtomicU64::new(0));
    let stream = {
        let (codec, pushed) = (rig.codec.clone(), pushed.clone());
        std::thread::spawn(move || {
            for number in 0..FRAMES {
                source.push_event(Rig::key_request(number));
                source.push(Rig::frame(number)).unwrap();
                pushed.store(number + 1, Ordering::Relaxed);
                // A request before that would be served by the same session.
                eventually("the session opens", || {
                    let stats = codec.property::<gst::Structure>("stats");
                    !matches!(stats.get("phase"), Ok("waiting" | "opening"))
                });
            }
            source.push_event(gst::event::Eos::new());
        })
    };
    // Until nothing has been taken for a while.
    let mut last = (0, Instant::now());
    while last.1.elapsed() < Duration::from_secs(3) {
        let now = pushed.load(Ordering::Relaxed);
        assert!(
            now < FRAMES,
            "every frame was taken in a session of its own"
        );
        if now != last.0 {
            last = (now, Instant::now());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    blocked.remove_probe(block);
    stream.join().unwrap();
    assert_eq!(count.load(Ordering::Relaxed), FRAMES);
}

#[test]
fn an_encoder_takes_no_more_where_downstream_takes_nothing() {
    // Far more than it holds in low delay, and more than a library would take in its own
    // memory before anybody noticed.
    const FRAMES: u64 = 400;
    let rig = Rig::new(PATIENT);
    let count = rig.count();
    let source = rig.by_hand();
    let blocked = rig.codec.static_pad("src").unwrap();
    let block = blocked
        .add_probe(
            gst::PadProbeType::BLOCK | gst::PadProbeType::BUFFER,
            |_, _| gst::PadProbeReturn::Ok,
        )
        .unwrap();
    let pushed = Arc::new(AtomicU64::new(0));
    let stream = {
        let pushed = pushed.clone();
        std::thread::spawn(move || {
            for number in 0..FRAMES {
                source.push(Rig::frame(number)).unwrap();
                pushed.store(number + 1, Ordering::Relaxed);
            }
            source.push_event(gst::event::Eos::new());
        })
    };
    let mut last = (0, Instant::now());
    while last.1.elapsed() < Duration::from_secs(3) {
        let now = pushed.load(Ordering::Relaxed);
        assert!(now < FRAMES / 2, "it took {now} frames");
        if now != last.0 {
            last = (now, Instant::now());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    blocked.remove_probe(block);
    stream.join().unwrap();
    assert_eq!(count.load(Ordering::Relaxed), FRAMES);
}

// SPDX-License-Identifier: MPL-2.0
//! `svtav1watchenc` over many lives. A test program of its own, because it
//! counts what its process holds.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use gst::prelude::*;
use support::process::{descriptors, threads};

/// The element, too, works again after NULL, and leaves nothing behind.
#[test]
fn two_hundred_lives_leave_no_thread_and_no_descriptor_behind() {
    support::init();
    let pipeline = gst::parse::launch(
        "videotestsrc num-buffers=4 ! video/x-raw,width=64,height=64,framerate=30/1 \
         ! svtav1watchenc preset=12 ! fakesink",
    )
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let bus = pipeline.bus().unwrap();
    let mut settled = (0, 0);
    for life in 0..200 {
        pipeline.set_state(gst::State::Playing).unwrap();
        // Every third life is cut short.
        if life % 3 != 0 {
            let message = bus
                .timed_pop_filtered(
                    gst::ClockTime::from_seconds(20),
                    &[gst::MessageType::Eos, gst::MessageType::Error],
                )
                .expect("the pipeline hangs");
            assert_eq!(message.type_(), gst::MessageType::Eos, "{message:?}");
        }
        pipeline.set_state(gst::State::Null).unwrap();
        if life == 20 {
            settled = (threads(), descriptors());
        }
    }
    // Threads of GStreamer's own pool may come and go.
    for _ in 0..100 {
        if threads() <= settled.0 + 2 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(
        threads() <= settled.0 + 2,
        "{} threads, after 20 lives {}",
        threads(),
        settled.0
    );
    assert!(
        descriptors() <= settled.1 + 2,
        "{} descriptors, was {}",
        descriptors(),
        settled.1
    );
}

/// In a process of its own, under the fault shim.
#[test]
fn lives_after_a_trip_leave_nothing_behind_either() {
    if support::is_child() {
        return lives_after_a_trip();
    }
    let run = support::Launch::this_test("lives_after_a_trip_leave_nothing_behind_either")
        .rehearse("svt_av1_enc_send_picture:hang=3s@3")
        .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    assert!(run.says("rehearse: "), "nothing tripped: {}", run.text());
}

fn lives_after_a_trip() {
    support::init();
    let pipeline = gst::parse::launch(
        "videotestsrc num-buffers=10 ! video/x-raw,width=64,height=64,framerate=30/1 \
         ! svtav1watchenc name=codec preset=12 watchdog-timeout=1000000000 \
         drain-timeout=1000000000 close-timeout=500000000 ! fakesink",
    )
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let bus = pipeline.bus().unwrap();
    let idle = threads();
    for life in 0..40 {
        pipeline.set_state(gst::State::Playing).unwrap();
        let message = bus
            .timed_pop_filtered(
                gst::ClockTime::from_seconds(20),
                &[gst::MessageType::Eos, gst::MessageType::Error],
            )
            .expect("the pipeline hangs");
        let expected = if life == 0 {
            gst::MessageType::Error
        } else {
            gst::MessageType::Eos
        };
        assert_eq!(message.type_(), expected, "life {life}: {message:?}");
        pipeline.set_state(gst::State::Null).unwrap();
    }
    // The call returns after all, and its worker gives everything back. GLib keeps
    // the threads of tasks that have ended for 15 s.
    for _ in 0..600 {
        if threads() <= idle + 2 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(
        threads() <= idle + 2,
        "{} threads, at first {idle}",
        threads()
    );
}

/// In a process of its own, under the fault shim.
#[test]
fn a_restart_goes_on_also_while_another_session_waits_for_the_one_that_is_wedged() {
    if support::svtav1_version() >= (1, 8) {
        // Key frames are forced within a session: nothing is handed over.
        return support::skip("svtav1watchenc_lives", "this SVT-AV1 hands no session over");
    }
    if support::is_child() {
        return restart_after_a_handover();
    }
    let this = "a_restart_goes_on_also_while_another_session_waits_for_the_one_that_is_wedged";
    let run = support::Launch::this_test(this)
        .rehearse("svt_av1_enc_send_picture:hang@5")
        .bound(Duration::from_secs(60))
        .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    assert!(run.says("rehearse: "), "nothing hung: {}", run.text());
}

fn restart_after_a_handover() {
    support::init();
    let pipeline = gst::parse::launch(
        "appsrc name=in format=time block=true max-buffers=1 \
         caps=video/x-raw,format=I420,width=64,height=64,framerate=30/1 \
         ! svtav1watchenc name=codec preset=12 low-latency=true restart-limit=1 \
         watchdog-timeout=1000000000 close-timeout=1000000000 ! fakesink sync=false async=false",
    )
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let input = pipeline.by_name("in").unwrap();
    let codec = pipeline.by_name("codec").unwrap();
    let pad = codec.static_pad("sink").unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let push = |number: u64| {
        let mut buffer = gst::Buffer::from_mut_slice(vec![128_u8; 64 * 64 * 3 / 2]);
        buffer
            .get_mut()
            .unwrap()
            .set_pts(gst::ClockTime::from_mseconds(33) * number);
        let _: gst::FlowReturn = input.emit_by_name("push-buffer", &[&buffer]);
    };
    // The fifth frame hangs inside the first session; the sixth begins another.
    (0..5).for_each(push);
    std::thread::sleep(Duration::from_millis(300));
    let forced = gst_video::DownstreamForceKeyUnitEvent::builder()
        .running_time(gst::ClockTime::from_mseconds(33 * 5))
        .build();
    assert!(pad.send_event(forced));
    (5..8).for_each(push);
    std::thread::sleep(Duration::from_secs(3));
    (8..30).for_each(push);
    let _: gst::FlowReturn = input.emit_by_name("end-of-stream", &[]);
    let message = pipeline.bus().unwrap().timed_pop_filtered(
        gst::ClockTime::from_seconds(20),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    let stats = codec.property::<gst::Structure>("stats");
    assert_eq!(
        message.map(|message| message.type_()),
        Some(gst::MessageType::Eos),
        "{stats}"
    );
    assert_eq!(stats.get::<u32>("restarts"), Ok(1), "{stats}");
    pipeline.set_state(gst::State::Null).unwrap();
}

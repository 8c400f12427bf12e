// SPDX-License-Identifier: MPL-2.0
//! What must not trip the watchdog: a sink that takes nothing, an input that
//! stops, a machine with too much to do. The long ones are run with
//!
//!     cargo test -p codecwatch-tests --test patience -- --ignored
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use gst::prelude::*;
use support::Launch;
use support::load::Load;

/// Pipelines play, pause for `pause` with frames on their way, and play on.
fn pauses(pause: Duration) {
    support::init();
    let pipeline = gst::parse::launch(
        "videotestsrc num-buffers=400 ! video/x-raw,width=128,height=128,framerate=30/1 \
         ! svtav1watchenc name=codec preset=10 watchdog-timeout=1000000000 \
         drain-timeout=1000000000 ! queue max-size-buffers=2 ! fakesink sync=true",
    )
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let bus = pipeline.bus().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    pipeline.state(gst::ClockTime::from_seconds(20)).0.unwrap();
    pipeline.set_state(gst::State::Paused).unwrap();
    pipeline.state(gst::ClockTime::from_seconds(20)).0.unwrap();
    let tripped = bus.timed_pop_filtered(
        gst::ClockTime::from_nseconds(pause.as_nanos() as u64),
        &[gst::MessageType::Error, gst::MessageType::Warning],
    );
    assert!(tripped.is_none(), "{tripped:?}");
    let stats = pipeline
        .by_name("codec")
        .unwrap()
        .property::<gst::Structure>("stats");
    assert_eq!(stats.get::<&str>("verdict"), Ok("backpressured"), "{stats}");
    pipeline.set_state(gst::State::Playing).unwrap();
    let end = bus.timed_pop_filtered(
        gst::ClockTime::from_seconds(60),
        &[gst::MessageType::Error, gst::MessageType::Eos],
    );
    assert_eq!(
        end.map(|message| message.type_()),
        Some(gst::MessageType::Eos)
    );
    pipeline.set_state(gst::State::Null).unwrap();
}

/// An application that gives some frames, then none for `pause`, then some.
fn input_stops(pause: Duration) {
    support::init();
    let pipeline = gst::parse::launch(
        "appsrc name=in format=time caps=video/x-raw,format=I420,width=128,height=128,framerate=30/1 \
         ! svtav1watchenc name=codec preset=12 watchdog-timeout=1000000000 ! fakesink",
    )
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let input = pipeline
        .by_name("in")
        .unwrap()
        .downcast::<gst_app::AppSrc>()
        .unwrap();
    let bus = pipeline.bus().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let push = |from: u64, to: u64| {
        for number in from..to {
            let mut buffer = gst::Buffer::from_mut_slice(vec![128; 128 * 128 * 3 / 2]);
            buffer
                .get_mut()
                .unwrap()
                .set_pts(gst::ClockTime::from_mseconds(33) * number);
            input.push_buffer(buffer).unwrap();
        }
    };
    push(0, 20);
    let tripped = bus.timed_pop_filtered(
        gst::ClockTime::from_nseconds(pause.as_nanos() as u64),
        &[gst::MessageType::Error],
    );
    assert!(tripped.is_none(), "{tripped:?}");
    let stats = pipeline
        .by_name("codec")
        .unwrap()
        .property::<gst::Structure>("stats");
    assert_eq!(stats.get::<&str>("verdict"), Ok("idle"), "{stats}");
    push(20, 40);
    input.end_of_stream().unwrap();
    let end = bus.timed_pop_filtered(
        gst::ClockTime::from_seconds(60),
        &[gst::MessageType::Error, gst::MessageType::Eos],
    );
    assert_eq!(
        end.map(|message| message.type_()),
        Some(gst::MessageType::Eos)
    );
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn a_paused_sink_trips_nothing() {
    pauses(Duration::from_secs(4));
}

#[test]
fn an_input_that_stops_trips_nothing() {
    input_stops(Duration::from_secs(4));
}

#[test]
#[ignore = "takes a minute"]
fn a_sink_that_is_paused_for_a_minute_trips_nothing() {
    pauses(Duration::from_secs(60));
}

#[test]
#[ignore = "takes a minute"]
fn an_input_that_stops_for_a_minute_trips_nothing() {
    input_stops(Duration::from_secs(60));
}

#[test]
#[ignore = "loads the machine eightfold"]
fn a_machine_that_is_loaded_eightfold_trips_nothing_at_the_slowest_preset() {
    let _load = Load::new(8);
    let run = Launch::pipeline(
        "videotestsrc num-buffers=20 pattern=snow ! video/x-raw,width=320,height=240,framerate=30/1 \
         ! svtav1watchenc preset=0 watchdog-timeout=1000000000 drain-timeout=1000000000 \
         open-timeout=1000000000 ! fakesink",
    )
    .bound(Duration::from_secs(540))
    .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    println!("took {:?}; slow: {}", run.took, run.says("codecwatch-slow"));
}

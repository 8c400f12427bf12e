// SPDX-License-Identifier: MPL-2.0
use std::time::Duration;

use gst::prelude::*;

use crate::util::{CAPS, element, encoder, frame, push};

fn pipeline(frames: u32) -> gst::Pipeline {
    support::init();
    gst::parse::launch(&format!(
        "videotestsrc num-buffers={frames} ! video/x-raw,width=64,height=64,framerate=30/1 \
         ! svtav1watchenc preset=12 ! fakesink"
    ))
    .unwrap()
    .downcast()
    .unwrap()
}

#[test]
fn pause_and_play_lose_nothing() {
    let pipeline = pipeline(120);
    let sink = pipeline
        .iterate_sinks()
        .into_iter()
        .next()
        .unwrap()
        .unwrap();
    let pad = sink.static_pad("sink").unwrap();
    let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = count.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    for _ in 0..5 {
        pipeline.set_state(gst::State::Paused).unwrap();
        // Not before it is paused: asking for the next state in the middle of a
        // change is another test of GStreamer itself.
        pipeline.state(gst::ClockTime::from_seconds(20)).0.unwrap();
        std::thread::sleep(Duration::from_millis(20));
        pipeline.set_state(gst::State::Playing).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    let bus = pipeline.bus().unwrap();
    let message = bus.timed_pop_filtered(
        gst::ClockTime::from_seconds(30),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    assert_eq!(
        message.map(|message| message.type_()),
        Some(gst::MessageType::Eos)
    );
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), 120);
}

#[test]
fn a_stop_that_meets_the_first_frame_does_not_wait_for_its_session() {
    support::init();
    let codec = gst::ElementFactory::make("svtav1watchenc").build().unwrap();
    support::stopping::first_buffer_while_stopping(&codec, CAPS, frame(CAPS, 0));
}

#[test]
fn in_null_it_keeps_nothing_of_the_stream() {
    let mut harness = encoder("");
    push(&mut harness, 0, 3);
    let element = element(&harness);
    let caps = element.static_pad("sink").unwrap().current_caps().unwrap();
    drop(harness);
    assert_eq!(element.current_state(), gst::State::Null);
    // Nobody else has them: who keeps the format keeps the caps.
    assert!(caps.is_writable());
}

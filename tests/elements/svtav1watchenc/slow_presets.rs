// SPDX-License-Identifier: MPL-2.0
//! Slow presets, of which SVT-AV1 before 4.1 can run one in a process: the element
//! over its lives, and beside another. In processes of their own, because every
//! encoder counts.
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gst::prelude::*;
use support::Launch;

use crate::util::{comes_true, count_buffers};

/// Whether this process shall do the work of the test; it starts one that does,
/// unless every preset goes with every other here.
fn is_child(test: &str) -> bool {
    if support::is_child() {
        return true;
    }
    if support::svtav1_version() >= (4, 1) {
        support::skip("svtav1watchenc", "slow presets have no limit here");
        return false;
    }
    let run = Launch::this_test(&format!("slow_presets::{test}"))
        .bound(Duration::from_secs(100))
        .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    false
}

/// An endless stream into an encoder at a slow preset.
fn pipeline(properties: &str) -> gst::Pipeline {
    support::init();
    let size = "width=640,height=360,framerate=30/1";
    gst::parse::launch(&format!(
        "videotestsrc name=source pattern=ball ! video/x-raw,{size} \
         ! svtav1watchenc name=codec preset=4 {properties} ! fakesink name=out sync=false async=false"
    ))
    .unwrap()
    .downcast()
    .unwrap()
}

fn packets(pipeline: &gst::Pipeline) -> Arc<AtomicUsize> {
    let out = pipeline.by_name("out").unwrap();
    count_buffers(&out.static_pad("sink").unwrap())
}

/// The text of the next error, if there is one within this time.
fn error(pipeline: &gst::Pipeline, within: gst::ClockTime) -> Option<String> {
    let bus = pipeline.bus().unwrap();
    let message = bus.timed_pop_filtered(within, &[gst::MessageType::Error])?;
    match message.view() {
        gst::MessageView::Error(error) => Some(error.error().to_string()),
        _ => None,
    }
}

/// Fails where no further packet comes, and says why none does.
fn flows(pipeline: &gst::Pipeline, packets: &AtomicUsize, what: &str) {
    let before = packets.load(Ordering::Relaxed);
    if !comes_true(|| packets.load(Ordering::Relaxed) > before) {
        let error = error(pipeline, gst::ClockTime::SECOND);
        panic!("nothing flows after {what}: {error:?}");
    }
}

/// The session before is still closing when the next one is to open, which is no reason
/// to refuse it.
#[test]
fn stopped_in_mid_stream_it_plays_again() {
    if !is_child("stopped_in_mid_stream_it_plays_again") {
        return;
    }
    let pipeline = pipeline("close-timeout=700000000 max-abandoned=1");
    let packets = packets(&pipeline);
    for life in 0..2 {
        pipeline.set_state(gst::State::Playing).unwrap();
        flows(&pipeline, &packets, &format!("start {life}"));
        pipeline.set_state(gst::State::Ready).unwrap();
    }
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn after_a_flush_in_mid_stream_it_goes_on() {
    if !is_child("after_a_flush_in_mid_stream_it_goes_on") {
        return;
    }
    let pipeline = pipeline("close-timeout=300000000");
    let packets = packets(&pipeline);
    pipeline.set_state(gst::State::Playing).unwrap();
    for seek in 0..2 {
        flows(&pipeline, &packets, &format!("seek {seek}"));
        pipeline
            .seek_simple(gst::SeekFlags::FLUSH, gst::ClockTime::ZERO)
            .unwrap();
    }
    flows(&pipeline, &packets, "the last seek");
    pipeline.set_state(gst::State::Null).unwrap();
}

/// Each finds the session of the one before still closing, or not open yet.
#[test]
fn many_flushes_in_a_row_end_in_one_session_that_goes_on() {
    if !is_child("many_flushes_in_a_row_end_in_one_session_that_goes_on") {
        return;
    }
    let pipeline = pipeline("max-abandoned=1");
    let packets = packets(&pipeline);
    pipeline.set_state(gst::State::Playing).unwrap();
    flows(&pipeline, &packets, "the start");
    for _ in 0..8 {
        pipeline
            .seek_simple(gst::SeekFlags::FLUSH, gst::ClockTime::ZERO)
            .unwrap();
        std::thread::sleep(Duration::from_millis(150));
    }
    flows(&pipeline, &packets, "the last seek");
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn a_second_one_beside_it_is_refused_and_told_who_runs() {
    if !is_child("a_second_one_beside_it_is_refused_and_told_who_runs") {
        return;
    }
    let (first, second) = (pipeline(""), pipeline(""));
    let packets_of_first = packets(&first);
    let packets_of_second = packets(&second);
    first.set_state(gst::State::Playing).unwrap();
    flows(&first, &packets_of_first, "the start");
    second.set_state(gst::State::Playing).unwrap();
    let refusal = error(&second, gst::ClockTime::from_seconds(20)).expect("it is not refused");
    let held = "(preset 4), which is running";
    assert!(refusal.contains(held), "{refusal}");
    second.set_state(gst::State::Null).unwrap();
    flows(&first, &packets_of_first, "the refusal of another");
    first.set_state(gst::State::Null).unwrap();
    second.set_state(gst::State::Playing).unwrap();
    flows(&second, &packets_of_second, "the end of the other");
    second.set_state(gst::State::Null).unwrap();
}

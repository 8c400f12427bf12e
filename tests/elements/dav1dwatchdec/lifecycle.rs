// SPDX-License-Identifier: MPL-2.0
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gst::prelude::*;
use support::pictures::{Downstream, collect};

use crate::streams::ivf;
use crate::util::{CAPS, FRAME, bus, clip, clip_start, decoder, element, error, pull_all, push};

/// Plays the clip. It comes as IVF: a demuxer's pads would have to be linked anew
/// in each life.
fn pipeline(properties: &str) -> (tempfile::TempPath, gst::Pipeline) {
    support::init();
    let file = tempfile::NamedTempFile::with_suffix(".ivf").unwrap();
    std::fs::write(file.path(), ivf::write(&clip())).unwrap();
    let description = format!(
        "filesrc location={} ! ivfparse ! av1parse ! dav1dwatchdec name=codec {properties} \
         ! appsink name=out sync=false",
        file.path().display()
    );
    let pipeline = gst::parse::launch(&description).unwrap();
    (file.into_temp_path(), pipeline.downcast().unwrap())
}

fn wait_for_eos(pipeline: &gst::Pipeline) {
    let message = pipeline.bus().unwrap().timed_pop_filtered(
        gst::ClockTime::from_seconds(60),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    let message = message.expect("the pipeline hangs");
    assert_eq!(message.type_(), gst::MessageType::Eos, "{message:?}");
}

#[test]
fn pause_and_play_lose_nothing() {
    let (_file, pipeline) = pipeline("");
    let samples = collect(&pipeline, Downstream::TakesVideoMeta);
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
    wait_for_eos(&pipeline);
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(samples.lock().unwrap().len(), 132);
}

#[test]
fn it_works_again_after_ready() {
    let (_file, pipeline) = pipeline("");
    let samples = collect(&pipeline, Downstream::TakesVideoMeta);
    for life in 1..=3 {
        pipeline.set_state(gst::State::Playing).unwrap();
        wait_for_eos(&pipeline);
        pipeline.set_state(gst::State::Ready).unwrap();
        assert_eq!(samples.lock().unwrap().len(), life * 132);
    }
    pipeline.set_state(gst::State::Null).unwrap();
}

/// In each life, as the settings of that life are.
#[test]
fn the_latency_is_known_when_the_first_picture_comes_out() {
    let (_file, pipeline) = pipeline("n-threads=4");
    let _samples = collect(&pipeline, Downstream::TakesVideoMeta);
    let codec = pipeline.by_name("codec").unwrap();
    let seen = Arc::new(Mutex::new(None));
    let first = seen.clone();
    let source = codec.static_pad("src").unwrap();
    source.add_probe(gst::PadProbeType::BUFFER, move |pad, _| {
        let mut query = gst::query::Latency::new();
        assert!(pad.query(&mut query));
        first.lock().unwrap().get_or_insert(query.result().1);
        gst::PadProbeReturn::Ok
    });
    for held_back in [3_u32, 0, 2] {
        codec.set_property("max-frame-delay", i64::from(held_back.max(1)));
        pipeline.set_state(gst::State::Playing).unwrap();
        wait_for_eos(&pipeline);
        pipeline.set_state(gst::State::Ready).unwrap();
        let latency = seen.lock().unwrap().take();
        assert_eq!(latency, Some(FRAME * u64::from(held_back)));
    }
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn a_paused_sink_trips_nothing() {
    let (_file, pipeline) = pipeline("watchdog-timeout=500000000 drain-timeout=500000000");
    let codec = pipeline.by_name("codec").unwrap();
    pipeline.set_state(gst::State::Paused).unwrap();
    pipeline.state(gst::ClockTime::from_seconds(20)).0.unwrap();
    let bus = pipeline.bus().unwrap();
    let tripped = bus.timed_pop_filtered(
        gst::ClockTime::from_seconds(3),
        &[gst::MessageType::Error, gst::MessageType::Warning],
    );
    assert!(tripped.is_none(), "{tripped:?}");
    let stats = codec.property::<gst::Structure>("stats");
    assert_eq!(stats.get::<&str>("verdict"), Ok("backpressured"), "{stats}");
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn an_input_that_stops_trips_nothing() {
    let mut harness = decoder("n-threads=4 max-frame-delay=0 watchdog-timeout=500000000");
    let bus = bus(&harness);
    push(&mut harness, &clip_start(8), 0);
    std::thread::sleep(Duration::from_secs(3));
    assert!(error(&bus).is_none());
    let stats = element(&harness).property::<gst::Structure>("stats");
    assert_eq!(stats.get::<&str>("verdict"), Ok("idle"), "{stats}");
    assert!(harness.push_event(gst::event::Eos::new()));
    assert_eq!(pull_all(&mut harness).len(), 8);
}

#[test]
fn a_stop_that_meets_the_first_unit_does_not_wait_for_its_session() {
    support::init();
    let codec = gst::ElementFactory::make("dav1dwatchdec").build().unwrap();
    let unit = gst::Buffer::from_mut_slice(clip_start(1).remove(0));
    support::stopping::first_buffer_while_stopping(&codec, CAPS, unit);
}

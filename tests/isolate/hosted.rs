// SPDX-License-Identifier: MPL-2.0
//! Chains of GStreamer elements in child processes. That their output is the same is shown
//! in `tests/hosted/identity.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gst::prelude::*;
use support::{Launch, is_child};

use crate::rig::Rig;

const SOON: &str = "watchdog-timeout=1000000000 drain-timeout=1000000000 \
                    open-timeout=5000000000 close-timeout=1000000000";
/// What NULL may take on a loaded machine.
const NULL: Duration = Duration::from_secs(4);

fn pictures(number: i32) -> String {
    format!(
        "videotestsrc num-buffers={number} \
         ! video/x-raw,format=I420,width=64,height=64,framerate=30/1"
    )
}

fn isolated(codec: &str) -> String {
    format!("codecwatch name=codec isolate=true {SOON} codec=\"{codec}\"")
}

/// Pictures with a key frame among each five, decoded by libavcodec.
fn decoded() -> String {
    format!(
        "{} ! x264enc tune=zerolatency key-int-max=5 threads=1 ! h264parse ! {} restart-limit=2",
        pictures(120),
        isolated("h264parse ! avdec_h264 max-threads=1")
    )
}

fn sink() -> &'static str {
    "fakesink name=out sync=false async=false"
}

/// Runs the rest of the test in a process under the fault shim. False there.
fn is_rehearsed(test: &str, script: &str) -> bool {
    if is_child() {
        return false;
    }
    let run = Launch::this_test(&format!("hosted::{test}"))
        .rehearse(script)
        .bound(Duration::from_secs(90))
        .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    true
}

#[test]
fn a_hang_inside_x264_is_killed_and_what_it_held_comes_back() {
    let test = "a_hang_inside_x264_is_killed_and_what_it_held_comes_back";
    if is_rehearsed(test, "x264_encoder_encode:hang@10") {
        return;
    }
    let codec = isolated("x264enc tune=zerolatency threads=1");
    let rig = Rig::of(&format!("{} ! {codec} ! {}", pictures(-1), sink()));
    rig.play();
    let ended = rig.end();
    let error = ended.error();
    assert_eq!(error.outcome(), "WatchdogAbandoned");
    assert!(error.error.matches(gst::StreamError::Encode), "{error:?}");
    let details = error.details.as_ref().unwrap();
    assert_eq!(details.get("process"), Ok(rig.process()));
    let call: String = details.get("call").unwrap();
    assert!(call.starts_with("x264enc"), "names its element: {details}");
    let took = rig.stop();
    assert!(took < NULL, "NULL took {took:?}");
    rig.leaves_nothing();
}

/// Plays to the end without an error.
#[track_caller]
fn is_whole(source: &str, codec: &str) {
    let rig = Rig::of(&format!("{source} ! {} ! {}", isolated(codec), sink()));
    rig.play();
    let ended = rig.end();
    assert!(ended.eos && ended.errors.is_empty(), "{ended:?}");
    rig.stop();
}

#[test]
fn an_element_may_have_a_name_that_is_longer_than_one_that_travels() {
    is_whole(&pictures(5), &format!("identity name={}", "x".repeat(300)));
}

#[test]
fn messages_that_have_no_text_form_are_missing_and_end_nothing() {
    is_whole("audiotestsrc num-buffers=50", "level interval=20000000");
}

#[test]
fn output_that_waits_downstream_up_to_the_limit_is_an_error_that_names_it() {
    let codec = isolated("videoconvert");
    let pictures = "videotestsrc ! video/x-raw,format=I420,width=320,height=240,framerate=30/1";
    let rig = Rig::of(&format!(
        "{pictures} ! {codec} isolate-max-memory=200000000 ! video/x-raw,format=RGBA \
         ! queue max-size-buffers=0 max-size-bytes=0 max-size-time=0 min-threshold-buffers=100000 \
         ! {}",
        sink()
    ));
    rig.play();
    let ended = rig.end();
    let error = ended.error();
    assert_eq!(error.outcome(), "CodecFailed", "{error:?}");
    let text = error.text();
    assert!(text.contains("isolate-max-memory"), "{text}");
    rig.stop();
}

#[test]
fn a_crash_inside_libavcodec_is_answered_with_new_children_up_to_the_limit() {
    let test = "a_crash_inside_libavcodec_is_answered_with_new_children_up_to_the_limit";
    // Each child counts from the beginning.
    if is_rehearsed(test, "avcodec_send_packet:segv@20") {
        return;
    }
    let rig = Rig::of(&format!("{} ! {}", decoded(), sink()));
    rig.play();
    let ended = rig.end();
    assert_eq!(ended.restarts, 2, "{ended:?}");
    assert_eq!(ended.error().outcome(), "CodecCrashed");
    assert!(ended.error().text().contains("SIGSEGV"), "{ended:?}");
    rig.stop();
    rig.leaves_nothing();
}

#[test]
fn two_chains_side_by_side_in_children_give_every_frame() {
    let encoder = isolated("vp8enc deadline=1").replace("name=codec", "name=encoder");
    let rig = Rig::of(&format!(
        "{} ! {encoder} ! {} ! {}",
        pictures(60),
        isolated("vp8dec"),
        sink()
    ));
    let frames = count(&rig);
    rig.play();
    let ended = rig.end();
    assert!(ended.eos && ended.errors.is_empty(), "{ended:?}");
    assert_eq!(frames.load(Ordering::Relaxed), 60);
    rig.stop();
}

fn count(rig: &Rig) -> Arc<AtomicU32> {
    let frames = Arc::new(AtomicU32::new(0));
    let counter = frames.clone();
    let sink = rig.pipeline.by_name("out").unwrap();
    let pad = sink.static_pad("sink").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        counter.fetch_add(1, Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
    frames
}

#[test]
fn properties_of_a_codec_in_a_child_are_set_and_read_while_it_runs() {
    let codec = isolated("x264enc tune=zerolatency bitrate=500");
    let rig = Rig::of(&format!("{} ! {codec} ! {}", pictures(-1), sink()));
    let frames = count(&rig);
    rig.play();
    crate::rig::eventually("frames", || frames.load(Ordering::Relaxed) > 5);
    let proxy = rig.codec.clone().dynamic_cast::<gst::ChildProxy>().unwrap();
    let bitrate = || proxy.child_property::<u32>("codec::bitrate");
    assert_eq!(bitrate(), 500);
    proxy.set_child_property("codec::bitrate", 700_u32);
    assert_eq!(bitrate(), 700);
    assert_eq!(
        rig.stats().get::<&str>("verdict").map(|it| it != "none"),
        Ok(true)
    );
    rig.stop();
}

#[test]
fn the_sandbox_of_a_chain_is_shown() {
    let rig = Rig::of(&format!(
        "{} ! {} ! {}",
        pictures(-1),
        isolated("jpegenc"),
        sink()
    ));
    let frames = count(&rig);
    rig.play();
    crate::rig::eventually("frames", || frames.load(Ordering::Relaxed) > 5);
    let sandbox: String = rig.stats().get("sandbox").unwrap();
    assert!(sandbox.starts_with("strict: "), "{sandbox}");
    assert!(crate::rig::exists(rig.process()));
    rig.stop();
}

/// What consists of objects of this process cannot go to the child: it passes by, between
/// the same buffers.
#[test]
fn events_that_no_other_process_can_have_keep_their_place() {
    support::init();
    let mut harness = gst_check::Harness::new_parse(&isolated("identity"));
    let stream = gst::Stream::new(
        Some("one"),
        None,
        gst::StreamType::VIDEO,
        gst::StreamFlags::SELECT,
    );
    let start = gst::event::StreamStart::builder("one").stream(stream.clone());
    harness.push_event(start.build());
    harness.set_src_caps_str("application/x-test");
    harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<
        gst::ClockTime,
    >::new()));
    let collection = gst::StreamCollection::builder(None)
        .stream(stream.clone())
        .build();
    let mut tags = gst::TagList::new();
    let image = gst::Buffer::from_slice([1_u8; 100]);
    let image = gst::Sample::builder().buffer(&image);
    tags.get_mut()
        .unwrap()
        .add::<gst::tags::Image>(&image.build(), gst::TagMergeMode::Append);
    let kept = [
        gst::event::StreamCollection::new(&collection),
        gst::event::Toc::new(&gst::Toc::new(gst::TocScope::Global), false),
        gst::event::Tag::new(tags),
    ];
    let buffer = |number: u64| {
        let mut buffer = gst::Buffer::from_slice([7_u8; 10]);
        let times = buffer.get_mut().unwrap();
        times.set_pts(gst::ClockTime::from_seconds(number));
        buffer
    };
    harness.push(buffer(0)).unwrap();
    for event in &kept {
        assert!(harness.push_event(event.clone()));
    }
    harness.push(buffer(1)).unwrap();
    assert_eq!(
        harness.pull().unwrap().pts(),
        Some(gst::ClockTime::from_seconds(0))
    );
    // What came before the second buffer.
    assert_eq!(
        harness.pull().unwrap().pts(),
        Some(gst::ClockTime::from_seconds(1))
    );
    let came: Vec<_> = std::iter::from_fn(|| harness.try_pull_event()).collect();
    let kinds = |events: &[gst::Event]| -> Vec<_> { events.iter().map(|it| it.type_()).collect() };
    let of_kept: Vec<_> = came
        .iter()
        .filter(|event| kept.iter().any(|kept| kept.as_ptr() == event.as_ptr()))
        .cloned()
        .collect();
    assert_eq!(kinds(&of_kept), kinds(&kept), "{came:?}");
    let own: Vec<_> = came.iter().filter_map(|event| event.structure()).collect();
    assert!(
        own.iter()
            .all(|structure| structure.name() != "codecwatch-kept"),
        "{came:?}"
    );
    let begun = came.iter().find_map(|event| match event.view() {
        gst::EventView::StreamStart(start) => start.stream(),
        _ => None,
    });
    assert_eq!(begun, Some(stream));
}

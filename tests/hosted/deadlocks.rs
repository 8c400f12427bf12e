// SPDX-License-Identifier: MPL-2.0
//! Queries, seeks and state changes while the threads around a hosted chain wait for
//! one another.

use std::time::{Duration, Instant};

use gst::prelude::*;

use crate::rig::{Item, Rig, produce};

const BOUND: Duration = Duration::from_secs(20);

fn input() -> Vec<Item> {
    support::init();
    gstwedge::plugin_register_static().unwrap();
    produce(
        "videotestsrc num-buffers=40 ! video/x-raw,format=I420,width=64,height=64,framerate=25/1",
    )
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < BOUND, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn pipeline(text: &str) -> gst::Pipeline {
    support::init();
    gstwedge::plugin_register_static().unwrap();
    let pipeline = gst::parse::launch(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    pipeline.downcast().unwrap()
}

fn timed<R>(what: impl FnOnce() -> R) -> (R, Duration) {
    let begun = Instant::now();
    let result = what();
    (result, begun.elapsed())
}

/// An element downstream that asks for the caps before it takes them, on the thread
/// that brings them.
#[test]
fn downstream_asks_the_element_while_it_gets_new_caps() {
    let items = input();
    let rig = Rig::hosted("x264enc tune=zerolatency speed-preset=ultrafast threads=1");
    let asks = rig.element.static_pad("src").unwrap();
    rig.end
        .add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if info.event().unwrap().type_() == gst::EventType::Caps {
                let _ = asks.query_caps(None);
                let _ = asks.query_position::<gst::ClockTime>();
                let _ = asks.query(&mut gst::query::Latency::new());
                let caps = gst::Caps::new_empty_simple("video/x-h264");
                let _ = asks.query_accept_caps(&caps);
            }
            gst::PadProbeReturn::Ok
        });
    let (_, took) = timed(|| rig.play(&items));
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(rig.errors().is_empty());
}

/// As a renegotiating sink does: on another thread than the output task's.
#[test]
fn another_thread_of_downstream_asks_while_the_output_task_pushes() {
    let items = input();
    let rig = Rig::hosted("x264enc tune=zerolatency speed-preset=ultrafast threads=1");
    let asks = rig.element.static_pad("src").unwrap();
    rig.end
        .add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if info.event().unwrap().type_() == gst::EventType::Caps {
                let asks = asks.clone();
                let asked = std::thread::spawn(move || {
                    let _ = asks.query_caps(None);
                });
                asked.join().unwrap();
            }
            gst::PadProbeReturn::Ok
        });
    let (_, took) = timed(|| rig.play(&items));
    assert!(took < Duration::from_millis(700), "{took:?}");
    assert!(rig.errors().is_empty());
}

/// Each codec asks the other for its caps, and neither answers while it waits.
#[test]
fn two_elements_side_by_side_do_not_wait_for_each_other() {
    input();
    let text = "videotestsrc num-buffers=8 ! video/x-raw,width=64,height=64 ! \
         codecwatch codec=\"x264enc tune=zerolatency speed-preset=ultrafast threads=1\" ! \
         codecwatch codec=\"h264parse ! avdec_h264 max-threads=1\" ! \
         codecwatch codec=\"queue ! videoconvert\" ! fakesink name=end";
    // The first loads the plugins.
    crate::rig::count_buffers(text);
    let (count, took) = timed(|| crate::rig::count_buffers(text));
    println!("{took:?}");
    assert_eq!(count, 8);
    assert!(took < Duration::from_millis(800), "{took:?}");
}

/// Fills everything while downstream takes nothing, and calls `then` meanwhile.
fn while_full<R>(codec: &str, then: impl FnOnce(&Rig) -> R) -> R {
    let items = input();
    let rig = Rig::hosted(codec);
    rig.downstream.block(true);
    std::thread::scope(|scope| {
        let feeds = scope.spawn(|| rig.play_on(&items[..items.len() - 1]));
        // Also if `then` panics: the thread that feeds would wait for ever.
        let _open = rig.downstream.opens_at_last();
        eventually("it is full", || rig.is_full());
        let result = then(&rig);
        rig.downstream.block(false);
        feeds.join().unwrap();
        result
    })
}

/// The codec cannot answer until downstream takes something, which may be never.
#[test]
fn a_caps_query_in_a_full_element_is_answered_soon() {
    while_full("wedge", |rig| {
        let [sink, src] = ["sink", "src"].map(|name| rig.element.static_pad(name).unwrap());
        let (_, took) = timed(|| sink.query_caps(None));
        println!("caps from upstream: {took:?}");
        assert!(took < Duration::from_millis(300), "{took:?}");
        let (_, took) = timed(|| src.query_caps(None));
        println!("caps from downstream: {took:?}");
        assert!(took < Duration::from_millis(300), "{took:?}");
        let (_, took) = timed(|| src.query_position::<gst::ClockTime>());
        println!("position: {took:?}");
        assert!(took < Duration::from_millis(300), "{took:?}");
    });
}

#[test]
fn the_position_in_a_paused_pipeline_is_known_at_once() {
    let pipeline = pipeline(
        "videotestsrc ! video/x-raw,width=64,height=64 ! \
         codecwatch codec=\"x264enc tune=zerolatency\" ! fakesink sync=true",
    );
    pipeline.set_state(gst::State::Paused).unwrap();
    pipeline.state(gst::ClockTime::from_seconds(20)).0.unwrap();
    let (position, took) = timed(|| pipeline.query_position::<gst::ClockTime>());
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(position.is_some());
    assert!(took < Duration::from_millis(100), "{took:?}");
}

#[test]
fn a_stop_ends_a_query_that_waits() {
    let rig = {
        input();
        Rig::hosted("wedge at=query kind=accept-caps how=sleep time=1500")
    };
    rig.settle_open();
    let sink = rig.element.static_pad("sink").unwrap();
    let caps = gst::Caps::new_empty_simple("video/x-raw");
    std::thread::scope(|scope| {
        let first = scope.spawn(|| sink.query_accept_caps(&caps));
        let second = scope.spawn(|| sink.query_caps(None));
        std::thread::sleep(Duration::from_millis(200));
        let (stopped, took) = timed(|| rig.element.set_state(gst::State::Null));
        stopped.unwrap();
        assert!(took < Duration::from_millis(2500), "{took:?}");
        let (_, took) = timed(|| {
            first.join().unwrap();
            second.join().unwrap();
        });
        assert!(took < Duration::from_millis(300), "{took:?}");
    });
}

#[test]
fn a_full_element_stops_at_once() {
    while_full("wedge", |rig| {
        let (stopped, took) = timed(|| {
            rig.downstream.block(false);
            rig.element.set_state(gst::State::Null)
        });
        stopped.unwrap();
        assert!(took < Duration::from_secs(1), "{took:?}");
    });
}

/// A file of MP3, some seconds long.
fn mp3() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::with_suffix(".mp3").unwrap();
    let written = pipeline(&format!(
        "audiotestsrc num-buffers=400 samplesperbuffer=1024 ! audio/x-raw,rate=44100,channels=2 ! \
         lamemp3enc target=bitrate cbr=true ! filesink name=end location={}",
        file.path().display()
    ));
    written.set_state(gst::State::Playing).unwrap();
    let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
    let bus = written.bus().unwrap();
    let end = bus.timed_pop_filtered(gst::ClockTime::from_seconds(30), &wanted);
    assert_eq!(end.unwrap().type_(), gst::MessageType::Eos);
    written.set_state(gst::State::Null).unwrap();
    file
}

/// What came of a seek.
#[derive(Debug)]
struct Sought {
    /// The bytes up to there, which only the parser knows.
    bytes: Option<gst::format::Bytes>,
    taken: bool,
    took: Duration,
    /// Where the stream then is.
    position: Option<gst::ClockTime>,
}

/// Asks for the place of `to`, and seeks there.
fn seek(text: &str, state: gst::State, flags: gst::SeekFlags, to: gst::ClockTime) -> Sought {
    let pipeline = pipeline(text);
    pipeline.set_state(gst::State::Paused).unwrap();
    pipeline.state(gst::ClockTime::from_seconds(20)).0.unwrap();
    pipeline.set_state(state).unwrap();
    pipeline.state(gst::ClockTime::from_seconds(20)).0.unwrap();
    let end = pipeline.by_name("end").unwrap().static_pad("sink").unwrap();
    let bytes = end
        .peer()
        .unwrap()
        .query_convert::<Option<gst::format::Bytes>>(to)
        .flatten();
    let (sought, took) = timed(|| pipeline.seek_simple(flags, to));
    let settled = pipeline.state(gst::ClockTime::from_seconds(20)).0;
    let position = pipeline.query_position::<gst::ClockTime>();
    let errors = pipeline
        .bus()
        .unwrap()
        .pop_filtered(&[gst::MessageType::Error]);
    let (_, stopped) = timed(|| pipeline.set_state(gst::State::Null));
    assert!(errors.is_none(), "{text}: {errors:?}");
    assert!(settled.is_ok(), "{text}");
    assert!(stopped < Duration::from_secs(2), "{stopped:?}");
    Sought {
        bytes,
        taken: sought.is_ok(),
        took,
        position,
    }
}

#[test]
fn a_parser_inside_seeks_in_a_file() {
    let file = mp3();
    let to = gst::ClockTime::from_seconds(5);
    let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT;
    let states = [gst::State::Playing, gst::State::Paused];
    for (codec, state) in ["mpegaudioparse ! mpg123audiodec", "mpegaudioparse"]
        .into_iter()
        .flat_map(|codec| states.map(|state| (codec, state)))
    {
        let around = |codec: &str| {
            format!(
                "filesrc location={} ! {codec} ! fakesink name=end sync=true",
                file.path().display()
            )
        };
        let case = format!("{codec} in {state:?}");
        // In push mode, as in the hosted chain.
        let bare = seek(&around(&format!("queue ! {codec}")), state, flags, to);
        println!("bare {case}: {bare:?}");
        let hosted = seek(
            &around(&format!("codecwatch codec=\"{codec}\"")),
            state,
            flags,
            to,
        );
        println!("hosted {case}: {hosted:?}");
        assert!(bare.bytes.is_some() || codec.contains('!'), "{case}");
        assert_eq!(hosted.bytes, bare.bytes, "{case}");
        assert!(hosted.taken, "{case}");
        assert!(hosted.took < Duration::from_secs(1), "{case}");
        let position = hosted.position.expect("no position");
        assert!(
            position + gst::ClockTime::from_mseconds(200) >= to
                && position <= to + gst::ClockTime::from_seconds(1),
            "{case}"
        );
    }
}

// SPDX-License-Identifier: MPL-2.0
//! `dav1dwatchdec` over many lives, and what it leaves behind. Test programs of
//! their own, because they count what their process holds.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../crates/dav1d/tests/common/mod.rs"]
mod streams;

use std::time::Duration;

use gst::prelude::*;
use support::Launch;
use support::process::{descriptors, threads};

#[test]
fn two_hundred_lives_leave_no_thread_and_no_descriptor_behind() {
    support::init();
    let mut units = streams::mkv::blocks(&std::fs::read(support::media::clip()).unwrap());
    units.truncate(12);
    let file = tempfile::NamedTempFile::with_suffix(".ivf").unwrap();
    std::fs::write(file.path(), streams::ivf::write(&units)).unwrap();
    let pipeline = gst::parse::launch(&format!(
        "filesrc location={} ! ivfparse ! av1parse ! dav1dwatchdec n-threads=2 ! fakesink",
        file.path().display()
    ))
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

#[test]
fn a_hundred_seeks_of_playbin_leak_nothing() {
    if support::is_child() {
        return seek_a_hundred_times();
    }
    let run = Launch::this_test("a_hundred_seeks_of_playbin_leak_nothing")
        .env("GST_TRACERS", "leaks")
        .env("GST_DEBUG", "GST_TRACER:7")
        .env("GST_DEBUG_NO_COLOR", "1")
        .env("GST_PLUGIN_FEATURE_RANK", "dav1dwatchdec:MAX")
        .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    assert!(run.says("seeks done: 100"), "{}", run.text());
    let listed: Vec<_> = run
        .lines
        .split(|line| line.text == WHAT_IS_LEFT)
        .skip(1)
        .map(|lines| lines.iter().filter_map(|line| alive(&line.text)).collect())
        .collect();
    let [settled, left]: [Vec<&str>; 2] = listed.try_into().unwrap();
    // What GStreamer's registry holds lives as long as the process: its type
    // finders, and the caps of what was plugged once.
    let is_caps = |object: &&&str| object.starts_with("GstCaps");
    let others: Vec<_> = left
        .iter()
        .filter(|object| !is_caps(object) && !object.starts_with("GstTypeFindFactory"))
        .collect();
    assert!(others.is_empty(), "{others:#?}");
    let [before, after] = [&settled, &left].map(|all| all.iter().filter(is_caps).count());
    assert!(
        after <= before,
        "{before} caps before, {after} after: {left:#?}"
    );
}

/// Comes before each list of what is left; on stderr, as the list.
const WHAT_IS_LEFT: &str = "what is left:";

/// The object that a line of the leaks tracer is about.
fn alive(line: &str) -> Option<&str> {
    let (_, object) = line.split_once("object-alive, type-name=(string)")?;
    Some(object)
}

/// Plays the clip, seeks a hundred times, and lists what is left; before that the
/// same with a few seeks, which loads whatever stays.
fn seek_a_hundred_times() {
    // The plugin is found on the plugin path, as an application finds it.
    gst::init().unwrap();
    let leaks = gst::active_tracers()
        .into_iter()
        .find(|tracer| tracer.type_().name() == "GstLeaksTracer")
        .expect("the leaks tracer");
    for seeks in [5, 100] {
        play_and_seek(seeks);
        // A task is held by its thread until that has come to its end.
        std::thread::sleep(Duration::from_millis(500));
        eprintln!("{WHAT_IS_LEFT}");
        leaks.emit_by_name::<()>("log-live-objects", &[]);
    }
}

fn play_and_seek(seeks: u64) {
    let sink = gst::ElementFactory::make("fakevideosink")
        .property("sync", false)
        .build()
        .unwrap();
    let uri = gst::glib::filename_to_uri(support::media::clip(), None).unwrap();
    let player = gst::ElementFactory::make("playbin")
        .property("uri", uri.as_str())
        .property("video-sink", &sink)
        .build()
        .unwrap();
    player.set_state(gst::State::Paused).unwrap();
    player.state(gst::ClockTime::from_seconds(30)).0.unwrap();
    let plugged = player
        .downcast_ref::<gst::Bin>()
        .unwrap()
        .iterate_all_by_element_factory_name("dav1dwatchdec")
        .into_iter()
        .count();
    assert_eq!(plugged, 1, "another decoder was chosen");
    player.set_state(gst::State::Playing).unwrap();
    let mut done = 0;
    for seek in 0..seeks {
        let to = gst::ClockTime::from_mseconds(seek * 370 % 5000);
        player
            .seek_simple(gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT, to)
            .unwrap();
        std::thread::sleep(Duration::from_millis(seek % 5 * 4));
        player.state(gst::ClockTime::from_seconds(30)).0.unwrap();
        done += 1;
    }
    let bus = player.bus().unwrap();
    assert!(bus.pop_filtered(&[gst::MessageType::Error]).is_none());
    player.set_state(gst::State::Null).unwrap();
    println!("seeks done: {done}");
    bus.set_flushing(true);
}

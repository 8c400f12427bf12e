// SPDX-License-Identifier: MPL-2.0
//! `codecwatch` over many lives: neither threads nor inner elements stay. A test
//! program of its own, because it counts what its process holds.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::time::Duration;

use gst::prelude::*;
use support::process::{descriptors, threads};
use support::{Finished, Launch};

const LIVES: usize = 200;
const SEEKS: usize = 100;
/// Comes before each list of what is left; on stderr, as the list.
const WHAT_IS_LEFT: &str = "what is left:";
/// Ends every life: an encoder, a decoder with a parser, and a chain with a thread of
/// its own.
const PIPELINE: &str = "videotestsrc num-buffers=8 ! video/x-raw,width=64,height=64 ! \
     codecwatch codec=\"x264enc tune=zerolatency speed-preset=ultrafast threads=1\" ! \
     codecwatch codec=\"h264parse ! avdec_h264 max-threads=1\" ! \
     codecwatch codec=\"queue ! videoconvert\" ! fakesink";

fn live(pipeline: &gst::Pipeline, whole: bool) {
    pipeline.set_state(gst::State::Playing).unwrap();
    if whole {
        let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
        let bus = pipeline.bus().unwrap();
        let message = bus.timed_pop_filtered(gst::ClockTime::from_seconds(20), &kinds);
        let message = message.expect("the pipeline hangs");
        assert_eq!(message.type_(), gst::MessageType::Eos, "{message:?}");
    }
    pipeline.set_state(gst::State::Null).unwrap();
}

fn pipeline() -> gst::Pipeline {
    gst::parse::launch(PIPELINE).unwrap().downcast().unwrap()
}

#[test]
fn two_hundred_lives_leave_no_thread_and_no_descriptor_behind() {
    support::init();
    let pipeline = pipeline();
    let mut settled = (0, 0);
    for life in 0..LIVES {
        // Every third life is cut short.
        live(&pipeline, life % 3 != 0);
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
    let now = (threads(), descriptors());
    assert!(now.0 <= settled.0 + 2, "threads: {now:?}, was {settled:?}");
    assert!(
        now.1 <= settled.1 + 2,
        "descriptors: {now:?}, was {settled:?}"
    );
}

/// A pipeline that plays until it is told to stop, and seeks meanwhile.
fn seek(pipeline: &gst::Pipeline, seeks: usize) {
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    for number in 0..seeks {
        // When it has prerolled again, a frame has come out since.
        let kinds = [gst::MessageType::AsyncDone, gst::MessageType::Error];
        let message = bus.timed_pop_filtered(gst::ClockTime::from_seconds(20), &kinds);
        let message = message.expect("the pipeline hangs");
        assert_eq!(message.type_(), gst::MessageType::AsyncDone, "{message:?}");
        let to = gst::ClockTime::from_mseconds(40 * (number as u64 % 50));
        pipeline
            .seek_simple(gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT, to)
            .unwrap();
    }
    pipeline.set_state(gst::State::Null).unwrap();
}

/// The object that a line of the leaks tracer is about.
fn alive(line: &str) -> Option<&str> {
    let (_, object) = line.split_once("object-alive, type-name=(string)")?;
    Some(object)
}

/// In the child: lists what lives.
fn log_what_is_left() {
    // A task is held by its thread until that has come to its end.
    std::thread::sleep(Duration::from_millis(500));
    let tracers = gst::active_tracers().into_iter();
    let mut leaks = tracers.filter(|tracer| tracer.type_().name() == "GstLeaksTracer");
    let leaks = leaks.next().expect("the leaks tracer");
    eprintln!("{WHAT_IS_LEFT}");
    leaks.emit_by_name::<()>("log-live-objects", &[]);
}

fn under_the_leaks_tracer(test: &str) -> Finished {
    let run = Launch::this_test(test)
        .env("GST_TRACERS", "leaks")
        .env("GST_DEBUG", "GST_TRACER:7")
        .env("GST_DEBUG_NO_COLOR", "1")
        .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    run
}

/// The two lists of a child.
fn what_is_left(run: &Finished) -> [Vec<&str>; 2] {
    let lists: Vec<Vec<&str>> = run
        .lines
        .split(|line| line.text == WHAT_IS_LEFT)
        .skip(1)
        .map(|lines| lines.iter().filter_map(|line| alive(&line.text)).collect())
        .collect();
    lists.try_into().unwrap()
}

/// How many objects there are of each type.
fn count_by_type<'a>(objects: &[&'a str]) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for object in objects {
        let kind = object.split(',').next().unwrap_or_default();
        *counts.entry(kind).or_default() += 1;
    }
    counts
}

/// An element whose sessions come and go keeps nothing of any of them: no element, pad,
/// buffer, event or message.
#[test]
fn two_hundred_lives_and_a_hundred_seeks_of_one_pipeline_keep_nothing() {
    if support::is_child() {
        gst::init().unwrap();
        // One that ends, and one that is sought in while it plays.
        let (lives, seeks) = (pipeline(), PIPELINE.replace("num-buffers=8", ""));
        let seeks = gst::parse::launch(&seeks).unwrap();
        let seeks = seeks.downcast::<gst::Pipeline>().unwrap();
        let (mut lived, mut sought) = (0, 0);
        for (until, sought_until) in [(20, 10), (LIVES, SEEKS)] {
            for life in lived..until {
                live(&lives, life % 3 != 0);
            }
            seek(&seeks, sought_until - sought);
            (lived, sought) = (until, sought_until);
            log_what_is_left();
        }
        return;
    }
    let test = "two_hundred_lives_and_a_hundred_seeks_of_one_pipeline_keep_nothing";
    let run = under_the_leaks_tracer(test);
    let [settled, left] = what_is_left(&run);
    assert!(settled.len() > 10, "{settled:#?}");
    let [settled, left] = [settled, left].map(|objects| count_by_type(&objects));
    for (kind, count) in &left {
        let before = settled.get(kind).copied().unwrap_or_default();
        assert!(*count <= before, "{kind}: {count}, was {before}");
    }
}

#[test]
fn no_element_outlives_its_life() {
    if support::is_child() {
        gst::init().unwrap();
        for lives in [3, 30] {
            for life in 0..lives {
                live(&pipeline(), life % 3 != 0);
            }
            log_what_is_left();
        }
        return;
    }
    let run = under_the_leaks_tracer("no_element_outlives_its_life");
    let [settled, left] = what_is_left(&run);
    // What GStreamer's registry holds lives as long as the process: its type finders,
    // and the caps of what is registered.
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

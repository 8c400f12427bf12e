// SPDX-License-Identifier: MPL-2.0
//! `codecwatch` over many lives: neither threads nor inner elements stay. A test
//! program of its own, because it counts what its process holds.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use gst::prelude::*;
use support::Launch;
use support::process::{descriptors, threads};

const LIVES: usize = 200;
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

/// The object that a line of the leaks tracer is about.
fn alive(line: &str) -> Option<&str> {
    let (_, object) = line.split_once("object-alive, type-name=(string)")?;
    Some(object)
}

#[test]
fn no_element_outlives_its_life() {
    if support::is_child() {
        gst::init().unwrap();
        let tracers = gst::active_tracers().into_iter();
        let mut leaks = tracers.filter(|tracer| tracer.type_().name() == "GstLeaksTracer");
        let leaks = leaks.next().expect("the leaks tracer");
        for lives in [3, 30] {
            for life in 0..lives {
                live(&pipeline(), life % 3 != 0);
            }
            // A task is held by its thread until that has come to its end.
            std::thread::sleep(Duration::from_millis(500));
            eprintln!("{WHAT_IS_LEFT}");
            leaks.emit_by_name::<()>("log-live-objects", &[]);
        }
        return;
    }
    let run = Launch::this_test("no_element_outlives_its_life")
        .env("GST_TRACERS", "leaks")
        .env("GST_DEBUG", "GST_TRACER:7")
        .env("GST_DEBUG_NO_COLOR", "1")
        .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    let lists: Vec<Vec<&str>> = run
        .lines
        .split(|line| line.text == WHAT_IS_LEFT)
        .skip(1)
        .map(|lines| lines.iter().filter_map(|line| alive(&line.text)).collect())
        .collect();
    let [settled, left]: [Vec<&str>; 2] = lists.try_into().unwrap();
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

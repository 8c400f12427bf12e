// SPDX-License-Identifier: MPL-2.0
//! What the element holds when it is not running. In a process of its own: the
//! memory of a process is measured.

use gst::prelude::*;
use support::Launch;
use support::pictures::{Downstream, collect};
use support::process::resident;

use crate::buffers::offer_pool;
use crate::streams::ivf;
use crate::util::{clip, clip_start, decoder, element, pull_all, push};

/// What may stay, in kB: code that was loaded, and what malloc keeps.
const MAY_STAY: u64 = 20 << 10;

/// A picture of 1280x720 in kB, less what pages of other memory may blur.
const PICTURE: u64 = 1000;

#[test]
fn in_null_it_holds_no_memory_to_speak_of() {
    if support::is_child() {
        return play_and_stop();
    }
    // With a heap for each thread, what malloc keeps is chance.
    let run = Launch::this_test("memory::in_null_it_holds_no_memory_to_speak_of")
        .env("MALLOC_ARENA_MAX", "1")
        .run();
    println!("{}", run.text());
    assert_eq!(run.code(), 0, "{}", run.text());
}

/// Plays the clip, 132 pictures of 1280x720, and keeps the first beyond the stop.
fn play_and_stop() {
    support::init();
    let file = tempfile::NamedTempFile::with_suffix(".ivf").unwrap();
    std::fs::write(file.path(), ivf::write(&clip())).unwrap();
    for (state, downstream) in [
        (gst::State::Null, Downstream::TakesVideoMeta),
        (gst::State::Null, Downstream::TakesPlain),
        (gst::State::Ready, Downstream::TakesVideoMeta),
    ] {
        let description = format!(
            "filesrc location={} ! ivfparse ! av1parse ! dav1dwatchdec n-threads=4 \
             ! appsink name=out sync=false max-buffers=4",
            file.path().display()
        );
        let pipeline = gst::parse::launch(&description).unwrap();
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        let samples = collect(&pipeline, downstream);
        let before = resident();
        let mut most = 0;
        for life in 1..=2 {
            pipeline.set_state(gst::State::Playing).unwrap();
            let bus = pipeline.bus().unwrap();
            loop {
                let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
                let message = bus.timed_pop_filtered(gst::ClockTime::from_mseconds(5), &kinds);
                most = most.max(resident());
                let mut samples = samples.lock().unwrap();
                if samples.len() > 1 {
                    samples.drain(1..);
                }
                if let Some(message) = message {
                    assert_eq!(message.type_(), gst::MessageType::Eos, "{message:?}");
                    break;
                }
            }
            pipeline.set_state(state).unwrap();
            let held = resident();
            samples.lock().unwrap().clear();
            let after = resident();
            println!(
                "{state:?}, {downstream:?}, life {life}: {before} kB before, {most} at most, \
                 {held} with a picture held, {after} after"
            );
            assert!(after < before + MAY_STAY, "{after} kB, {before} before");
            if downstream == Downstream::TakesVideoMeta {
                // It was the picture's own memory, not a copy.
                assert!(after + PICTURE <= held, "{after} kB, {held} with a picture");
            }
        }
        pipeline.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn in_null_downstreams_pool_is_let_go() {
    let mut harness = decoder("n-threads=1");
    let pools = offer_pool(&harness.sinkpad().unwrap(), 0);
    push(&mut harness, &clip_start(4), 0);
    assert!(harness.push_event(gst::event::Eos::new()));
    let held = pull_all(&mut harness);
    assert_eq!(held.len(), 4);
    assert!(pools.lock().unwrap().iter().any(|pool| pool.is_active()));
    element(&harness).set_state(gst::State::Null).unwrap();
    let pools = std::mem::take(&mut *pools.lock().unwrap());
    assert!(pools.iter().all(|pool| !pool.is_active()));
    let weak: Vec<_> = pools.iter().map(|pool| pool.downgrade()).collect();
    drop(pools);
    drop(held);
    assert!(weak.iter().all(|pool| pool.upgrade().is_none()));
}

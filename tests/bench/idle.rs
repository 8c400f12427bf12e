// SPDX-License-Identifier: MPL-2.0
//! How often the threads of an idle pipeline are switched to:
//!
//!     idle playing|paused SECONDS PIPELINE
//!
//! `playing`: the pipeline plays, and after 30 buffers nothing comes out of its
//! element `source` any more. `paused`: it has prerolled, and is full. Counting
//! begins when it has come to rest. `tests/bench/supervision` runs it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a program of the benchmarks: it ends where it cannot go on"
)]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gst::prelude::*;
use support::process::{Switches, switches};

/// Buffers before the input stops.
const BUFFERS: u32 = 30;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut next = || {
        arguments
            .next()
            .unwrap_or_else(|| panic!("idle STATE SECONDS PIPELINE"))
    };
    let (state, seconds, description) = (next(), next(), next());
    let playing = state == "playing";
    let time = Duration::from_secs(seconds.parse().unwrap());

    gst::init().unwrap();
    let pipeline = gst::parse::launch(&description).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    if playing {
        stop_input(&pipeline);
    }
    let target = if playing {
        gst::State::Playing
    } else {
        gst::State::Paused
    };
    pipeline.set_state(target).unwrap();
    pipeline.state(gst::ClockTime::from_seconds(60)).0.unwrap();
    come_to_rest();

    let before = switches();
    std::thread::sleep(time);
    let since = switches().since(&before);
    // Our own nap is no wake-up of the pipeline's.
    let main = std::process::id();
    let others: Vec<_> = since.iter().filter(|thread| thread.id != main).collect();
    println!("{}", others.iter().map(|thread| thread.count).sum::<u64>());
    for thread in others {
        eprintln!("{} {}", thread.name, thread.count);
    }
    pipeline.set_state(gst::State::Null).unwrap();
}

/// Has the element `source` wait, without looking up, after so many buffers.
fn stop_input(pipeline: &gst::Pipeline) {
    let pad = pipeline
        .by_name("source")
        .unwrap()
        .static_pad("src")
        .unwrap();
    let buffers = AtomicU32::new(0);
    pad.add_probe(
        gst::PadProbeType::BUFFER | gst::PadProbeType::BLOCK,
        move |_, _| {
            if buffers.fetch_add(1, Ordering::Relaxed) < BUFFERS {
                gst::PadProbeReturn::Pass
            } else {
                gst::PadProbeReturn::Ok
            }
        },
    );
}

/// Waits until what was in flight has settled: a second in which no thread but
/// this one runs, or, where there is no such second, ten of them.
fn come_to_rest() {
    for _ in 0..10 {
        let before: Switches = switches();
        std::thread::sleep(Duration::from_secs(1));
        let main = std::process::id();
        if switches()
            .since(&before)
            .iter()
            .all(|thread| thread.id == main)
        {
            return;
        }
    }
}

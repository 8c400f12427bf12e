// SPDX-License-Identifier: MPL-2.0
//! Pipelines that stand, and whom they wake.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use gst::prelude::*;

use crate::process::{Thread, switches};

/// Buffers before the input stops.
const BUFFERS: u32 = 30;

/// What a pipeline may take to get so far.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a pipeline stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It plays, and after some buffers nothing comes out of its element
    /// `source` any more.
    WithoutInput,
    /// It is paused: it has prerolled, and is full.
    Paused,
}

/// The threads of this process, but for this one, that ran within `time` after
/// the pipeline has come to rest, and how often each was switched to. Nothing
/// else may go on in the process.
pub fn woken(description: &str, standing: Standing, time: Duration) -> Vec<Thread> {
    let pipeline = gst::parse::launch(description).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    match standing {
        Standing::WithoutInput => {
            let stopped = stop_input(&pipeline);
            pipeline.set_state(gst::State::Playing).unwrap();
            // The state would not do: a codec that looks ahead gives nothing yet.
            stopped.recv_timeout(PATIENCE).unwrap();
        }
        Standing::Paused => {
            pipeline.set_state(gst::State::Paused).unwrap();
            let patience = gst::ClockTime::try_from(PATIENCE).unwrap();
            let (result, state, _) = pipeline.state(patience);
            assert_eq!((result.is_ok(), state), (true, gst::State::Paused));
        }
    }
    // A second in which nobody runs; where somebody polls, there is none.
    for _ in 0..PATIENCE.as_secs() {
        if ran_within(Duration::from_secs(1)).is_empty() {
            break;
        }
    }
    let woken = ran_within(time);
    let bus = pipeline.bus().unwrap();
    let error = bus.pop_filtered(&[gst::MessageType::Error]);
    assert!(error.is_none(), "{error:?}");
    pipeline.set_state(gst::State::Null).unwrap();
    woken
}

fn ran_within(time: Duration) -> Vec<Thread> {
    let before = switches();
    std::thread::sleep(time);
    let mut ran = switches().since(&before);
    // Our own nap is no wake-up of the pipeline's.
    let this = std::fs::read_link("/proc/thread-self").unwrap();
    let this = this.file_name().unwrap().to_str().unwrap();
    ran.retain(|thread| thread.id.to_string() != this);
    ran
}

/// Has the element `source` wait, without looking up, after some buffers;
/// says when it does.
fn stop_input(pipeline: &gst::Pipeline) -> Receiver<()> {
    let source = pipeline.by_name("source").unwrap();
    let pad = source.static_pad("src").unwrap();
    let (stopped, told) = channel();
    let buffers = AtomicU32::new(0);
    let kind = gst::PadProbeType::BUFFER | gst::PadProbeType::BLOCK;
    pad.add_probe(kind, move |_, _| {
        if buffers.fetch_add(1, Ordering::Relaxed) < BUFFERS {
            return gst::PadProbeReturn::Pass;
        }
        let _ = stopped.send(());
        gst::PadProbeReturn::Ok
    });
    told
}

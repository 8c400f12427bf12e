// SPDX-License-Identifier: MPL-2.0
//! One chunk: the frames of the input from its key frame on, up to that of the next.

use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gst::prelude::*;

use crate::cli::RunOptions;
use crate::end::{End, Failure};
use crate::interrupt::Interrupt;
use crate::job::branches::{self, VIDEO_DECODER, VIDEO_ENCODER};
use crate::job::completeness::Completeness;
use crate::job::output::Output;
use crate::job::pipeline::{AHEAD, Job, attach, count, link, watch};
use crate::job::{Work, failure_of};
use crate::media::{Kind, Stream, link_when_there, make, source_of};
use crate::plan::Chunk;
use crate::probe::{Counter, Probe};

/// How long the input may take to come to its first frame.
const OPENING: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);

/// Containers with an index, where a seek to a key frame finds it. The others are read
/// from their beginning.
const INDEXED: [&str; 3] = ["video/quicktime", "video/x-matroska", "video/webm"];

/// Encodes a chunk into the output of `work`.
pub(super) fn chunk(
    work: &Work,
    part: &Chunk,
    options: &RunOptions,
    interrupt: &Interrupt,
) -> Result<End, Failure> {
    let probe = Probe::open(&work.input, &|| interrupt.check())?;
    let stream = probe.video().cloned();
    let stream = stream.ok_or_else(|| Failure::error("the input has no video"))?;
    let is_indexed = probe
        .container
        .as_deref()
        .is_some_and(|name| INDEXED.contains(&name));
    let claims = crate::guard::Claims {
        duration: None,
        ..probe.claims.clone()
    };
    drop(probe);

    let (job, first) = build(work, &stream, part)?;
    let opened = first
        .hold(&job.pipeline, interrupt)
        .map(|()| first.go_on(part, is_indexed));
    if let Err(failure) = opened {
        let _ = job.pipeline.set_state(gst::State::Null);
        return Err(failure);
    }
    crate::job::run(&job, work, options, &claims, interrupt)
}

/// The video's pad, which is held before it is linked, so that a seek concerns no codec.
struct FirstFrame {
    held: Receiver<gst::Pad>,
    pad: Mutex<Option<gst::Pad>>,
    block: Arc<Mutex<Option<gst::PadProbeId>>>,
    branch: gst::Pad,
}

fn build(work: &Work, stream: &Stream, part: &Chunk) -> Result<(Job, FirstFrame), Failure> {
    let pipeline = gst::Pipeline::new();
    let Output {
        container,
        muxer,
        sink,
        taken,
    } = Output::file(&work.output, false)?;
    let (parsebin, queue) = (make("parsebin")?, make("multiqueue")?);
    let source = source_of(&work.input)?;
    queue.set_property("max-size-buffers", 0_u32);
    queue.set_property("max-size-time", 0_u64);
    queue.set_property("max-size-bytes", AHEAD);
    pipeline
        .add_many([&source, &parsebin, &queue, &muxer, &sink])
        .map_err(|error| Failure::error(error.to_string()))?;
    link(&muxer, &sink)?;
    link_when_there(&source, &parsebin);
    let elements = branches::video(stream, &work.streams)?;
    let template = container.template(Kind::Video);
    let branch = attach(&pipeline, &queue, &elements, &muxer, template)?;

    let position = Arc::default();
    let frames: Arc<AtomicU64> = pipeline
        .by_name(VIDEO_ENCODER)
        .map(|encoder| count(&encoder, &position))
        .unwrap_or_default();
    let counter = Arc::default();
    let decoder = pipeline.by_name(VIDEO_DECODER);
    let completeness = Completeness {
        declared: None,
        allowed: work.streams.max_damaged.into(),
        counters: vec![(stream.clone(), Arc::clone(&counter))],
        decoder: decoder.as_ref().map(|decoder| decoder.downgrade()),
        decoded: decoder.map(|decoder| count(&decoder, &Arc::default())),
        encoded: Some((frames.clone(), part.frames)),
    };
    completeness.guard(&pipeline, &sink);
    let first = watch_first(&parsebin, part, counter, branch);
    let job = Job {
        pipeline,
        queue,
        sink,
        taken,
        frames,
        position,
        bytes: AtomicU64::new(0),
        notes: Vec::new(),
    };
    Ok((job, first))
}

fn watch_first(
    parsebin: &gst::Element,
    part: &Chunk,
    counter: Arc<Mutex<Counter>>,
    branch: gst::Pad,
) -> FirstFrame {
    let (send, held) = channel();
    let block = Arc::new(Mutex::new(None));
    let (blocked, part) = (block.clone(), part.clone());
    parsebin.connect_pad_added(move |_, pad| {
        let mut block = lock(&blocked);
        if Stream::of(pad).kind != Kind::Video || block.is_some() {
            watch(pad, &Arc::default(), true);
            return;
        }
        let send = send.clone();
        let kinds = gst::PadProbeType::BLOCK | gst::PadProbeType::BUFFER;
        *block = pad.add_probe(kinds, move |pad, _| {
            let _ = send.send(pad.clone());
            gst::PadProbeReturn::Ok
        });
        // In this order: what the window drops is not counted.
        window(pad, &part);
        watch(pad, &counter, false);
    });
    FirstFrame {
        held,
        pad: Mutex::default(),
        block,
        branch,
    }
}

/// Lets the frames of a chunk pass. Its cuts part the stream: the first frame after its
/// end, in the order of decoding, is the key frame of the next.
fn window(pad: &gst::Pad, part: &Chunk) {
    let (start, end) = (part.start, part.end);
    // Frames before the first key frame belong to the first chunk.
    let inside = Mutex::new(part.first_frame == 0);
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let at = info
            .buffer()
            .and_then(|buffer| buffer.pts())
            .map(gst::ClockTime::nseconds);
        if at.zip(end).is_some_and(|(at, end)| at >= end) {
            *lock(&inside) = false;
            // Not on this pad: events that follow an EOS are errors, and parsers send
            // tags now and then.
            if let Some(peer) = pad.peer() {
                let _ = pad.unlink(&peer);
                peer.send_event(gst::event::Eos::new());
            }
            return gst::PadProbeReturn::Drop;
        }
        let mut inside = lock(&inside);
        *inside |= at.is_some_and(|at| at >= start);
        if *inside {
            gst::PadProbeReturn::Ok
        } else {
            gst::PadProbeReturn::Drop
        }
    });
}

impl FirstFrame {
    /// Starts the pipeline, and waits until the first frame is held.
    fn hold(&self, pipeline: &gst::Pipeline, interrupt: &Interrupt) -> Result<(), Failure> {
        let bus = pipeline
            .bus()
            .ok_or_else(|| Failure::error("a pipeline without a bus"))?;
        // What cannot start says why on the bus.
        let _ = pipeline.set_state(gst::State::Paused);
        let deadline = Instant::now() + OPENING;
        loop {
            interrupt.check()?;
            if let Some(message) = bus.pop_filtered(&[gst::MessageType::Error])
                && let gst::MessageView::Error(error) = message.view()
            {
                return Err(failure_of(error));
            }
            match self.held.recv_timeout(LOOK) {
                Ok(pad) => {
                    *lock(&self.pad) = Some(pad);
                    return Ok(());
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => {}
                Err(_) => return Err(Failure::error("the input has no frame of video")),
            }
        }
    }

    /// Seeks to the chunk, where that is possible, and lets it pass.
    fn go_on(&self, part: &Chunk, is_indexed: bool) {
        let Some(pad) = lock(&self.pad).take() else {
            return;
        };
        if is_indexed && part.first_frame > 0 {
            let seek = gst::event::Seek::new(
                1.0,
                gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT | gst::SeekFlags::SNAP_BEFORE,
                gst::SeekType::Set,
                in_medium(&pad, gst::ClockTime::from_nseconds(part.start)),
                gst::SeekType::None,
                gst::ClockTime::NONE,
            );
            // Otherwise it is read from its beginning.
            pad.send_event(seek);
        }
        // Both take anything.
        let _ = pad.link(&self.branch);
        if let Some(block) = lock(&self.block).take() {
            pad.remove_probe(block);
        }
    }
}

/// The position in the medium of a time stamp, which a seek takes.
fn in_medium(pad: &gst::Pad, at: gst::ClockTime) -> gst::ClockTime {
    let segment = pad.sticky_event::<gst::event::Segment>(0);
    let position = segment.and_then(|event| {
        let segment = event.segment().downcast_ref::<gst::ClockTime>()?;
        segment.to_stream_time(at)
    });
    position.unwrap_or(at)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

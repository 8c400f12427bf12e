// SPDX-License-Identifier: MPL-2.0
//! Waits for the end of a job, and stops it. Every wait has a bound.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use gst::prelude::*;

use super::failures::failure_of;
use super::pipeline::Job;
use crate::end::{End, Failure};
use crate::interrupt::Interrupt;
use crate::progress::{Progress, State, size};

/// How often progress is looked at.
const LOOK: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// How long the pipeline may take to stop. Supervised codecs take `close-timeout` (5 s)
/// each, and one is stopped after the other; everything else takes no time to speak of.
pub(super) const STOP: Duration = Duration::from_secs(30);

/// How long nothing may move before more is read ahead: a file whose streams lie far
/// apart fills the queue of one while the muxer waits for another.
const NARROW: Duration = Duration::from_secs(2);

/// The most that is read ahead of each stream, in bytes.
const MOST_AHEAD: u32 = 1024 * 1024 * 1024;

/// What a job did that came to its end.
#[derive(Debug, Default)]
pub struct Summary {
    /// Of the video that was written.
    pub frames: u64,
    /// Where the last of them ends, in the medium.
    pub position: Duration,
    /// Codecs that were given up for another one.
    pub restarts: u32,
    /// By these.
    pub frames_lost: u64,
    /// What elements have warned of.
    pub warnings: Vec<String>,
}

/// How a job ended.
#[derive(Debug)]
pub struct Ended {
    /// The first error of the pipeline, a signal, or a standstill, if it is not a summary.
    pub result: Result<Summary, Failure>,
    /// Whether its pipeline was stopped within 30 s. One that was not holds what it has,
    /// and a thread.
    pub has_stopped: bool,
}

/// Plays the job to its end, and stops it whatever that is.
pub(crate) fn run(
    job: &Job,
    interrupt: &Interrupt,
    stall_timeout: Duration,
    progress: &mut Progress,
) -> Ended {
    for note in &job.notes {
        progress.note(note);
    }
    let result = play(job, interrupt, stall_timeout, progress);
    if result.is_err() {
        progress.abandon();
    }
    Ended {
        result,
        has_stopped: stop(&job.pipeline),
    }
}

fn play(
    job: &Job,
    interrupt: &Interrupt,
    stall_timeout: Duration,
    progress: &mut Progress,
) -> Result<Summary, Failure> {
    let bus = job
        .pipeline
        .bus()
        .ok_or_else(|| Failure::error("a pipeline without a bus"))?;
    let mut summary = Summary::default();
    let mut stall = Stall::new(stall_timeout);
    // What cannot start says why on the bus.
    let started = job.pipeline.set_state(gst::State::Playing).is_ok();
    loop {
        interrupt.check()?;
        let message = bus.timed_pop(LOOK);
        let nothing_more = message.is_none();
        if let Some(message) = message {
            match message.view() {
                // An error whose EOS comes first (`eos-after-failure`) is posted first.
                gst::MessageView::Eos(_) => break,
                gst::MessageView::Error(error) => return Err(failure_of(error)),
                gst::MessageView::Warning(warning) => {
                    let text = warning.error().to_string();
                    progress.note(&text);
                    summary.warnings.push(text);
                }
                gst::MessageView::Element(element) => {
                    if let Some(text) = element.structure().and_then(|told| summary.note(told)) {
                        progress.note(&text);
                    }
                }
                _ => {}
            }
        }
        if nothing_more && !started {
            return Err(Failure::error("the pipeline does not start"));
        }
        let state = state(job);
        progress.show(&state);
        stall.check(job, &state)?;
    }
    let mut last = state(job);
    // The sink has put it in place.
    if job.taken.is_none() {
        let output = job.sink.property::<Option<String>>("location");
        let about = output.and_then(|output| std::fs::metadata(output).ok());
        last.bytes = about.map_or(last.bytes, |about| about.len());
    }
    progress.show(&last);
    (summary.frames, summary.position) = (last.frames, last.position);
    Ok(summary)
}

fn state(job: &Job) -> State {
    let taken = job.taken.as_ref();
    let taken = taken.map(|taken| taken.bytes.load(Ordering::Relaxed));
    let written = || {
        let pad = job.sink.static_pad("sink")?;
        let mut query = gst::query::Position::new(gst::Format::Bytes);
        let answered = pad.query(&mut query);
        match query.result() {
            gst::GenericFormattedValue::Bytes(Some(bytes)) if answered => Some(*bytes),
            _ => None,
        }
    };
    let bytes = taken.or_else(written).unwrap_or(0);
    State {
        frames: job.frames.load(Ordering::Relaxed),
        position: Duration::from_nanos(job.position.load(Ordering::Relaxed)),
        bytes: bytes.max(job.bytes.fetch_max(bytes, Ordering::Relaxed)),
    }
}

impl Summary {
    /// Whether every frame is there.
    pub fn is_complete(&self) -> bool {
        self.restarts == 0
    }

    pub(crate) fn end(&self) -> End {
        if self.is_complete() {
            End::Complete
        } else {
            End::Degraded
        }
    }

    /// Notes a message of a supervised codec; what the user is told of it.
    fn note(&mut self, told: &gst::StructureRef) -> Option<String> {
        match told.name().as_str() {
            "codecwatch-restarted" => {
                let lost = told.get::<u64>("frames-lost").unwrap_or(0);
                self.restarts += 1;
                self.frames_lost += lost;
                let outcome = told.get::<&str>("outcome").unwrap_or_default();
                Some(format!(
                    "{outcome}: the codec was given up and started again, {lost} frames are lost"
                ))
            }
            "codecwatch-skipped" => {
                let buffers = told.get::<u64>("buffers").unwrap_or(0);
                Some(format!(
                    "{buffers} buffers went into a codec of which nothing came out"
                ))
            }
            "codecwatch-slow" => Some("a codec is slow: it works, and the wait goes on".to_owned()),
            _ => None,
        }
    }

    pub(crate) fn print(&self, output: &Path, took: Duration) {
        let bytes = std::fs::metadata(output).map_or(0, |about| about.len());
        let (seconds, frames) = (took.as_secs_f64(), self.frames);
        let medium = self.position.as_secs_f64();
        println!(
            "{}: {frames} frames, {}, {seconds:.1} s, {:.1} fps, {:.2} times real time",
            output.display(),
            size(bytes),
            frames as f64 / seconds,
            medium / seconds
        );
        if self.restarts > 0 {
            println!(
                "degraded: {} restarts, {} frames lost",
                self.restarts, self.frames_lost
            );
        }
    }
}

/// Whether anything moves.
struct Stall {
    limit: Duration,
    last: State,
    since: Instant,
    widened: Instant,
}

impl Stall {
    fn new(limit: Duration) -> Self {
        let now = Instant::now();
        Self {
            limit,
            last: State::default(),
            since: now,
            widened: now,
        }
    }

    fn check(&mut self, job: &Job, state: &State) -> Result<(), Failure> {
        let now = Instant::now();
        if self.last != *state {
            (self.last, self.since, self.widened) = (*state, now, now);
            return Ok(());
        }
        // Nothing moves because of the reader, if it does not wait for more.
        let taken = job.taken.as_ref();
        let is_read = taken.is_none_or(|taken| taken.waits.load(Ordering::Relaxed));
        if is_read && now > self.widened + NARROW {
            self.widened = now;
            let ahead: u32 = job.queue.property("max-size-bytes");
            if ahead < MOST_AHEAD {
                job.queue
                    .set_property("max-size-bytes", ahead.saturating_mul(2).min(MOST_AHEAD));
            }
        }
        if !self.limit.is_zero() && now > self.since + self.limit {
            return Err(Failure::error(format!(
                "nothing has moved for {:.0?} (--stall-timeout), at {:.1?}",
                self.limit, state.position
            )));
        }
        Ok(())
    }
}

/// Stops the pipeline. Returns whether it has stopped in time.
fn stop(pipeline: &gst::Pipeline) -> bool {
    let (send, receive) = std::sync::mpsc::channel();
    let stopped = pipeline.clone();
    let stopping = std::thread::Builder::new()
        .name("stop".to_owned())
        .spawn(move || {
            let _ = stopped.set_state(gst::State::Null);
            let _ = send.send(());
        });
    stopping.is_ok() && receive.recv_timeout(STOP).is_ok()
}

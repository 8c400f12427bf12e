// SPDX-License-Identifier: MPL-2.0
//! The output task: the source pad's task. It waits for output, pushes it, and wakes at
//! the machine's deadline.
//!
//! No flow return from downstream stops it, only a flush or a stop does: a pad that is
//! not linked may be linked again, and downstream that returned EOS for one segment may
//! take the next. Upstream receives the flow return with its next buffer, and decides.

use std::cell::Cell;

use codecwatch_supervisor::{Next, Outcome, Run, set_aside};
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::fault_resolution::{FaultResolution, Observer};
use crate::flow_returns::Flow;
use crate::line::{Claim, Line};
use crate::{CAT, Supervised, Supervision, report};

fn src_pad<T: Supervised>(imp: &T) -> Option<gst::Pad> {
    imp.obj().upcast_ref::<gst::Element>().static_pad("src")
}

/// Starts or resumes the task. Must be called after work for it was added to the line,
/// and without the line's lock: GStreamer posts the message of a new task in the
/// caller's thread. (Before it pauses, the task checks the line under its lock, so it
/// either sees the work or has paused before.)
pub(crate) fn start<T: Supervised>(imp: &T) {
    let Some(pad) = src_pad(imp) else { return };
    let started = match pad.task_state() {
        gst::TaskState::Started => Ok(()),
        // The task keeps its function.
        gst::TaskState::Paused => pad.start_task(|| {}),
        _ => {
            let weak = imp.obj().downgrade();
            pad.start_task(move || {
                if let Some(element) = weak.upgrade() {
                    iterate(T::from_obj(&element));
                }
            })
        }
    };
    if let Err(error) = started {
        // Only when the pad is inactive: then a state change is in progress.
        gst::debug!(CAT, imp = imp, "no output task: {error}");
    }
}

/// Ends the task. Its waits must have been cancelled and its push must be flushing.
pub(crate) fn stop<T: Supervised>(imp: &T) {
    if let Some(pad) = src_pad(imp) {
        let _ = pad.stop_task();
    }
}

/// Pauses the task until it is started again. The caller holds the line's lock.
fn pause<T: Supervised>(imp: &T, _line: &Line<T::Input, T::Output>) {
    if let Some(pad) = src_pad(imp) {
        let _ = pad.pause_task();
    }
}

thread_local! {
    /// The address of the supervision whose output task this thread runs, or 0.
    static RUNS: Cell<usize> = const { Cell::new(0) };
}

/// Whether this thread is the output task of this supervision. It must not wait for the
/// session: the session may wait for it.
pub(crate) fn is_this_thread<I, O>(supervision: &Supervision<I, O>) -> bool {
    RUNS.get() == std::ptr::from_ref(supervision).addr()
}

/// One iteration of the task.
fn iterate<T: Supervised>(imp: &T) {
    let supervision = imp.supervision();
    RUNS.set(std::ptr::from_ref(supervision).addr());
    let _no_codec = set_aside();
    work(imp);
    // The thread goes back to a pool.
    RUNS.set(0);
}

fn work<T: Supervised>(imp: &T) {
    let supervision = imp.supervision();
    let run = {
        let line = supervision.lock();
        match line.front() {
            Some(run) => run.clone(),
            None => return pause(imp, &line),
        }
    };
    match run.next() {
        Next::Output(output) => deliver(imp, &run, output),
        Next::Slow(slow) => report::post_slow(imp.obj().upcast_ref(), &slow),
        Next::FactsChanged => imp.facts_changed(),
        Next::Cancelled => {
            let line = supervision.lock();
            if line.is_held() {
                pause(imp, &line);
            }
        }
        Next::Ended => end(imp, &run),
    }
}

fn deliver<T: Supervised>(imp: &T, run: &Run<T::Input, T::Output>, output: T::Output) {
    let supervision = imp.supervision();
    // The last one: frames are numbered in order.
    let id = {
        let frames = T::frames_of(&output);
        match supervision.lock().claim(run, frames) {
            Claim::Taken { last, settled, lag } => {
                if let Some(published) = supervision.published() {
                    published.note_out(settled, lag);
                }
                last
            }
            Claim::Lost => {
                gst::debug!(CAT, imp = imp, "output of a session that was given up");
                return;
            }
        }
    };
    supervision.recorder().settle(|| T::frames_of(&output));
    let flow = imp.deliver(output);
    if let Some(id) = id {
        gst::trace!(CAT, imp = imp, "frame {id}: {}", delivered(flow));
    }
    if let Some(Err(error)) = flow {
        gst::debug!(
            CAT,
            imp = imp,
            "downstream answered {error} to frame {id:?}"
        );
    }
    supervision.lock().note_delivery(id, flow);
}

/// What became of a frame, for the log.
fn delivered(flow: Option<Flow>) -> String {
    match flow {
        None => "settled, nothing to push".to_owned(),
        Some(Ok(success)) => format!("pushed, {success:?}"),
        Some(Err(error)) => format!("pushed, {error}"),
    }
}

/// Handles a run that gives no more output.
fn end<T: Supervised>(imp: &T, run: &Run<T::Input, T::Output>) {
    let supervision = imp.supervision();
    let outcome = run.outcome();
    match outcome {
        None | Some(Outcome::Completed) => {
            let leaves = {
                let line = supervision.lock();
                let is_front = line.front().is_some_and(|front| front.is(run));
                // Nobody waits for the end of a session that a flush has ended.
                let leaves = is_front && (line.len() > 1 || outcome.is_none());
                if is_front && !leaves {
                    // The thread that waits for its end takes it out of the line, or
                    // the next input does.
                    pause(imp, &line);
                }
                leaves
            };
            if leaves {
                supervision.retire(imp, run);
            }
        }
        Some(_) => {
            let resolution = supervision.resolve_fault(imp, run, Observer::Output);
            let line = supervision.lock();
            if resolution != FaultResolution::Restarted || line.front().is_none() {
                pause(imp, &line);
            }
        }
    }
}

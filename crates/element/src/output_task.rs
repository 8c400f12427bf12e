// SPDX-License-Identifier: MPL-2.0
//! The output task: the source pad's task. It waits for output and pushes it,
//! and it is what wakes at the machine's deadline.

use codecwatch_supervisor::{Next, Outcome, Run};
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::fault_resolution::{FaultResolution, Observer};
use crate::supervision::Inner;
use crate::{CAT, Supervised, report};

fn src_pad<T: Supervised>(imp: &T) -> Option<gst::Pad> {
    imp.obj().upcast_ref::<gst::Element>().static_pad("src")
}

/// Starts the task, or lets it go on. The caller holds `inner`.
pub(crate) fn start<T: Supervised>(imp: &T, _inner: &Inner<T::Input, T::Output>) {
    let Some(pad) = src_pad(imp) else { return };
    let weak = imp.obj().downgrade();
    let started = pad.start_task(move || {
        if let Some(element) = weak.upgrade() {
            iterate(T::from_obj(&element));
        }
    });
    if let Err(error) = started {
        // Only when the pad is inactive: then a state change is on its way.
        gst::debug!(CAT, imp = imp, "no output task: {error}");
    }
}

/// Ends the task. Its waits have been cancelled and its push is flushing.
pub(crate) fn stop<T: Supervised>(imp: &T) {
    if let Some(pad) = src_pad(imp) {
        let _ = pad.stop_task();
    }
}

fn pause<T: Supervised>(imp: &T) {
    if let Some(pad) = src_pad(imp) {
        let _ = pad.pause_task();
    }
}

/// One turn of the task.
fn iterate<T: Supervised>(imp: &T) {
    let supervision = imp.supervision();
    let run = {
        let inner = supervision.lock();
        match inner.runs.front() {
            Some(run) => run.clone(),
            None => return pause(imp),
        }
    };
    match run.next() {
        Next::Output(output) => {
            if let Err(flow) = imp.deliver(output) {
                stop_at(imp, flow);
            }
        }
        Next::Slow(slow) => {
            report::post_slow(imp.obj().upcast_ref(), &slow);
        }
        Next::Cancelled => pause(imp),
        Next::Ended => end(imp, &run),
    }
}

/// Downstream takes nothing any more: the streaming thread has to know.
fn stop_at<T: Supervised>(imp: &T, flow: gst::FlowError) {
    gst::debug!(CAT, imp = imp, "downstream answered {flow}");
    let supervision = imp.supervision();
    {
        let mut inner = supervision.lock();
        inner.flow = Err(flow);
        pause(imp);
    }
    supervision.cancel();
}

/// A run has given everything it will ever give.
fn end<T: Supervised>(imp: &T, run: &Run<T::Input, T::Output>) {
    let supervision = imp.supervision();
    match run.outcome() {
        None | Some(Outcome::Completed) => {
            let mut inner = supervision.lock();
            let successors = inner.runs.len() > 1;
            match inner.runs.front() {
                // It has left the line already, and another has begun.
                Some(front) if !front.is(run) => {}
                Some(_) if successors => inner.leave_front(),
                _ => pause(imp),
            }
        }
        Some(_) => {
            let resolution = supervision.resolve_fault(imp, run, Observer::Output);
            let inner = supervision.lock();
            if resolution != FaultResolution::Restarted || inner.runs.is_empty() {
                pause(imp);
            }
        }
    }
}

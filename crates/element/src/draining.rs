// SPDX-License-Identifier: MPL-2.0
//! Drains: before an event that must not overtake the frames inside, and at the
//! end of the stream.

use std::sync::Arc;

use codecwatch_supervisor::{CloseResult, DrainResult, Fault, Outcome, Run, Witness};
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::fault_resolution::{FaultResolution, Observer};
use crate::stats::outcome_name;
use crate::{CAT, Supervised, Supervision, report};

impl<I: Send + 'static, O: Send + 'static> Supervision<I, O> {
    /// Drains every session in line, and waits until downstream has taken everything.
    /// `last`: the sessions end, and the call also waits until the last one has closed.
    /// The watchdog bounds the drain, `close-timeout` the close; a flush or a stop
    /// cancels either wait, and the close goes on in the background. A drain that ends in
    /// a restart is complete: what was lost is posted on the bus, and everything else is
    /// out.
    pub(crate) fn drain<T>(&self, imp: &T, last: bool) -> DrainResult
    where
        T: Supervised<Input = I, Output = O>,
    {
        let mut restarted = false;
        loop {
            let (run, failed) = {
                let line = self.lock_posted();
                (line.back().cloned(), line.has_failed())
            };
            if failed {
                return DrainResult::Failed;
            }
            let Some(run) = run else { break };
            let ticket = run.request_drain(last);
            match run.wait_drained(ticket) {
                DrainResult::Complete if last => {
                    self.lock().leave(&run);
                    self.line_changed();
                    self.after_close(imp, &run, run.wait_closed_until_cancelled());
                    self.report_stuck_closes(imp);
                    if self.lock().is_held() {
                        return DrainResult::Cancelled;
                    }
                }
                DrainResult::Complete => {
                    // Not every codec goes on after a drain.
                    self.retire_completed(imp, &run);
                    break;
                }
                DrainResult::Cancelled => {
                    let line = self.lock_posted();
                    if line.has_failed() {
                        return DrainResult::Failed;
                    }
                    if line.is_held() || line.position(&run).is_some() {
                        return DrainResult::Cancelled;
                    }
                    // The output task has taken the session out of the line: it was given
                    // up, or a flush before this drain has ended it.
                    restarted |= run
                        .outcome()
                        .is_some_and(|outcome| outcome.fault().is_some());
                }
                DrainResult::Failed => {
                    self.wait_delivered_before_restart(&run);
                    match self.resolve_fault(imp, &run, Observer::Stream) {
                        // Sessions before it in line may still have output.
                        FaultResolution::Restarted => restarted = true,
                        FaultResolution::Fatal | FaultResolution::Pending => {
                            return DrainResult::Failed;
                        }
                    }
                }
            }
        }
        let how = if restarted { " after a restart" } else { "" };
        gst::trace!(CAT, imp = imp, "drained{how}");
        DrainResult::Complete
    }

    /// Takes a session without further input or output out of the line. It closes in
    /// the background.
    pub(crate) fn retire<T>(&self, imp: &T, run: &Run<I, O>)
    where
        T: Supervised<Input = I, Output = O>,
    {
        self.lock().leave(run);
        self.line_changed();
        let weak = imp.obj().downgrade();
        let (outcome, witness) = (run.outcome(), run.witness());
        run.retire(move |fault| {
            if let Some(element) = weak.upgrade() {
                report_stuck_close(T::from_obj(&element), outcome.as_ref(), fault, witness);
            }
        });
    }

    /// Retires a session that has completed although more input may follow: no thread
    /// waits for its close, so without this nothing would judge it until the next input.
    pub(crate) fn retire_completed<T>(&self, imp: &T, run: &Run<I, O>)
    where
        T: Supervised<Input = I, Output = O>,
    {
        if matches!(run.outcome(), Some(Outcome::Completed)) {
            self.retire(imp, run);
        }
    }

    /// Waits for the close of a session, for `close-timeout` at most.
    pub(crate) fn close<T>(&self, imp: &T, run: &Run<I, O>)
    where
        T: Supervised<Input = I, Output = O>,
    {
        self.after_close(imp, run, run.wait_closed());
    }

    /// Handles the result of a wait for a close. A session that is still closing goes
    /// on in the background; an abandoned one is posted on the bus.
    fn after_close<T>(&self, imp: &T, run: &Run<I, O>, closed: CloseResult)
    where
        T: Supervised<Input = I, Output = O>,
    {
        match closed {
            CloseResult::Closed | CloseResult::Abandoned(None) => {}
            CloseResult::Retiring => self.retire(imp, run),
            CloseResult::Abandoned(Some(fault)) => {
                report_stuck_close(imp, run.outcome().as_ref(), &fault, run.witness());
            }
        }
    }

    /// Flushed sessions close in the background. If one was abandoned there, posts that
    /// before the stream ends.
    fn report_stuck_closes<T>(&self, imp: &T)
    where
        T: Supervised<Input = I, Output = O>,
    {
        let leaving = self.lock().leaving().to_vec();
        for run in leaving.iter().filter(|run| run.is_abandoned()) {
            self.close(imp, run);
        }
    }
}

/// Keeps the evidence of a close that hangs, and posts the warning.
fn report_stuck_close<T: Supervised>(
    imp: &T,
    outcome: Option<&Outcome>,
    fault: &Fault,
    witness: Option<Arc<dyn Witness>>,
) {
    let outcome = outcome_name(outcome);
    let kept = imp
        .supervision()
        .keep_stuck_close(imp, outcome, fault, witness);
    let element = imp.obj();
    report::post_stuck_close(element.upcast_ref(), outcome, fault, kept.as_deref());
}

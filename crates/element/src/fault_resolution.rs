// SPDX-License-Identifier: MPL-2.0
//! The result of a fault: an error, once, or another session.

use std::time::{Duration, Instant};

use codecwatch_supervisor::{Change, Outcome, Run, ledger};
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::restarts::Restarts;
use crate::settings::Settings;
use crate::{Supervised, Supervision, ending, report};

/// How long a fault waits for the handlers of what was told before it.
const HANDLING: Duration = Duration::from_secs(1);

/// The thread that found a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Observer {
    /// The streaming thread.
    Stream,
    /// The output task, when it has pushed all output.
    Output,
}

fn may_restart(restarts: &mut Restarts, settings: &Settings, outcome: &Outcome) -> bool {
    let (limit, window) = (settings.restart_limit, settings.restart_window);
    restarts.allows(Instant::now(), limit, window, outcome)
}

/// The result of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultResolution {
    /// The session was given up, the loss was posted on the bus, and the element goes
    /// on.
    Restarted,
    /// The element has failed, and the error is posted.
    Fatal,
    /// The element has failed, and the error is about to be posted.
    Pending,
}

impl<I: Send + 'static, O: Send + 'static> Supervision<I, O> {
    /// Waits until downstream has what came out of a run before its fault, if a restart may
    /// follow, which must lose nothing but what was inside. A flush, a stop and a failure end
    /// the wait. The output task, which handles the fault then, must be able to deliver.
    pub(crate) fn wait_delivered_before_restart(&self, run: &Run<I, O>) {
        let Some(outcome) = run.outcome() else {
            return;
        };
        let settings = self.settings();
        if may_restart(&mut self.lock().restarts, &settings, &outcome) {
            run.wait_delivered();
        }
    }

    /// Handles a run that ended with a fault: once, in the thread that sees it first.
    /// With `eos-after-failure` the output task ends the stream, because EOS has to
    /// follow the remaining output.
    pub(crate) fn resolve_fault<T>(
        &self,
        imp: &T,
        run: &Run<I, O>,
        observer: Observer,
    ) -> FaultResolution
    where
        T: Supervised<Input = I, Output = O>,
    {
        let Some(outcome) = run.outcome() else {
            return FaultResolution::Fatal;
        };
        // What it told comes before its end.
        run.wait_told_until_cancelled(HANDLING);
        let settings = self.settings();
        let (lost, restarts) = {
            let mut line = self.lock_posted();
            if line.is_reporting() {
                return FaultResolution::Pending;
            }
            if line.has_failed() {
                return FaultResolution::Fatal;
            }
            if line.position(run).is_none() {
                return FaultResolution::Restarted;
            }
            if may_restart(&mut line.restarts, &settings, &outcome) {
                line.restarts.note(Instant::now());
                line.posting = true;
                // The other sessions in line keep their frames, and go on.
                let lost = line.lose(run);
                // Under the line's lock: from now on a drain may end without this
                // session, and the check at EOS needs to know its frames.
                self.note_lost(&lost.ids);
                (Some(lost), line.restarts.total())
            } else {
                (None, 0)
            }
        };
        let element = imp.obj();
        let element = element.upcast_ref::<gst::Element>();
        if let Some(lost) = lost {
            // Before the message, for which the start of the next session waits.
            let mut waited = run.take_untaken();
            waited.retain(|input| imp.survives_restart(input));
            self.lock().carry(lost.place, waited);
            // Before the message: its receiver may read the ledger.
            if let Some(fault) = outcome.fault() {
                ledger().change(&fault.library, Change::Restarted);
            }
            if let Some(published) = self.published() {
                published.note_lost(lost.ids.len());
            }
            let evidence = self.keep_outcome(imp, run, &outcome);
            report::post_restarted(element, &outcome, restarts, &lost, evidence.as_deref());
            self.note_posted();
            self.retire(imp, run);
            imp.restarted();
            return FaultResolution::Restarted;
        }
        // A pipeline that does not play blocks EOS, and the output task with it.
        let plays = ending::plays(element);
        if settings.eos_after_failure && observer == Observer::Stream && plays {
            return FaultResolution::Pending;
        }
        let (element, role) = (element.clone(), imp.role());
        let evidence = self.keep_outcome(imp, run, &outcome);
        let flow = self.end_because_of(imp, Some(run), move || {
            report::post_outcome(&element, role, &outcome, evidence.as_deref());
        });
        match flow {
            gst::FlowError::Flushing => FaultResolution::Pending,
            _ => FaultResolution::Fatal,
        }
    }

    /// Ends the stream with the error that `report` posts, unless there was one
    /// already. No session takes input or gives output from now on: all of them are
    /// closed at once, so that every wait for one of them returns. Returns the flow
    /// return for a buffer.
    pub(crate) fn end<T>(&self, imp: &T, report: impl FnOnce() + Send + 'static) -> gst::FlowError
    where
        T: Supervised<Input = I, Output = O>,
    {
        self.end_because_of(imp, None, report)
    }

    /// The same; `stats` continues to describe the run `culprit`.
    fn end_because_of<T>(
        &self,
        imp: &T,
        culprit: Option<&Run<I, O>>,
        report: impl FnOnce() + Send + 'static,
    ) -> gst::FlowError
    where
        T: Supervised<Input = I, Output = O>,
    {
        let runs = {
            let mut line = self.lock();
            let Some(runs) = line.fail() else {
                return line.check_open().err().unwrap_or(gst::FlowError::Error);
            };
            if let Some(culprit) = culprit {
                line.show(culprit);
            }
            runs
        };
        self.line_changed();
        for run in &runs {
            self.retire(imp, run);
        }
        if self.settings().eos_after_failure {
            ending::push_eos(imp.obj().upcast_ref(), &self.pending_report, report);
        } else {
            report();
        }
        self.lock().reported();
        self.line_changed();
        gst::FlowError::Error
    }
}

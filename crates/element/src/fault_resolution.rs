// SPDX-License-Identifier: MPL-2.0
//! What becomes of a fault: told once, or answered with another session.

use std::collections::VecDeque;
use std::time::Instant;

use codecwatch_supervisor::{Outcome, Phase, Run};
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::supervision::Inner;
use crate::{Settings, Supervised, Supervision, ending, report};

/// Who comes across a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Observer {
    /// The streaming thread.
    Stream,
    /// The output task, when it has pushed all that there is.
    Output,
}

/// What became of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultResolution {
    /// Another session takes over.
    Restarted,
    /// The element has failed, and said so.
    Fatal,
    /// The element has failed, and the output task will say so.
    Pending,
}

impl<I: Send + 'static, O: Send + 'static> Supervision<I, O> {
    /// Deals with a run that ended with a fault: once, whoever sees it first.
    /// With `eos-after-failure` it is the output task that does, because EOS has
    /// to come after what there still was to push.
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
        let settings = self.settings();
        let (resolution, restarts, given_up) = {
            let mut inner = self.lock();
            if inner.reporting {
                return FaultResolution::Pending;
            }
            if inner.failed {
                return FaultResolution::Fatal;
            }
            if !inner.runs.iter().any(|other| other.is(run)) {
                return FaultResolution::Restarted;
            }
            if inner.may_restart(&settings, &outcome) {
                inner.restarts_total += 1;
                inner.discont = true;
                let runs = std::mem::take(&mut inner.runs);
                inner.leaving.extend(runs.iter().cloned());
                (FaultResolution::Restarted, inner.restarts_total, runs)
            } else if settings.eos_after_failure && observer == Observer::Stream {
                return FaultResolution::Pending;
            } else {
                inner.failed = true;
                inner.reporting = true;
                (FaultResolution::Fatal, 0, VecDeque::new())
            }
        };
        // Those in line behind it, too: the next session waits for their end, and
        // nobody would tell them that theirs has come.
        for run in &given_up {
            run.request_close();
        }
        let element = imp.obj();
        let element = element.upcast_ref::<gst::Element>();
        if resolution == FaultResolution::Restarted {
            let frames = given_up.iter().map(frames_inside).sum();
            let lost = imp.forget_frames();
            report::post_restarted(element, &outcome, restarts, frames, lost);
        } else if settings.eos_after_failure {
            ending::eos_then(element, || report::post_outcome(element, T::ROLE, &outcome));
        } else {
            report::post_outcome(element, T::ROLE, &outcome);
        }
        if resolution == FaultResolution::Fatal {
            self.reported();
        }
        resolution
    }

    /// Leaves the report of a failure to the caller, with the runs that there are;
    /// `None` where it has been, or is being, reported already. Afterwards
    /// [`reported`](Self::reported) has to be called.
    pub(crate) fn begin_report(&self) -> Option<Vec<Run<I, O>>> {
        let mut inner = self.lock();
        if std::mem::replace(&mut inner.failed, true) {
            return None;
        }
        inner.reporting = true;
        Some(inner.runs.iter().cloned().collect())
    }

    /// The failure is on the bus.
    pub(crate) fn reported(&self) {
        self.lock().reporting = false;
    }
}

/// Frames that went in and never came out.
fn frames_inside<I: Send + 'static, O: Send + 'static>(run: &Run<I, O>) -> u64 {
    let session = run.stats().session;
    session.frames_in.saturating_sub(session.frames_out)
}

impl<I, O> Inner<I, O> {
    /// What a buffer is answered with once the element has failed. A source posts
    /// an error of its own when it sees `Error`, and it shall not come before the
    /// one that says why.
    pub(crate) fn answer(&self) -> gst::FlowError {
        if self.reporting {
            gst::FlowError::Flushing
        } else {
            gst::FlowError::Error
        }
    }

    /// Rule 13: within the limit, and only where a new session can go on; what a
    /// drain was to give cannot be had from another session.
    fn may_restart(&mut self, settings: &Settings, outcome: &Outcome) -> bool {
        let Some(fault) = outcome.fault() else {
            return false;
        };
        if settings.restart_limit == 0 || fault.at.phase != Phase::Running {
            return false;
        }
        let now = Instant::now();
        while self
            .restarts
            .front()
            .is_some_and(|&at| now.duration_since(at) > settings.restart_window)
        {
            self.restarts.pop_front();
        }
        if self.restarts.len() >= settings.restart_limit as usize {
            return false;
        }
        self.restarts.push_back(now);
        true
    }
}

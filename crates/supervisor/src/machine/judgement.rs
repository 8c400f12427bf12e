// SPDX-License-Identifier: MPL-2.0
//! The consequences of a debt: when to sample the session's threads, how to judge the
//! samples, and when to abandon the session.

use std::time::Instant;

use super::debt::Debt;
use super::{Action, Machine, Reason};
use crate::{Budgets, Evidence, Phase, Sample};

/// How often the watchdog may be late and restart the time limit of one debt. A computer
/// that wakes it late always, or every other time, must not hide a wedge for ever: from
/// then on it judges by the samples, in which starved threads still count as an excuse.
const LATE_RESTARTS: u32 = 3;

/// How often an observation goes on because a thread is runnable at its end that did not
/// seem to work. It may have waited for a processor, which its times show later. Or it
/// works for something else now and then, which must not hide a wedge.
const CONTINUATIONS: u32 = 3;

/// The restarts of a debt's time limit because the watchdog was late.
#[derive(Debug, Default)]
pub(super) struct LateRestarts {
    count: u32,
    /// The time of the last one. A debt that starts later is another one, or there was
    /// progress in between.
    latest: Option<Instant>,
}

impl LateRestarts {
    /// Whether the time limit of this debt restarts once more. Counts it.
    fn allow(&mut self, debt: Debt, now: Instant) -> bool {
        if self.latest.is_none_or(|latest| debt.since > latest) {
            self.count = 0;
        }
        if self.count >= LATE_RESTARTS {
            return false;
        }
        self.count += 1;
        self.latest = Some(now);
        true
    }
}

/// The observation of a debt whose budget is running out.
#[derive(Debug)]
pub(super) struct Judgement {
    debt: Debt,
    baseline: Option<(Instant, Sample)>,
    /// When to sample again.
    due: Instant,
    pub(super) excused: bool,
    /// How often the observation went on.
    continued: u32,
    /// The number of the sample in progress.
    look: Option<u64>,
}

impl Machine {
    /// When to send [`Event::Tick`](crate::Event::Tick), and the reason. `None`: nothing is
    /// owed, so that no time limit applies; or a sample of the session's threads is in
    /// progress.
    pub fn deadline(&self) -> Option<(Instant, Reason)> {
        let debt = self.debt()?;
        let budget = self.budgets.of(self.phase)?;
        let at = match self.judgement_of(debt) {
            Some(judgement) if judgement.look.is_some() => return None,
            Some(judgement) => judgement.due,
            None => debt.since + Budgets::before_observation(budget),
        };
        Some((at, debt.reason))
    }

    /// Until when to wait for a close, counted from its beginning. Whether it is wedged
    /// or slow is decided at the [`deadline`](Self::deadline).
    pub fn close_until(&self) -> Option<Instant> {
        (self.phase == Phase::Closing).then(|| self.phase_since + self.budgets.close)
    }

    /// The earliest possible deadline of a debt that does not exist yet: a driver that
    /// sleeps until then need not be woken for a new debt. `None` when nothing has
    /// flowed for that long: then a new debt wakes the driver, and sleeping on costs
    /// nothing.
    pub fn soonest(&self, now: Instant) -> Option<Instant> {
        let budget = self.budgets.of(self.phase)?;
        let margin = Budgets::before_observation(budget);
        (now.saturating_duration_since(self.progress) < margin).then(|| now + margin)
    }

    pub(super) fn judgement_of(&self, debt: Debt) -> Option<&Judgement> {
        self.judgement
            .as_ref()
            .filter(|judgement| judgement.debt == debt)
    }

    pub(super) fn tick(&mut self, now: Instant) {
        let Some((at, _)) = self.deadline() else {
            return;
        };
        let (Some(debt), Some(budget)) = (self.debt(), self.budgets.of(self.phase)) else {
            return;
        };
        if now < at {
            return;
        }
        let is_late = now.saturating_duration_since(at) > Budgets::observation(budget);
        let is_rescheduled = self.rescheduled.take().is_some_and(|when| at <= when);
        if is_late
            && !is_rescheduled
            && !self.is_unattended(debt)
            && self.late_restarts.allow(debt, now)
        {
            // The watchdog itself was stopped, suspended or starved: the codec must not
            // be blamed for that time.
            self.late += 1;
            self.judgement = None;
            // A close keeps its clock, because a thread may wait for it: there only the
            // observation restarts, at once.
            if debt.reason != Reason::Close {
                self.progress = now;
                return;
            }
        }
        self.looks += 1;
        let look = Some(self.looks);
        match &mut self.judgement {
            Some(judgement) if judgement.debt == debt => judgement.look = look,
            other => {
                *other = Some(Judgement {
                    debt,
                    baseline: None,
                    due: debt.since + budget,
                    excused: false,
                    continued: 0,
                    look,
                });
            }
        }
        self.actions
            .push_back(Action::TakeSample { look: self.looks });
    }

    /// Whether a first tick may be late without being the watchdog's fault: no driver
    /// need have waited for a close before.
    fn is_unattended(&self, debt: Debt) -> bool {
        debt.reason == Reason::Close && self.judgement_of(debt).is_none()
    }

    pub(super) fn sampled(&mut self, now: Instant, look: u64, sample: Sample) {
        let (debt, budget) = (self.debt(), self.budgets.of(self.phase));
        let Some(judgement) = &mut self.judgement else {
            return;
        };
        if judgement.look != Some(look) {
            return;
        }
        let (Some(debt), Some(budget)) = (debt, budget) else {
            self.judgement = None;
            return;
        };
        if judgement.debt != debt {
            self.judgement = None;
            return;
        }
        judgement.look = None;
        let observation = Budgets::observation(budget);
        let Some((taken_at, baseline)) = judgement.baseline.take() else {
            // After a late first sample the observation still takes its full time; that
            // of a close at least half of it, because its waiter needs a result at the
            // end of the budget.
            let enough = match debt.reason {
                Reason::Close => observation / 2,
                _ => observation,
            };
            if judgement.due < now + enough {
                judgement.due = now + observation;
            }
            judgement.baseline = Some((now, sample));
            return;
        };
        let evidence =
            Evidence::between(&baseline, &sample, now.saturating_duration_since(taken_at));
        self.evidence = Some(evidence);
        let limit = debt.since + self.budgets.slow_limit;
        let excuses = evidence.activity.excuses();
        let unclear = !excuses && evidence.runnable && judgement.continued < CONTINUATIONS;
        if !(excuses || unclear) || now >= limit {
            return self.abandon(debt.reason);
        }
        judgement.due = (now + observation).min(limit);
        if unclear {
            judgement.continued += 1;
            judgement.baseline = Some((taken_at, baseline));
            return;
        }
        judgement.continued = 0;
        judgement.baseline = Some((now, sample));
        judgement.excused = true;
        if !self.slow_reported && debt.reason != Reason::Close {
            self.slow_reported = true;
            self.actions.push_back(Action::ReportSlow(evidence));
        }
    }

    fn abandon(&mut self, reason: Reason) {
        self.abandoned = true;
        self.judgement = None;
        self.actions.push_back(Action::Abandon(reason));
    }
}

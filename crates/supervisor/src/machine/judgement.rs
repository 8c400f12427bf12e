// SPDX-License-Identifier: MPL-2.0
//! What follows when a session does not pay: when to look at its threads, what to
//! make of what was seen, and when to give it up.

use std::time::Instant;

use super::debt::Debt;
use super::{Action, Machine, Reason};
use crate::{Budgets, Evidence, Sample};

/// How often in a row the watchdog may come late and begin again. A machine that
/// always wakes it late shall not hide a wedge for ever; from then on it judges
/// by what it sees, and threads that are starved themselves still excuse.
const LATE_IN_A_ROW: u32 = 3;

/// The observation of a debt whose budget runs out.
#[derive(Debug)]
pub(super) struct Judgement {
    debt: Debt,
    baseline: Option<(Instant, Sample)>,
    due: Instant,
    pub(super) excused: bool,
    sampling: bool,
}

impl Machine {
    /// When to come back with [`Event::Tick`](crate::Event::Tick), and what will be decided then.
    /// `None`: nothing is owed, however long nothing happens.
    pub fn deadline(&self) -> Option<(Instant, Reason)> {
        let debt = self.debt()?;
        let budget = self.budgets.of(self.phase)?;
        let at = match self.judgement_of(debt) {
            Some(judgement) if judgement.sampling => return None,
            Some(judgement) if judgement.baseline.is_some() => judgement.due,
            _ if debt.reason == Reason::Close => debt.since + budget,
            _ => debt.since + budget - Budgets::observation(budget),
        };
        Some((at, debt.reason))
    }

    /// The soonest that a debt which does not exist yet could have its first
    /// deadline: who sleeps until then need not be woken for a new debt. `None`
    /// when nothing has flowed for that long: then a new debt is worth waking
    /// up for, and sleeping on costs nothing.
    pub fn soonest(&self, now: Instant) -> Option<Instant> {
        let budget = self.budgets.of(self.phase)?;
        let margin = budget - Budgets::observation(budget);
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
        if debt.reason == Reason::Close {
            // A state change waits for this one: its bound is not negotiable.
            return self.abandon(debt.reason);
        }
        let observation = Budgets::observation(budget);
        if now.saturating_duration_since(at) <= observation {
            self.late_in_a_row = 0;
        } else if self.late_in_a_row < LATE_IN_A_ROW {
            // The watchdog itself was stopped, suspended or starved: what it
            // missed cannot be held against the codec.
            self.late_in_a_row += 1;
            self.late += 1;
            self.progress = now;
            self.judgement = None;
            return;
        }
        match &mut self.judgement {
            Some(judgement) if judgement.debt == debt => judgement.sampling = true,
            other => {
                *other = Some(Judgement {
                    debt,
                    baseline: None,
                    due: debt.since + budget,
                    excused: false,
                    sampling: true,
                });
            }
        }
        self.actions.push_back(Action::TakeSample);
    }

    pub(super) fn sampled(&mut self, now: Instant, sample: Sample) {
        let debt = self.debt();
        let budget = self.budgets.of(self.phase);
        let Some(judgement) = &mut self.judgement else {
            return;
        };
        judgement.sampling = false;
        let (Some(debt), Some(budget)) = (debt, budget) else {
            return;
        };
        if judgement.debt != debt {
            return;
        }
        let observation = Budgets::observation(budget);
        let Some((taken_at, baseline)) = judgement.baseline.take() else {
            // A late first look still observes for the full time.
            judgement.due = judgement.due.max(now + observation);
            judgement.baseline = Some((now, sample));
            return;
        };
        let evidence =
            Evidence::between(&baseline, &sample, now.saturating_duration_since(taken_at));
        self.evidence = Some(evidence);
        let limit = debt.since + self.budgets.slow_limit;
        if !evidence.activity.excuses() || now >= limit {
            return self.abandon(debt.reason);
        }
        judgement.baseline = Some((now, sample));
        judgement.due = (now + observation).min(limit);
        judgement.excused = true;
        if !self.slow_reported {
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

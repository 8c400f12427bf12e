// SPDX-License-Identifier: MPL-2.0
//! What follows when a session does not pay: when to look at its threads, what to
//! make of what was seen, and when to give it up.

use std::time::Instant;

use super::debt::Debt;
use super::{Action, Machine, Reason};
use crate::{Budgets, Evidence, Phase, Sample};

/// How often in a row the watchdog may come late and begin again. A machine that
/// always wakes it late shall not hide a wedge for ever; from then on it judges
/// by what it sees, and threads that are starved themselves still excuse.
const LATE_IN_A_ROW: u32 = 3;

/// The observation of a debt whose budget runs out.
#[derive(Debug)]
pub(super) struct Judgement {
    debt: Debt,
    baseline: Option<(Instant, Sample)>,
    /// When to look again.
    due: Instant,
    pub(super) excused: bool,
    /// The look that is under way.
    look: Option<u64>,
}

impl Machine {
    /// When to come back with [`Event::Tick`](crate::Event::Tick), and what will be decided then.
    /// `None`: nothing is owed, however long nothing happens; or somebody is
    /// just looking at the session's threads.
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

    /// Until when a close may be waited for, counted from its beginning. What it
    /// is then, wedged or slow, is a question of [`deadline`](Self::deadline).
    pub fn close_until(&self) -> Option<Instant> {
        (self.phase == Phase::Closing).then(|| self.phase_since + self.budgets.close)
    }

    /// The soonest that a debt which does not exist yet could have its first
    /// deadline: who sleeps until then need not be woken for a new debt. `None`
    /// when nothing has flowed for that long: then a new debt is worth waking
    /// up for, and sleeping on costs nothing.
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
        if now.saturating_duration_since(at) <= Budgets::observation(budget) {
            self.late_in_a_row = 0;
        } else if self.is_late_for(debt) {
            // The watchdog itself was stopped, suspended or starved: what it
            // missed cannot be held against the codec.
            self.late_in_a_row += 1;
            self.late += 1;
            self.judgement = None;
            // A close keeps its clock, because somebody may wait for it: there
            // it is the observation alone that begins again, at once.
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
                    look,
                });
            }
        }
        self.actions
            .push_back(Action::TakeSample { look: self.looks });
    }

    /// Whether a tick that comes after its time is the watchdog's own fault. Who
    /// looks at a close for the first time need not have waited for it before.
    fn is_late_for(&self, debt: Debt) -> bool {
        let unattended = debt.reason == Reason::Close && self.judgement_of(debt).is_none();
        !unattended && self.late_in_a_row < LATE_IN_A_ROW
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
            // A late first look still observes for the full time; a close, whose
            // waiter wants to know when the budget is over, at least for half of it.
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
        if !evidence.activity.excuses() || now >= limit {
            return self.abandon(debt.reason);
        }
        judgement.baseline = Some((now, sample));
        judgement.due = (now + observation).min(limit);
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

// SPDX-License-Identifier: MPL-2.0
//! The pure core: what a session owes, and the consequences if it makes no progress.
//!
//! No clock, no thread, no lock: the driver of the machine passes events with their
//! times to [`Machine::handle`], executes the actions from [`Machine::poll`], and sends
//! [`Event::Tick`] at [`Machine::deadline`].
//!
//! A session *owes* progress while it opens, drains or closes, and while running in
//! five cases: a native call that should return is in flight; input waits that it does
//! not take; it holds more frames than its declared delay; it flushes; it answers a
//! question. A waiting question is no debt, but the work before it is. The session owes
//! nothing while downstream has not taken its output, or while it waits for another
//! session's open.

mod debt;
mod event;
mod judgement;
mod snapshot;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub use self::debt::Reason;
pub use self::event::{Action, CallKind, Event};
use self::judgement::{Judgement, LateRestarts};
pub use self::snapshot::{Snapshot, Verdict};
use crate::amount::Total;
use crate::{Amount, Budgets, Evidence, Name, Phase};

#[derive(Debug, Clone)]
struct Call {
    name: Name,
    kind: CallKind,
    since: Instant,
}

/// See the module's description.
#[derive(Debug)]
pub struct Machine {
    budgets: Budgets,
    phase: Phase,
    phase_since: Instant,
    delay: Option<usize>,
    /// All input is in one of the four below, or still queued.
    submitted: Total,
    /// Commands that wait for the worker, and their amount.
    queued: usize,
    queued_amount: Total,
    inside: Total,
    /// The amount of the command that was taken last.
    last_taken: Amount,
    /// Outputs that wait for downstream, and the input that they settle.
    outbox: usize,
    outbox_amount: Total,
    delivered: Total,
    discarded: Total,
    pushing: bool,
    calls: Vec<Option<Call>>,
    /// Last output, end of backpressure, or re-arming: restarts all clocks.
    progress: Instant,
    /// Start of the current wait for the next command to be taken.
    waiting_since: Instant,
    /// Since when more frames are inside than allowed.
    over_since: Option<Instant>,
    /// Since when the worker flushes.
    flushing_since: Option<Instant>,
    /// Since when the worker answers a question.
    answering_since: Option<Instant>,
    /// Lanes that wait for another session's open.
    awaiting_others: usize,
    judgement: Option<Judgement>,
    /// Number of samples of the session's threads so far.
    looks: u64,
    evidence: Option<Evidence>,
    slow_reported: bool,
    abandoned: bool,
    late: u64,
    late_restarts: LateRestarts,
    /// When the budget has changed: a tick that is overdue since then is not late.
    rescheduled: Option<Instant>,
    worst_calls: Vec<(Name, Duration)>,
    actions: VecDeque<Action>,
}

impl Machine {
    /// A session that waits for its turn to open.
    pub fn new(now: Instant, budgets: Budgets) -> Self {
        Self {
            budgets,
            phase: Phase::Waiting,
            phase_since: now,
            delay: None,
            submitted: Total::default(),
            queued: 0,
            queued_amount: Total::default(),
            inside: Total::default(),
            last_taken: Amount::NONE,
            outbox: 0,
            outbox_amount: Total::default(),
            delivered: Total::default(),
            discarded: Total::default(),
            pushing: false,
            calls: Vec::new(),
            progress: now,
            waiting_since: now,
            over_since: None,
            flushing_since: None,
            answering_since: None,
            awaiting_others: 0,
            judgement: None,
            looks: 0,
            evidence: None,
            slow_reported: false,
            abandoned: false,
            late: 0,
            late_restarts: LateRestarts::default(),
            rescheduled: None,
            worst_calls: Vec::new(),
            actions: VecDeque::new(),
        }
    }

    /// The phase.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The budgets in force.
    pub fn budgets(&self) -> &Budgets {
        &self.budgets
    }

    /// Changes the budgets; they apply from the next deadline on.
    pub fn set_budgets(&mut self, now: Instant, budgets: Budgets) {
        let changes = |phase| budgets.of(phase) != self.budgets.of(phase);
        if changes(self.phase) {
            self.judgement = None;
            self.rescheduled = Some(now);
        }
        self.budgets = budgets;
    }

    /// Outputs that wait for downstream, and whether one is being pushed.
    pub fn downstream(&self) -> (usize, bool) {
        (self.outbox, self.pushing)
    }

    /// The lane's native call in flight, and when it began.
    pub fn call_in_flight(&self, lane: usize) -> Option<(&Name, Instant)> {
        let call = self.calls.get(lane)?.as_ref()?;
        Some((&call.name, call.since))
    }

    /// Processes an event. Times must not decrease.
    pub fn handle(&mut self, now: Instant, event: Event) {
        match event {
            Event::OpenBegan => {
                if self.phase == Phase::Waiting {
                    self.enter(now, Phase::Opening);
                }
            }
            Event::Opened { delay } => {
                self.delay = delay;
                if self.phase == Phase::Opening {
                    self.enter(now, Phase::Running);
                }
            }
            Event::DelayChanged { delay } => {
                self.delay = delay;
                if !self.exceeds(self.inside.frames) {
                    self.over_since = None;
                }
                self.note_excess(now);
            }
            Event::Submitted { amount } => {
                if self.queued == 0 {
                    self.waiting_since = now;
                }
                self.queued += 1;
                self.queued_amount.add(amount);
                self.submitted.add(amount);
            }
            Event::Taken { amount } => {
                self.queued = self.queued.saturating_sub(1);
                self.waiting_since = now;
                self.queued_amount.subtract(amount);
                self.inside.add(amount);
                self.last_taken = amount;
                self.note_excess(now);
            }
            Event::InboxDropped => {
                self.queued = 0;
                self.queued_amount.pour_into(&mut self.discarded);
            }
            Event::CallBegan { lane, name, kind } => {
                if self.calls.len() <= lane {
                    self.calls.resize(lane + 1, None);
                }
                self.calls[lane] = Some(Call {
                    name,
                    kind,
                    since: now,
                });
            }
            Event::CallMoved { lane, name } => {
                if let Some(call) = self.calls.get_mut(lane).and_then(Option::as_mut) {
                    call.name = name;
                }
            }
            Event::CallEnded { lane, took } => {
                if let Some(call) = self.calls.get_mut(lane).and_then(Option::take) {
                    let seen = now.saturating_duration_since(call.since);
                    self.note_duration(call.name, took.unwrap_or(seen));
                }
            }
            Event::Output { amount } => {
                self.progress = now;
                self.outbox += 1;
                self.outbox_amount.add(amount);
                self.settle(now, amount);
            }
            Event::Discarded { amount } => {
                self.progress = now;
                // What a flush has given up counts already, and may still come out.
                self.discarded.add(self.inside.limit(amount));
                self.settle(now, amount);
            }
            Event::OutputTaken { amount } => {
                self.outbox = self.outbox.saturating_sub(1);
                self.outbox_amount.subtract(amount);
                self.delivered.add(amount);
                self.pushing = true;
            }
            Event::PushEnded => {
                self.pushing = false;
                self.progress = now;
            }
            Event::OutboxDropped => {
                self.outbox = 0;
                self.outbox_amount.pour_into(&mut self.discarded);
                self.progress = now;
            }
            Event::DrainBegan => {
                if self.phase == Phase::Running {
                    self.enter(now, Phase::Draining);
                }
            }
            Event::Drained => {
                self.empty();
                if self.phase == Phase::Draining {
                    self.enter(now, Phase::Running);
                }
            }
            Event::FlushBegan => self.flushing_since = Some(now),
            Event::Flushed => {
                self.empty();
                self.flushing_since = None;
                self.progress = now;
            }
            Event::QuestionBegan => self.answering_since = Some(now),
            Event::QuestionEnded => self.answering_since = None,
            Event::OthersAwaited => self.awaiting_others += 1,
            Event::OthersDone => {
                self.awaiting_others = self.awaiting_others.saturating_sub(1);
                self.progress = now;
            }
            Event::CloseBegan => {
                if !matches!(self.phase, Phase::Closing | Phase::Ended) {
                    self.enter(now, Phase::Closing);
                }
            }
            Event::Closed => {
                self.enter(now, Phase::Ended);
                self.empty();
            }
            Event::Sampled { look, sample } => self.sampled(now, look, sample),
            Event::Tick => self.tick(now),
        }
    }

    /// The next thing to do, if any.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn note_duration(&mut self, name: Name, took: Duration) {
        match self
            .worst_calls
            .iter_mut()
            .find(|(known, _)| *known == name)
        {
            Some((_, worst)) => *worst = took.max(*worst),
            None => self.worst_calls.push((name, took)),
        }
    }

    fn enter(&mut self, now: Instant, phase: Phase) {
        self.phase = phase;
        self.phase_since = now;
        self.progress = now;
        self.judgement = None;
    }

    /// Counts as discarded what is still inside.
    fn empty(&mut self) {
        self.inside.pour_into(&mut self.discarded);
        self.over_since = None;
    }

    fn settle(&mut self, now: Instant, amount: Amount) {
        self.inside.subtract(amount);
        // An output restarts the clock of the frames that are still inside.
        self.over_since = None;
        self.note_excess(now);
    }

    fn note_excess(&mut self, now: Instant) {
        if self.exceeds(self.inside.frames) && self.over_since.is_none() {
            self.over_since = Some(now);
        }
    }
}

#[cfg(test)]
mod tests;

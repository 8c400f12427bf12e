// SPDX-License-Identifier: MPL-2.0
//! The pure core: what a session owes, and what follows when it does not pay.
//!
//! No clock, no thread, no lock: whoever drives the machine tells it what
//! happened and when ([`Machine::handle`]), does what it asks for
//! ([`Machine::poll`]), and comes back with [`Event::Tick`] at
//! [`Machine::deadline`].
//!
//! A session *owes* progress while it opens, drains or closes, and while
//! running in four cases: a native call that should return is in flight; input
//! waits that it does not take; it holds more frames than its declared delay;
//! it flushes.
//! It owes nothing while downstream has not taken its output.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::{Budgets, Evidence, Phase, Sample};

/// Whether a native call should return by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// It should return.
    Owed,
    /// It may rightly wait for more input.
    Waits,
}

/// Something that happened to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The worker's turn came: the native open begins.
    OpenBegan,
    /// The session is open; it may keep `delay` frames (see [`crate::Session::delay`]).
    Opened {
        /// The declared delay in frames.
        delay: Option<usize>,
    },
    /// A command was put into the inbox; `frames` of them is input.
    Queued {
        /// 1 for an input, 0 for a drain or a flush.
        frames: usize,
    },
    /// The worker took a command.
    Taken {
        /// 1 for an input, 0 for a drain or a flush.
        frames: usize,
    },
    /// The inbox was emptied without the worker.
    InboxDropped,
    /// A native call began on a lane.
    CallBegan {
        /// Index of the lane.
        lane: usize,
        /// The C function.
        name: &'static str,
        /// Whether it should return by itself.
        kind: CallKind,
    },
    /// The lane's native call returned.
    CallEnded {
        /// Index of the lane.
        lane: usize,
    },
    /// An output came out, settling so many inputs.
    Output {
        /// Inputs that this output settles.
        frames: usize,
    },
    /// Inputs were settled by an output that nobody wants any more.
    Discarded {
        /// Inputs that it settles.
        frames: usize,
    },
    /// Downstream was given one output.
    OutputTaken,
    /// Downstream returned.
    PushEnded,
    /// The outbox was emptied without downstream.
    OutboxDropped,
    /// The worker began to drain.
    DrainBegan,
    /// Everything is out; the session runs on.
    Drained,
    /// The worker began to flush.
    FlushBegan,
    /// The session forgot what was inside.
    Flushed,
    /// The session shall close, or has begun to.
    CloseBegan,
    /// All lanes of the session have ended.
    Closed,
    /// The answer to [`Action::TakeSample`].
    Sampled(Sample),
    /// Time passed.
    Tick,
}

/// What the driver has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Look at the session's threads and answer with [`Event::Sampled`].
    TakeSample,
    /// The session is slow, not wedged: say so (asked for once per session).
    ReportSlow(Evidence),
    /// The session is wedged: give it up.
    Abandon(Reason),
}

/// Why a session owes progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Its open has not returned.
    Open,
    /// A native call that should return has not.
    Call,
    /// It does not take the input that waits.
    Input,
    /// It holds more frames than it may.
    Output,
    /// It does not finish draining.
    Drain,
    /// It does not finish flushing.
    Flush,
    /// Its close has not returned.
    Close,
}

impl Reason {
    /// What the session failed to do, for the error message.
    pub fn describe(self) -> &'static str {
        match self {
            Reason::Open => "did not open",
            Reason::Call => "did not return from a call",
            Reason::Input => "did not take its input",
            Reason::Output => "gave no output",
            Reason::Drain => "did not drain",
            Reason::Flush => "did not flush",
            Reason::Close => "did not close",
        }
    }
}

/// What can be said of a session at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It owes nothing.
    Idle,
    /// It owes something and its budget has not run out.
    Working,
    /// Downstream does not take its output.
    Backpressured,
    /// Its budget ran out, but it demonstrably works.
    Slow,
    /// It was given up.
    Wedged,
}

impl Verdict {
    /// The word used in `stats`.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Idle => "idle",
            Verdict::Working => "working",
            Verdict::Backpressured => "backpressured",
            Verdict::Slow => "slow",
            Verdict::Wedged => "wedged",
        }
    }
}

/// The state of a session at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its phase.
    pub phase: Phase,
    /// The verdict.
    pub verdict: Verdict,
    /// Frames handed in so far.
    pub frames_in: u64,
    /// Frames settled by output so far.
    pub frames_out: u64,
    /// Commands that wait for the worker.
    pub queued: usize,
    /// Frames inside the codec.
    pub inside: usize,
    /// Outputs that wait for downstream.
    pub outbox: usize,
    /// Native calls in flight and their ages. First those that should have
    /// returned, of these the oldest first; then those that rightly wait.
    pub calls: Vec<(&'static str, Duration)>,
    /// The latest comparison of two samples, if one was needed.
    pub evidence: Option<Evidence>,
    /// How often the watchdog came late and began again.
    pub late: u64,
    /// The longest that each native call has taken so far, once returned.
    pub worst_calls: Vec<(&'static str, Duration)>,
}

#[derive(Debug, Clone, Copy)]
struct Call {
    name: &'static str,
    kind: CallKind,
    since: Instant,
}

/// How often in a row the watchdog may come late and begin again. A machine that
/// always wakes it late shall not hide a wedge for ever; from then on it judges
/// by what it sees, and threads that are starved themselves still excuse.
const LATE_IN_A_ROW: u32 = 3;

/// What is owed and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Debt {
    reason: Reason,
    since: Instant,
}

/// The observation of a debt whose budget runs out.
#[derive(Debug)]
struct Judgement {
    debt: Debt,
    baseline: Option<(Instant, Sample)>,
    due: Instant,
    excused: bool,
    sampling: bool,
}

/// See the module's description.
#[derive(Debug)]
pub struct Machine {
    budgets: Budgets,
    phase: Phase,
    phase_since: Instant,
    delay: Option<usize>,
    frames_in: u64,
    frames_out: u64,
    queued: usize,
    inside: usize,
    outbox: usize,
    pushing: bool,
    calls: Vec<Option<Call>>,
    /// Last output, end of backpressure, or re-arming: whatever restarts all clocks.
    progress: Instant,
    /// Since when the oldest command waits without another being taken.
    waiting_since: Instant,
    /// Since when more frames are inside than may be.
    over_since: Option<Instant>,
    /// Since when the worker flushes.
    flushing_since: Option<Instant>,
    judgement: Option<Judgement>,
    evidence: Option<Evidence>,
    slow_reported: bool,
    abandoned: bool,
    late: u64,
    late_in_a_row: u32,
    worst_calls: Vec<(&'static str, Duration)>,
    actions: VecDeque<Action>,
}

impl Machine {
    /// A session that waits for its turn to open.
    pub fn new(now: Instant, budgets: Budgets) -> Self {
        Self {
            budgets,
            phase: Phase::Queued,
            phase_since: now,
            delay: None,
            frames_in: 0,
            frames_out: 0,
            queued: 0,
            inside: 0,
            outbox: 0,
            pushing: false,
            calls: Vec::new(),
            progress: now,
            waiting_since: now,
            over_since: None,
            flushing_since: None,
            judgement: None,
            evidence: None,
            slow_reported: false,
            abandoned: false,
            late: 0,
            late_in_a_row: 0,
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

    /// Changes the budgets; they hold from the next deadline on.
    pub fn set_budgets(&mut self, budgets: Budgets) {
        self.budgets = budgets;
        self.judgement = None;
    }

    /// Outputs that wait for downstream, and whether one is being pushed.
    pub fn downstream(&self) -> (usize, bool) {
        (self.outbox, self.pushing)
    }

    /// Takes note of an event. Times must not run backwards.
    pub fn handle(&mut self, now: Instant, event: Event) {
        match event {
            Event::OpenBegan => {
                if self.phase == Phase::Queued {
                    self.enter(now, Phase::Opening);
                }
            }
            Event::Opened { delay } => {
                self.delay = delay;
                if self.phase == Phase::Opening {
                    self.enter(now, Phase::Running);
                }
            }
            Event::Queued { frames } => {
                if self.queued == 0 {
                    self.waiting_since = now;
                }
                self.queued += 1;
                self.frames_in += frames as u64;
            }
            Event::Taken { frames } => {
                self.queued = self.queued.saturating_sub(1);
                self.waiting_since = now;
                self.inside += frames;
                self.note_excess(now);
            }
            Event::InboxDropped => self.queued = 0,
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
            Event::CallEnded { lane } => {
                if let Some(call) = self.calls.get_mut(lane).and_then(Option::take) {
                    self.note_duration(call.name, now.saturating_duration_since(call.since));
                }
            }
            Event::Output { frames } => {
                self.progress = now;
                self.outbox += 1;
                self.settle(now, frames);
            }
            Event::Discarded { frames } => {
                self.progress = now;
                self.settle(now, frames);
            }
            Event::OutputTaken => {
                self.outbox = self.outbox.saturating_sub(1);
                self.pushing = true;
            }
            Event::PushEnded => {
                self.pushing = false;
                self.progress = now;
            }
            Event::OutboxDropped => {
                self.outbox = 0;
                self.progress = now;
            }
            Event::DrainBegan => {
                if self.phase == Phase::Running {
                    self.enter(now, Phase::Draining);
                }
            }
            Event::Drained => {
                self.inside = 0;
                self.over_since = None;
                if self.phase == Phase::Draining {
                    self.enter(now, Phase::Running);
                }
            }
            Event::FlushBegan => self.flushing_since = Some(now),
            Event::Flushed => {
                self.inside = 0;
                self.over_since = None;
                self.flushing_since = None;
                self.progress = now;
            }
            Event::CloseBegan => {
                if !matches!(self.phase, Phase::Closing | Phase::Ended) {
                    self.enter(now, Phase::Closing);
                }
            }
            Event::Closed => {
                self.enter(now, Phase::Ended);
                self.inside = 0;
            }
            Event::Sampled(sample) => self.sampled(now, sample),
            Event::Tick => self.tick(now),
        }
    }

    /// The next thing to do, if any.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to come back with [`Event::Tick`], and what will be decided then.
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

    /// What can be said now.
    pub fn verdict(&self) -> Verdict {
        if self.abandoned {
            Verdict::Wedged
        } else if self.backpressured() {
            Verdict::Backpressured
        } else {
            match self.debt() {
                None => Verdict::Idle,
                Some(debt) => match self.judgement_of(debt) {
                    Some(judgement) if judgement.excused => Verdict::Slow,
                    _ => Verdict::Working,
                },
            }
        }
    }

    /// Everything that `stats` and the error details show.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let mut calls: Vec<_> = self
            .calls
            .iter()
            .flatten()
            .map(|call| {
                let age = now.saturating_duration_since(call.since);
                (call.name, age, self.may_be_stuck(call))
            })
            .collect();
        calls.sort_by_key(|&(_, age, suspect)| std::cmp::Reverse((suspect, age)));
        let calls = calls
            .into_iter()
            .map(|(name, age, _)| (name, age))
            .collect();
        Snapshot {
            phase: self.phase,
            verdict: self.verdict(),
            frames_in: self.frames_in,
            frames_out: self.frames_out,
            queued: self.queued,
            inside: self.inside,
            outbox: self.outbox,
            calls,
            evidence: self.evidence,
            late: self.late,
            worst_calls: self.worst_calls.clone(),
        }
    }

    /// Whether a call in flight is one that should have returned: a call that may
    /// wait is, when the session has something to give. A frame that another call
    /// is just handing over it has not got yet.
    fn may_be_stuck(&self, call: &Call) -> bool {
        let handing_over = self
            .calls
            .iter()
            .flatten()
            .any(|call| call.kind == CallKind::Owed);
        let got = self.inside.saturating_sub(usize::from(handing_over));
        call.kind == CallKind::Owed || self.phase != Phase::Running || self.exceeds(got)
    }

    fn exceeds(&self, inside: usize) -> bool {
        self.delay.is_some_and(|delay| inside > delay)
    }

    fn note_duration(&mut self, name: &'static str, took: Duration) {
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

    fn settle(&mut self, now: Instant, frames: usize) {
        self.frames_out += frames as u64;
        self.inside = self.inside.saturating_sub(frames);
        // A fresh output restarts the clock of those that are still inside.
        self.over_since = None;
        self.note_excess(now);
    }

    fn note_excess(&mut self, now: Instant) {
        if self.exceeds(self.inside) && self.over_since.is_none() {
            self.over_since = Some(now);
        }
    }

    fn backpressured(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Draining) && (self.pushing || self.outbox > 0)
    }

    /// What is owed for the longest time.
    fn debt(&self) -> Option<Debt> {
        if self.abandoned || self.backpressured() {
            return None;
        }
        let whole = |reason| {
            Some(Debt {
                reason,
                since: self.phase_since,
            })
        };
        match self.phase {
            Phase::Queued | Phase::Ended => None,
            Phase::Opening => whole(Reason::Open).map(|debt| self.rearmed(debt)),
            Phase::Closing => whole(Reason::Close),
            Phase::Draining => whole(Reason::Drain).map(|debt| self.rearmed(debt)),
            Phase::Running => {
                let owed_calls = self
                    .calls
                    .iter()
                    .flatten()
                    .filter(|call| call.kind == CallKind::Owed)
                    .map(|call| Debt {
                        reason: Reason::Call,
                        since: call.since,
                    });
                let input = (self.queued > 0).then_some(Debt {
                    reason: Reason::Input,
                    since: self.waiting_since,
                });
                let output = self.over_since.map(|since| Debt {
                    reason: Reason::Output,
                    since,
                });
                let flush = self.flushing_since.map(|since| Debt {
                    reason: Reason::Flush,
                    since,
                });
                owed_calls
                    .chain(input)
                    .chain(output)
                    .chain(flush)
                    .map(|debt| self.rearmed(debt))
                    .min_by_key(|debt| debt.since)
            }
        }
    }

    /// No debt is older than the last progress.
    fn rearmed(&self, debt: Debt) -> Debt {
        Debt {
            since: debt.since.max(self.progress),
            ..debt
        }
    }

    fn judgement_of(&self, debt: Debt) -> Option<&Judgement> {
        self.judgement
            .as_ref()
            .filter(|judgement| judgement.debt == debt)
    }

    fn tick(&mut self, now: Instant) {
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

    fn sampled(&mut self, now: Instant, sample: Sample) {
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

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;

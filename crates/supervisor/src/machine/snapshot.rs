// SPDX-License-Identifier: MPL-2.0
//! The verdict on a session, and its state.

use std::time::{Duration, Instant};

use super::{CallKind, Machine};
use crate::{Evidence, Name, Phase};

/// The verdict on a session at a moment.
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
    /// It was abandoned.
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
    /// Frames submitted so far. Those neither passed to downstream nor discarded are
    /// queued, inside, or wait for downstream.
    pub frames_in: u64,
    /// Frames settled by outputs that the output task has taken.
    pub frames_out: u64,
    /// Frames that will not come out: dropped by a flush or a close, or by the codec.
    pub frames_discarded: u64,
    /// Commands that wait for the worker.
    pub queued: usize,
    /// Frames inside the codec.
    pub inside: usize,
    /// Media time submitted, passed to downstream, discarded, and inside, if the
    /// session counts it.
    pub time_in: Duration,
    /// See [`time_in`](Self::time_in).
    pub time_out: Duration,
    /// See [`time_in`](Self::time_in).
    pub time_discarded: Duration,
    /// See [`time_in`](Self::time_in).
    pub time_inside: Duration,
    /// Outputs that wait for downstream.
    pub outbox: usize,
    /// Native calls in flight and their ages: first those that should have returned,
    /// then those that may wait, the oldest first in each.
    pub calls: Vec<(Name, Duration)>,
    /// The latest comparison of two samples, if one was needed.
    pub evidence: Option<Evidence>,
    /// How often the watchdog was late and restarted its observation.
    pub late: u64,
    /// The longest duration of each native call that has returned so far.
    pub worst_calls: Vec<(Name, Duration)>,
}

impl Machine {
    /// The current verdict.
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

    /// The state that `stats` and the error details show.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let mut known = self.calls.iter().flatten();
        let only_stand_ins = known.all(|call| call.kind == CallKind::StandsIn);
        let mut calls: Vec<_> = self
            .calls
            .iter()
            .flatten()
            .filter(|call| call.kind != CallKind::StandsIn || only_stand_ins)
            .map(|call| {
                let age = now.saturating_duration_since(call.since);
                (call.name.clone(), age, self.may_be_stuck(call))
            })
            .collect();
        calls.sort_by_key(|(_, age, suspect)| std::cmp::Reverse((*suspect, *age)));
        let calls = calls
            .into_iter()
            .map(|(name, age, _)| (name, age))
            .collect();
        Snapshot {
            phase: self.phase,
            verdict: self.verdict(),
            frames_in: self.submitted.frames,
            frames_out: self.delivered.frames,
            frames_discarded: self.discarded.frames,
            queued: self.queued,
            inside: usize::try_from(self.inside.frames).unwrap_or(usize::MAX),
            time_in: self.submitted.time,
            time_out: self.delivered.time,
            time_discarded: self.discarded.time,
            time_inside: self.inside.time,
            outbox: self.outbox,
            calls,
            evidence: self.evidence,
            late: self.late,
            worst_calls: self.worst_calls.clone(),
        }
    }
}

// SPDX-License-Identifier: MPL-2.0
//! The results of the waits on a run.

use crate::machine::Snapshot;
use crate::outcome::Fault;
use crate::{Account, Evidence};

/// What the output task has to do next.
#[derive(Debug)]
pub enum Next<O> {
    /// Push this downstream; the next call of [`Run::next`](crate::Run::next) means that it
    /// is done.
    Output(O),
    /// The session has published facts ([`Lane::publish`](crate::Lane::publish)) since
    /// this was last returned: [`Run::facts`](crate::Run::facts) has the latest.
    FactsChanged,
    /// The session is slow, not wedged: notify the application.
    Slow(Box<Slow>),
    /// No more output follows: the run has its outcome, or was flushed and needs a
    /// successor, or has to close.
    Ended,
    /// The wait was cancelled.
    Cancelled,
}

/// A session that exceeds its budget but demonstrably works.
#[derive(Debug, Clone)]
pub struct Slow {
    /// The run's [`id`](crate::Run::id).
    pub id: u64,
    /// What its threads did.
    pub evidence: Evidence,
    /// The state of the session.
    pub at: Snapshot,
}

/// How a wait of the streaming thread ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitResult {
    /// There is room.
    Ready,
    /// The session takes no more input, without a fault: it was completed, or flushed
    /// and needs a successor.
    Spent,
    /// The run ended with a fault.
    Failed,
    /// The wait was cancelled, or the session has to close.
    Cancelled,
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainResult {
    /// Everything that went in came out and was taken by downstream.
    Complete,
    /// The run ended with a fault.
    Failed,
    /// The wait was cancelled, or the drain by a flush or a close.
    Cancelled,
}

/// The result of a question.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskResult<R> {
    /// The session has answered.
    Answered(R),
    /// The time limit has passed. A question that was still queued is not asked; the
    /// answer to one in progress is dropped.
    TimedOut,
    /// The wait was cancelled by a flush or a stop.
    Cancelled,
    /// No such session can answer: it takes no more input, has to close, was abandoned,
    /// has failed during this question, or is of another type.
    NoSession,
}

/// How a close ended.
#[must_use]
#[derive(Debug, Clone)]
pub enum CloseResult {
    /// The session is closed and its threads have ended.
    Closed,
    /// It did not close in time, but it works, or there was no time to find that it
    /// does not. It is no longer watched: pass it to
    /// [`Run::retire`](crate::Run::retire).
    Retiring,
    /// It did not close in time and was abandoned (now or before), and may have been
    /// reclaimed since. The fault is returned once, and not if it is the run's outcome;
    /// a session that had not been opened yet has none.
    Abandoned(Option<Box<Fault>>),
}

/// Numbers of a run, for `stats`.
#[derive(Debug, Clone)]
pub struct Stats {
    /// The run's [`id`](crate::Run::id).
    pub id: u64,
    /// The session.
    pub session: Snapshot,
    /// Its library's account.
    pub account: Account,
    /// How the run ended, if it has.
    pub outcome: Option<&'static str>,
}

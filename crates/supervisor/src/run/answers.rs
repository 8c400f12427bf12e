// SPDX-License-Identifier: MPL-2.0
//! What a run answers to those who wait for it.

use crate::machine::Snapshot;
use crate::outcome::Fault;
use crate::{Account, Evidence, Name};

/// Why a run did not start. Nothing was opened.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The leak budget is used up.
    #[error(
        "{outstanding} workers of {library} that were abandoned, or are closing in the background, \
         still hold memory and threads, and max-abandoned allows {max}: restart the process, or \
         raise max-abandoned"
    )]
    LeakBudget {
        /// The library.
        library: Name,
        /// Abandoned workers that have not come back, and those that are retiring.
        outstanding: usize,
        /// The limit.
        max: usize,
    },
    /// The system gave no thread.
    #[error("no thread for the worker: {0}")]
    Thread(#[from] std::io::Error),
}

/// What the output task gets next.
#[derive(Debug)]
pub enum Next<O> {
    /// Push this downstream; the next call of [`Run::next`](crate::Run::next) says that it is done.
    Output(O),
    /// The session has told this beside its output ([`Lane::tell`](crate::Lane::tell)).
    Told {
        /// What it told.
        told: O,
        /// How many older ones were dropped since the last, because nobody fetched
        /// them.
        missed: u64,
    },
    /// The session has published facts ([`Lane::publish`](crate::Lane::publish)) since
    /// this was said last: [`Run::facts`](crate::Run::facts) has the latest.
    FactsChanged,
    /// The session is slow, not wedged: tell the application.
    Slow(Box<Slow>),
    /// Nothing more will come: the run has its outcome, or was flushed and needs a
    /// successor, or was told to close.
    Ended,
    /// The wait was cancelled.
    Cancelled,
}

/// A session that outlasts its budget and demonstrably works.
#[derive(Debug, Clone)]
pub struct Slow {
    /// The run's [`id`](crate::Run::id).
    pub id: u64,
    /// What it was seen doing.
    pub evidence: Evidence,
    /// Where it stands.
    pub at: Snapshot,
}

/// How a wait of the streaming thread ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitResult {
    /// What was waited for is there.
    Ready,
    /// The session takes nothing any more, but nothing is wrong: it was
    /// completed, or flushed and needs a successor.
    Spent,
    /// The run ended with a fault.
    Failed,
    /// The wait was cancelled, or the session told to close.
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

/// What became of a question.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskResult<R> {
    /// The session has answered.
    Answered(R),
    /// The bound has passed. Nobody waits for the answer any more: a question that
    /// was still queued is not asked, the answer to one in progress is dropped.
    TimedOut,
    /// The wait was cancelled by a flush or a stop.
    Cancelled,
    /// There is no such session to ask: it takes nothing any more, was told to close,
    /// was given up, has failed over this question, or is of another type.
    NoSession,
}

/// How a close ended.
#[must_use]
#[derive(Debug, Clone)]
pub enum CloseResult {
    /// The session is closed and its threads have ended.
    Closed,
    /// It did not close in time, but it works, or there was no time to see that it
    /// does not. Nobody waits for it any more and nobody watches it: hand it over
    /// to [`Run::retire`](crate::Run::retire).
    Retiring,
    /// It did not close in time and was given up (now or before), and may have
    /// come back since. The fault is told once, and not where it is the run's
    /// outcome; a session that had not been opened yet has none.
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

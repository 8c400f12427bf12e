// SPDX-License-Identifier: MPL-2.0
//! The events that the machine receives, and the actions that it requests.

use std::time::Duration;

use super::Reason;
use crate::{Amount, Evidence, Name, Sample};

/// Whether a native call should return by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// It should return.
    Owed,
    /// It may wait for more input.
    Waits,
    /// It should return, and stands for calls that are not known: those of another
    /// process. Not shown while one is known.
    StandsIn,
}

/// Something that happened to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The worker's turn has come: the native open begins.
    OpenBegan,
    /// The session is open; it may keep `delay` frames (see [`crate::Session::delay`]).
    Opened {
        /// The declared delay in frames.
        delay: Option<usize>,
    },
    /// The session declares another delay.
    DelayChanged {
        /// The declared delay in frames.
        delay: Option<usize>,
    },
    /// A command was put into the inbox.
    Submitted {
        /// The amount of the input; zero for a drain or a flush.
        amount: Amount,
    },
    /// The worker took a command.
    Taken {
        /// The amount of the input; zero for a drain or a flush.
        amount: Amount,
    },
    /// The inbox was emptied without the worker.
    InboxDropped,
    /// A native call began on a lane.
    CallBegan {
        /// Index of the lane.
        lane: usize,
        /// The C function.
        name: Name,
        /// Whether it should return by itself.
        kind: CallKind,
    },
    /// The lane's native call in flight has reached another part of the codec.
    CallMoved {
        /// Index of the lane.
        lane: usize,
        /// The call within it.
        name: Name,
    },
    /// The lane's native call returned.
    CallEnded {
        /// Index of the lane.
        lane: usize,
        /// How long it took, if whoever saw it return has measured that: it may be told late.
        took: Option<Duration>,
    },
    /// An output came out.
    Output {
        /// How much of the input it settles.
        amount: Amount,
    },
    /// An output came out and was discarded.
    Discarded {
        /// How much of the input it would have settled.
        amount: Amount,
    },
    /// The output task has taken one output for downstream.
    OutputTaken {
        /// How much of the input it settles.
        amount: Amount,
    },
    /// Downstream returned.
    PushEnded,
    /// The outbox was emptied without downstream.
    OutboxDropped,
    /// The worker began to drain.
    DrainBegan,
    /// Everything is out; the session goes on. Frames that are neither output nor
    /// discarded by now will not come out.
    Drained,
    /// The worker began to flush.
    FlushBegan,
    /// The session has dropped everything inside.
    Flushed,
    /// The worker began to answer a question.
    QuestionBegan,
    /// It has answered, or failed to.
    QuestionEnded,
    /// A lane waits for another session of the library: for its open, or for its end.
    OthersAwaited,
    /// Its wait has ended.
    OthersDone,
    /// The session has to close, or has begun to. The first such event starts the clock
    /// of the close, whatever the session is doing.
    CloseBegan,
    /// All lanes of the session have ended.
    Closed,
    /// The result of [`Action::TakeSample`]. Ignored if it is no longer requested.
    Sampled {
        /// The number of the request.
        look: u64,
        /// The sample.
        sample: Sample,
    },
    /// Time passed.
    Tick,
}

/// An action for the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Sample the session's threads and send [`Event::Sampled`]. Until then there is no
    /// deadline.
    TakeSample {
        /// The number of this request.
        look: u64,
    },
    /// The session is slow, not wedged: report it (requested once per session, and not
    /// while it closes: a wait for the close returns that itself).
    ReportSlow(Evidence),
    /// The session is wedged: abandon it.
    Abandon(Reason),
}

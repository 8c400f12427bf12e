// SPDX-License-Identifier: MPL-2.0
//! What the machine is told, and what it asks for.

use super::Reason;
use crate::{Amount, Evidence, Name, Sample};

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
    /// The session declares another delay.
    DelayChanged {
        /// The declared delay in frames.
        delay: Option<usize>,
    },
    /// A command was put into the inbox.
    Submitted {
        /// What the input weighs; nothing for a drain or a flush.
        amount: Amount,
    },
    /// The worker took a command.
    Taken {
        /// What the input weighs; nothing for a drain or a flush.
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
    /// The lane's native call returned.
    CallEnded {
        /// Index of the lane.
        lane: usize,
    },
    /// An output came out.
    Output {
        /// How much of the input it settles.
        amount: Amount,
    },
    /// An output came out that nobody wants any more.
    Discarded {
        /// How much of the input it would have settled.
        amount: Amount,
    },
    /// Downstream was given one output.
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
    /// Everything is out; the session runs on. What it has neither given nor
    /// discarded by now it never will.
    Drained,
    /// The worker began to flush.
    FlushBegan,
    /// The session forgot what was inside.
    Flushed,
    /// The worker began to answer a question.
    QuestionBegan,
    /// It has answered it, or failed to.
    QuestionEnded,
    /// A lane waits for another session of the library: for its open, or for its end.
    OthersAwaited,
    /// It waits no longer.
    OthersDone,
    /// The session shall close, or has begun to. The first one starts the clock
    /// of the close, whatever the session is doing.
    CloseBegan,
    /// All lanes of the session have ended.
    Closed,
    /// The answer to [`Action::TakeSample`]. One that is no longer asked for is
    /// ignored.
    Sampled {
        /// Which look it answers.
        look: u64,
        /// What was seen.
        sample: Sample,
    },
    /// Time passed.
    Tick,
}

/// What the driver has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Look at the session's threads and answer with [`Event::Sampled`]. Until
    /// then there is no deadline.
    TakeSample {
        /// The number of this look.
        look: u64,
    },
    /// The session is slow, not wedged: say so (asked for once per session, and
    /// not while it closes: whoever waits for the close is told by the wait).
    ReportSlow(Evidence),
    /// The session is wedged: give it up.
    Abandon(Reason),
}

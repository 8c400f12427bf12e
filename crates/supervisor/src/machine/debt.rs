// SPDX-License-Identifier: MPL-2.0
//! What a session owes, and since when.

use std::time::Instant;

use super::{Call, CallKind, Machine};
use crate::Phase;

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
    /// It does not answer a question.
    Question,
    /// Its close has not returned.
    Close,
}

impl Reason {
    /// What the session failed to do, for the error message.
    pub fn describe(self) -> &'static str {
        match self {
            Reason::Open => "did not open",
            Reason::Call => "did not return from a call",
            Reason::Input => "did not accept its input",
            Reason::Output => "produced no output",
            Reason::Drain => "did not drain",
            Reason::Flush => "did not flush",
            Reason::Question => "did not answer a question",
            Reason::Close => "did not close",
        }
    }
}

/// What is owed and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Debt {
    pub(super) reason: Reason,
    pub(super) since: Instant,
}

impl Machine {
    /// The oldest debt.
    pub(super) fn debt(&self) -> Option<Debt> {
        if self.abandoned || self.backpressured() || self.awaits_others() {
            return None;
        }
        let whole = |reason| {
            Some(Debt {
                reason,
                since: self.phase_since,
            })
        };
        match self.phase {
            Phase::Waiting | Phase::Ended => None,
            Phase::Opening => whole(Reason::Open).map(|debt| self.rearmed(debt)),
            Phase::Closing => whole(Reason::Close),
            Phase::Draining => whole(Reason::Drain).map(|debt| self.rearmed(debt)),
            Phase::Running => {
                let owed_calls = self
                    .calls
                    .iter()
                    .flatten()
                    .filter(|call| call.kind != CallKind::Waits)
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
                let question = self.answering_since.map(|since| Debt {
                    reason: Reason::Question,
                    since,
                });
                owed_calls
                    .chain(input)
                    .chain(output)
                    .chain(flush)
                    .chain(question)
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

    pub(super) fn backpressured(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Draining) && (self.pushing || self.outbox > 0)
    }

    /// Whether it waits for other sessions. Its close is owed in any case.
    pub(crate) fn awaits_others(&self) -> bool {
        let may_wait = matches!(
            self.phase,
            Phase::Opening | Phase::Running | Phase::Draining
        );
        may_wait && self.awaiting_others > 0
    }

    pub(super) fn exceeds(&self, inside: u64) -> bool {
        self.delay.is_some_and(|delay| inside > delay as u64)
    }

    /// Whether a call in flight should have returned. A call that may wait should, when
    /// the session has something to output. Input that another call is still passing in
    /// does not count.
    pub(super) fn may_be_stuck(&self, call: &Call) -> bool {
        let handing_over = self
            .calls
            .iter()
            .flatten()
            .any(|call| call.kind == CallKind::Owed);
        let mut got = self.inside;
        if handing_over {
            got.subtract(self.last_taken);
        }
        // While draining or closing, a waiting call should return, unless an owed call
        // in flight may still have to tell the codec to end.
        let ends = self.phase != Phase::Running && !handing_over;
        call.kind != CallKind::Waits || ends || self.exceeds(got.frames)
    }
}

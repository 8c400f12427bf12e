// SPDX-License-Identifier: MPL-2.0
//! The account of a codec, and the changes that are made to it. Pure: where accounts
//! are kept is the ledger's affair.

use crate::{Outcome, ledger};

/// What became of a codec's sessions in this process. All of it counts since the
/// process began and never runs backwards, except [`retiring`](Self::retiring).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Account {
    /// Sessions whose native open succeeded.
    pub opened: usize,
    /// Runs that gave everything that went in.
    pub completed: usize,
    /// Runs that ended with an error of the codec.
    pub failed: usize,
    /// Runs that ended with a panic of the worker.
    pub panicked: usize,
    /// Runs whose codec died, with the process that it ran in.
    pub crashed: usize,
    /// Workers abandoned, at whatever they did: their run may have been
    /// completed before.
    pub abandoned: usize,
    /// Of these, workers whose call returned after all, and which then closed
    /// their session themselves.
    pub reclaimed: usize,
    /// Faults that were answered with another session instead of an error.
    pub restarts: usize,
    /// Sessions that close at this moment while nobody waits for it. Not
    /// abandoned: a watchdog looks after them.
    pub retiring: usize,
}

/// One thing that became of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Its native open succeeded.
    Opened,
    /// Its run gave everything that went in.
    Completed,
    /// Its run ended with an error of the codec.
    Failed,
    /// Its run ended with a panic of the worker.
    Panicked,
    /// Its codec died, with the process that it ran in.
    Crashed,
    /// Its worker was abandoned.
    Abandoned {
        /// It was counted as retiring until now.
        was_retiring: bool,
    },
    /// Its abandoned worker came back and has closed it.
    Reclaimed,
    /// It closes and nobody waits for it.
    RetirementBegan,
    /// It did so and has closed.
    RetirementEnded,
    /// Another session takes over after its fault.
    Restarted,
}

impl Change {
    /// Every change there is.
    pub const ALL: [Self; 11] = [
        Self::Opened,
        Self::Completed,
        Self::Failed,
        Self::Panicked,
        Self::Crashed,
        Self::Abandoned {
            was_retiring: false,
        },
        Self::Abandoned { was_retiring: true },
        Self::Reclaimed,
        Self::RetirementBegan,
        Self::RetirementEnded,
        Self::Restarted,
    ];

    /// What the end of a run changes. Nothing where it was abandoned: workers are
    /// counted as such by themselves, because their run may have ended before.
    pub(crate) fn of(outcome: &Outcome) -> Option<Self> {
        match outcome {
            Outcome::Completed => Some(Self::Completed),
            Outcome::CodecFailed(_) => Some(Self::Failed),
            Outcome::CodecPanicked(_) => Some(Self::Panicked),
            Outcome::CodecCrashed(_) => Some(Self::Crashed),
            Outcome::WatchdogAbandoned(_) => None,
        }
    }

    /// Its name, for a ledger that is told of it in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::Crashed => "crashed",
            Self::Abandoned {
                was_retiring: false,
            } => "abandoned",
            Self::Abandoned { was_retiring: true } => "abandoned-while-retiring",
            Self::Reclaimed => "reclaimed",
            Self::RetirementBegan => "retirement-began",
            Self::RetirementEnded => "retirement-ended",
            Self::Restarted => "restarted",
        }
    }

    /// The change of this [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|change| change.name() == name)
    }
}

impl Account {
    /// The account of a codec, by its name.
    pub fn of(codec: &str) -> Self {
        ledger().account(codec)
    }

    /// Abandoned workers that still hold something.
    pub fn unreclaimed(&self) -> usize {
        self.abandoned.saturating_sub(self.reclaimed)
    }

    /// Workers that hold something although nobody waits for them: abandoned
    /// and not reclaimed, or retiring. What `max-abandoned` limits.
    pub fn outstanding(&self) -> usize {
        self.unreclaimed() + self.retiring
    }

    /// The account after a change. One that cannot be, such as the return of more
    /// workers than were abandoned, changes nothing.
    #[must_use]
    pub fn after(mut self, change: Change) -> Self {
        match change {
            Change::Opened => self.opened += 1,
            Change::Completed => self.completed += 1,
            Change::Failed => self.failed += 1,
            Change::Panicked => self.panicked += 1,
            Change::Crashed => self.crashed += 1,
            Change::Abandoned { was_retiring } => {
                self.abandoned += 1;
                self.retiring = self.retiring.saturating_sub(usize::from(was_retiring));
            }
            Change::Reclaimed => self.reclaimed = self.abandoned.min(self.reclaimed + 1),
            Change::RetirementBegan => self.retiring += 1,
            Change::RetirementEnded => self.retiring = self.retiring.saturating_sub(1),
            Change::Restarted => self.restarts += 1,
        }
        self
    }
}

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: MPL-2.0
//! The account of a codec, and the changes to it. Pure: the ledger stores the accounts.

use crate::{Outcome, ledger};

/// What became of a codec's sessions in this process. All counts start with the process
/// and never decrease, except [`retiring`](Self::retiring).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Account {
    /// Sessions whose native open succeeded.
    pub opened: usize,
    /// Runs whose complete input came out.
    pub completed: usize,
    /// Runs that ended with an error of the codec.
    pub failed: usize,
    /// Runs that ended with a panic of the worker.
    pub panicked: usize,
    /// Runs whose codec died, with the process that it ran in.
    pub crashed: usize,
    /// Workers abandoned, in any phase: their run may have been completed before.
    pub abandoned: usize,
    /// Abandoned workers whose call returned later, and that then closed their session
    /// themselves.
    pub reclaimed: usize,
    /// Faults after which another session took over, without an error.
    pub restarts: usize,
    /// Sessions that are closing in the background now. Not abandoned: a watchdog
    /// drives them.
    pub retiring: usize,
}

/// A change in the state of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Its native open succeeded.
    Opened,
    /// The complete input of its run came out.
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
    /// Its abandoned worker returned and has closed it.
    Reclaimed,
    /// It closes in the background.
    RetirementBegan,
    /// It has closed in the background.
    RetirementEnded,
    /// Another session takes over after its fault.
    Restarted,
}

impl Change {
    /// All changes.
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

    /// The change at the end of a run. `None` if it was abandoned: abandoned workers
    /// are counted separately, because their run may have ended before.
    pub(crate) fn of(outcome: &Outcome) -> Option<Self> {
        match outcome {
            Outcome::Completed => Some(Self::Completed),
            Outcome::CodecFailed(_) => Some(Self::Failed),
            Outcome::CodecPanicked(_) => Some(Self::Panicked),
            Outcome::CodecCrashed(_) => Some(Self::Crashed),
            Outcome::WatchdogAbandoned(_) => None,
        }
    }

    /// Its name, for a ledger that receives changes as text.
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

    /// Abandoned workers that still hold resources.
    pub fn unreclaimed(&self) -> usize {
        self.abandoned.saturating_sub(self.reclaimed)
    }

    /// Workers that hold resources in the background: abandoned and not reclaimed, or
    /// retiring. Limited by `max-abandoned`.
    pub fn outstanding(&self) -> usize {
        self.unreclaimed() + self.retiring
    }

    /// The account after a change. An impossible one, such as the return of more
    /// workers than were abandoned, has no effect.
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

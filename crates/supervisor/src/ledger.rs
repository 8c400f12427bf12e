// SPDX-License-Identifier: MPL-2.0
//! The ledger: what became of the sessions of this process, by codec.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use crate::{Name, Outcome};

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
    /// Sessions that took over after a fault, as noted by
    /// [`note_restart`](Self::note_restart).
    pub restarts: usize,
    /// Sessions that close at this moment while nobody waits for it. Not
    /// abandoned: a watchdog looks after them.
    pub retiring: usize,
}

impl Account {
    /// The account of a codec, by its name.
    pub fn of(codec: &str) -> Self {
        accounts().get(codec).copied().unwrap_or_default()
    }

    /// Abandoned workers that still hold something.
    pub fn unreclaimed(&self) -> usize {
        self.abandoned - self.reclaimed
    }

    /// Workers that hold something although nobody waits for them: abandoned
    /// and not reclaimed, or retiring. What `max-abandoned` limits.
    pub fn outstanding(&self) -> usize {
        self.unreclaimed() + self.retiring
    }

    /// Another session of the codec takes over after a fault.
    pub fn note_restart(codec: &Name) {
        Self::change(codec, |account| account.restarts += 1);
    }

    pub(crate) fn note_opened(codec: &Name) {
        Self::change(codec, |account| account.opened += 1);
    }

    /// Abandoned workers are counted by themselves: their run may have an outcome
    /// already.
    pub(crate) fn note_outcome(codec: &Name, outcome: &Outcome) {
        Self::change(codec, |account| match outcome {
            Outcome::Completed => account.completed += 1,
            Outcome::CodecFailed(_) => account.failed += 1,
            Outcome::CodecPanicked(_) => account.panicked += 1,
            Outcome::CodecCrashed(_) => account.crashed += 1,
            Outcome::WatchdogAbandoned(_) => {}
        });
    }

    /// `retiring`: it was counted so until now.
    pub(crate) fn abandon(codec: &Name, retiring: bool) -> Self {
        Self::change(codec, |account| {
            account.abandoned += 1;
            account.retiring -= usize::from(retiring);
        })
    }

    pub(crate) fn reclaim(codec: &Name) {
        Self::change(codec, |account| {
            account.reclaimed = (account.reclaimed + 1).min(account.abandoned);
        });
    }

    pub(crate) fn begin_retirement(codec: &Name) {
        Self::change(codec, |account| account.retiring += 1);
    }

    pub(crate) fn end_retirement(codec: &Name) {
        Self::change(codec, |account| account.retiring -= 1);
    }

    fn change(codec: &Name, change: impl FnOnce(&mut Self)) -> Self {
        let mut accounts = accounts();
        let account = accounts.entry(codec.clone()).or_default();
        change(account);
        *account
    }
}

fn accounts() -> MutexGuard<'static, HashMap<Name, Account>> {
    static ACCOUNTS: LazyLock<Mutex<HashMap<Name, Account>>> = LazyLock::new(Mutex::default);
    ACCOUNTS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_outstanding_from_its_retirement_until_it_is_reclaimed() {
        const CODEC: Name = Name::from_static("ledger test");
        assert_eq!(Account::of(&CODEC).outstanding(), 0);
        assert_eq!(Account::abandon(&CODEC, false).outstanding(), 1);
        Account::begin_retirement(&CODEC);
        assert_eq!(Account::of(&CODEC).outstanding(), 2);
        assert_eq!(Account::abandon(&CODEC, true).outstanding(), 2);
        Account::reclaim(&CODEC);
        let account = Account::of(&CODEC);
        assert_eq!(
            (account.abandoned, account.reclaimed, account.outstanding()),
            (2, 1, 1)
        );
    }
}

// SPDX-License-Identifier: MPL-2.0
//! The ledger: abandoned workers, per library and process.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// What a library has outstanding in this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Account {
    /// Workers ever abandoned.
    pub abandoned: usize,
    /// Of these, workers whose call returned after all, and which then closed
    /// their session themselves.
    pub reclaimed: usize,
    /// Sessions that close at this moment while nobody waits for it. Not
    /// abandoned: a watchdog looks after them.
    pub retiring: usize,
}

impl Account {
    /// The account of a library, by its name.
    pub fn of(library: &'static str) -> Self {
        accounts().get(library).copied().unwrap_or_default()
    }

    /// Workers that hold something although nobody waits for them: abandoned
    /// and not reclaimed, or retiring. What `max-abandoned` limits.
    pub fn outstanding(&self) -> usize {
        self.abandoned - self.reclaimed + self.retiring
    }

    /// `retiring`: it was counted so until now.
    pub(crate) fn abandon(library: &'static str, retiring: bool) -> Self {
        let mut accounts = accounts();
        let account = accounts.entry(library).or_default();
        account.abandoned += 1;
        account.retiring -= usize::from(retiring);
        *account
    }

    pub(crate) fn begin_retirement(library: &'static str) {
        accounts().entry(library).or_default().retiring += 1;
    }

    pub(crate) fn end_retirement(library: &'static str) {
        accounts().entry(library).or_default().retiring -= 1;
    }

    pub(crate) fn reclaim(library: &'static str) {
        let mut accounts = accounts();
        let account = accounts.entry(library).or_default();
        account.reclaimed = (account.reclaimed + 1).min(account.abandoned);
    }
}

fn accounts() -> MutexGuard<'static, HashMap<&'static str, Account>> {
    static ACCOUNTS: LazyLock<Mutex<HashMap<&'static str, Account>>> =
        LazyLock::new(Mutex::default);
    ACCOUNTS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_outstanding_from_its_retirement_until_it_is_reclaimed() {
        const LIBRARY: &str = "ledger test";
        assert_eq!(Account::of(LIBRARY).outstanding(), 0);
        assert_eq!(Account::abandon(LIBRARY, false).outstanding(), 1);
        Account::begin_retirement(LIBRARY);
        assert_eq!(Account::of(LIBRARY).outstanding(), 2);
        assert_eq!(Account::abandon(LIBRARY, true).outstanding(), 2);
        Account::reclaim(LIBRARY);
        let account = Account::of(LIBRARY);
        assert_eq!(
            (account.abandoned, account.reclaimed, account.outstanding()),
            (2, 1, 1)
        );
    }
}

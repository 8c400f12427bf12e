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
}

impl Account {
    /// The account of a library, by its name.
    pub fn of(library: &'static str) -> Self {
        accounts().get(library).copied().unwrap_or_default()
    }

    /// Abandoned workers that still hold something.
    pub fn outstanding(&self) -> usize {
        self.abandoned - self.reclaimed
    }

    pub(crate) fn abandon(library: &'static str) -> Self {
        let mut accounts = accounts();
        let account = accounts.entry(library).or_default();
        account.abandoned += 1;
        *account
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
    fn an_abandoned_worker_is_outstanding_until_it_is_reclaimed() {
        const LIBRARY: &str = "ledger test";
        assert_eq!(Account::of(LIBRARY).outstanding(), 0);
        assert_eq!(Account::abandon(LIBRARY).outstanding(), 1);
        assert_eq!(Account::abandon(LIBRARY).outstanding(), 2);
        Account::reclaim(LIBRARY);
        let account = Account::of(LIBRARY);
        assert_eq!(
            (account.abandoned, account.reclaimed, account.outstanding()),
            (2, 1, 1)
        );
    }
}

// SPDX-License-Identifier: MPL-2.0
//! The ledger: what became of the sessions of this process, by codec, and their
//! numbers.
//!
//! A process that loads several shared objects has a copy of this crate, with its own
//! statics, for each that links it. [`share_ledger`] makes the copies keep one ledger.
//!
//! Lock order: the ledger's lock comes last. Most changes are made with a run's own lock
//! held, so that no thread sees a run in its new state before the ledger has it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::{Account, Change, Name};

/// Where the accounts of the process are kept.
///
/// Called with a run's lock held: an implementation must take no lock but its own, must
/// not wait, and must call nothing of this crate but the ledger of another copy.
pub trait Ledger: Send + Sync {
    /// Applies [`Account::after`] to the account of a codec, which it creates if there
    /// is none; returns the new account.
    fn change(&self, codec: &str, change: Change) -> Account;

    /// The account of a codec; an empty one if there is none.
    fn account(&self, codec: &str) -> Account;

    /// The accounts of all codecs that have one.
    fn accounts(&self) -> Vec<(Name, Account)>;

    /// A number that no session of the process has had; 1 and more.
    fn next_session(&self) -> u64;
}

/// The ledger was in use before [`share_ledger`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its own ledger is already in use")]
pub struct LedgerInUse;

static LEDGER: OnceLock<Box<dyn Ledger>> = OnceLock::new();

/// The ledger in which sessions are recorded. Fixed from the first call on: unless
/// [`share_ledger`] was called before, it is this copy's own.
pub fn ledger() -> &'static dyn Ledger {
    &**LEDGER.get_or_init(|| Box::new(OwnLedger::default()))
}

/// Makes this copy record its sessions in `shared` instead of its own ledger. Must be
/// called before the first session is started and the first account is read.
///
/// # Errors
/// If called too late or twice. Then nothing changes: past and future records stay
/// together in the ledger in use.
pub fn share_ledger(shared: Box<dyn Ledger>) -> Result<(), LedgerInUse> {
    LEDGER.set(shared).map_err(|_| LedgerInUse)
}

/// A ledger in this copy's memory.
#[derive(Debug, Default)]
struct OwnLedger {
    accounts: Mutex<BTreeMap<Name, Account>>,
    sessions: AtomicU64,
}

impl OwnLedger {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Name, Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger for OwnLedger {
    fn change(&self, codec: &str, change: Change) -> Account {
        let mut accounts = self.lock();
        if let Some(account) = accounts.get_mut(codec) {
            *account = account.after(change);
            return *account;
        }
        let account = Account::default().after(change);
        accounts.insert(Name::from(codec.to_owned()), account);
        account
    }

    fn account(&self, codec: &str) -> Account {
        self.lock().get(codec).copied().unwrap_or_default()
    }

    fn accounts(&self) -> Vec<(Name, Account)> {
        let accounts = self.lock();
        let accounts = accounts
            .iter()
            .map(|(name, account)| (name.clone(), *account));
        accounts.collect()
    }

    fn next_session(&self) -> u64 {
        self.sessions.fetch_add(1, Ordering::Relaxed) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABANDONED: Change = Change::Abandoned {
        was_retiring: false,
    };

    #[test]
    fn a_worker_is_outstanding_from_its_retirement_until_it_is_reclaimed() {
        let ledger = OwnLedger::default();
        assert_eq!(ledger.account("codec").outstanding(), 0);
        assert_eq!(ledger.change("codec", ABANDONED).outstanding(), 1);
        ledger.change("codec", Change::RetirementBegan);
        assert_eq!(ledger.account("codec").outstanding(), 2);
        let retired = Change::Abandoned { was_retiring: true };
        assert_eq!(ledger.change("codec", retired).outstanding(), 2);
        let account = ledger.change("codec", Change::Reclaimed);
        assert_eq!(
            (account.abandoned, account.reclaimed, account.outstanding()),
            (2, 1, 1)
        );
    }

    #[test]
    fn each_codec_has_an_account_of_its_own() {
        let ledger = OwnLedger::default();
        assert!(ledger.accounts().is_empty());
        ledger.change("dav1d", Change::Opened);
        ledger.change("SVT-AV1", ABANDONED);
        ledger.change("dav1d", Change::Opened);
        assert_eq!(ledger.account("x264enc"), Account::default());
        let accounts = ledger.accounts();
        let counts = accounts.iter().map(|(name, account)| {
            let name: &str = name;
            (name, account.opened, account.abandoned)
        });
        assert_eq!(Vec::from_iter(counts), [("SVT-AV1", 0, 1), ("dav1d", 2, 0)]);
    }
}

// SPDX-License-Identifier: MPL-2.0
//! A ledger that is shared: one test, because there is one ledger in a process.
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use codecwatch_supervisor::{Account, Change, Ledger, LedgerInUse, Name, ledger, share_ledger};

/// Writes down what it is told, and answers what no ledger of this library would.
#[derive(Debug, Clone, Default)]
struct Notebook(Arc<Mutex<Vec<(String, Change)>>>);

impl Ledger for Notebook {
    fn change(&self, codec: &str, change: Change) -> Account {
        self.0.lock().unwrap().push((codec.to_owned(), change));
        self.account(codec)
    }

    fn account(&self, _codec: &str) -> Account {
        Account {
            opened: 1000,
            ..Account::default()
        }
    }

    fn accounts(&self) -> Vec<(Name, Account)> {
        vec![(Name::from_static("another's"), self.account(""))]
    }

    fn next_session(&self) -> u64 {
        1000
    }
}

#[test]
fn the_first_ledger_that_is_shared_is_the_one_that_is_used() {
    let (first, second) = (Notebook::default(), Notebook::default());
    assert_eq!(share_ledger(Box::new(first.clone())), Ok(()));
    assert_eq!(share_ledger(Box::new(second.clone())), Err(LedgerInUse));
    ledger().change("codec", Change::Opened);
    assert_eq!(Account::of("codec").opened, 1000);
    assert_eq!(ledger().accounts()[0].0, "another's");
    assert_eq!(ledger().next_session(), 1000);
    let told = ("codec".to_owned(), Change::Opened);
    assert_eq!(*first.0.lock().unwrap(), [told]);
    assert!(second.0.lock().unwrap().is_empty());
}

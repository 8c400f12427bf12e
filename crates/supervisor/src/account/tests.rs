// SPDX-License-Identifier: MPL-2.0

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

/// The part of a session's state that the ledger records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Session {
    Open,
    Retiring,
    Abandoned,
    Over,
}

impl Session {
    /// The possible next changes, each with the state after it.
    fn next(self) -> &'static [(Change, Self)] {
        match self {
            Self::Open => &[
                (Change::Completed, Self::Open),
                (Change::Failed, Self::Open),
                (Change::Panicked, Self::Open),
                (Change::Crashed, Self::Open),
                (Change::Restarted, Self::Open),
                (Change::RetirementBegan, Self::Retiring),
                (
                    Change::Abandoned {
                        was_retiring: false,
                    },
                    Self::Abandoned,
                ),
            ],
            Self::Retiring => &[
                (Change::RetirementEnded, Self::Over),
                (Change::Abandoned { was_retiring: true }, Self::Abandoned),
            ],
            Self::Abandoned => &[
                (Change::Restarted, Self::Abandoned),
                (Change::Reclaimed, Self::Over),
            ],
            Self::Over => &[],
        }
    }
}

/// The counters that never decrease.
fn counters(account: &Account) -> [usize; 8] {
    [
        account.opened,
        account.completed,
        account.failed,
        account.panicked,
        account.crashed,
        account.abandoned,
        account.reclaimed,
        account.restarts,
    ]
}

fn only_grew(before: &Account, after: &Account) -> bool {
    let (before, after) = (counters(before), counters(after));
    before
        .iter()
        .zip(after)
        .all(|(before, after)| *before <= after)
}

proptest! {
    #[test]
    fn whatever_becomes_of_sessions_the_account_says_what_is_outstanding(
        steps in prop::collection::vec((any::<Index>(), any::<Index>()), 0..200),
    ) {
        let mut sessions: Vec<Session> = Vec::new();
        let mut account = Account::default();
        for (which, what) in steps {
            let before = account;
            // One more than there are: another is opened.
            let which = which.index(sessions.len() + 1);
            let change = match sessions.get_mut(which) {
                None => {
                    sessions.push(Session::Open);
                    Change::Opened
                }
                Some(session) if session.next().is_empty() => continue,
                Some(session) => {
                    let (change, next) = *what.get(session.next());
                    *session = next;
                    change
                }
            };
            account = account.after(change);
            let are = |state| sessions.iter().filter(|session| **session == state).count();
            prop_assert!(only_grew(&before, &account), "{change:?}: {before:?}, {account:?}");
            prop_assert_eq!(account.opened, sessions.len());
            prop_assert_eq!(account.retiring, are(Session::Retiring));
            prop_assert_eq!(account.unreclaimed(), are(Session::Abandoned));
            let outstanding = are(Session::Retiring) + are(Session::Abandoned);
            prop_assert_eq!(account.outstanding(), outstanding);
        }
    }

    #[test]
    fn changes_that_cannot_be_make_no_counter_run_backwards(
        changes in prop::collection::vec(select(&Change::ALL), 0..200),
    ) {
        let mut account = Account::default();
        for change in changes {
            let after = account.after(change);
            prop_assert!(only_grew(&account, &after), "{change:?}: {account:?}, {after:?}");
            prop_assert!(after.reclaimed <= after.abandoned, "{change:?}: {after:?}");
            account = after;
        }
    }
}

#[test]
fn each_change_counts_one_thing_under_a_name_of_its_own() {
    let before = Account {
        abandoned: 2,
        retiring: 1,
        ..Account::default()
    };
    let mut seen = Vec::new();
    for change in Change::ALL {
        assert_eq!(Change::from_name(change.name()), Some(change));
        let after = before.after(change);
        assert!(
            !seen.contains(&after),
            "{change:?} counts what another does"
        );
        assert_ne!(after, before, "{change:?} counts nothing");
        seen.push(after);
    }
    assert_eq!(Change::from_name("forgotten"), None);
}

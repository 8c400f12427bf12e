// SPDX-License-Identifier: MPL-2.0
//! Accounts as structures that another plugin file or an application can read.

use codecwatch_supervisor::{Account, Name};
use gst::prelude::*;

/// A codec's account.
pub(crate) fn account_structure(account: &Account) -> gst::Structure {
    let count = |n| u64::try_from(n).unwrap_or(u64::MAX);
    gst::Structure::builder("codecwatch-account")
        .field("opened", count(account.opened))
        .field("completed", count(account.completed))
        .field("failed", count(account.failed))
        .field("panicked", count(account.panicked))
        .field("crashed", count(account.crashed))
        .field("abandoned", count(account.abandoned))
        .field("reclaimed", count(account.reclaimed))
        .field("restarts", count(account.restarts))
        .field("retiring", count(account.retiring))
        .build()
}

/// Reads an account from a structure. Missing fields are 0.
pub(super) fn account_of(structure: &gst::StructureRef) -> Account {
    let count = |name| {
        let count = structure.get::<u64>(name).unwrap_or_default();
        usize::try_from(count).unwrap_or(usize::MAX)
    };
    Account {
        opened: count("opened"),
        completed: count("completed"),
        failed: count("failed"),
        panicked: count("panicked"),
        crashed: count("crashed"),
        abandoned: count("abandoned"),
        reclaimed: count("reclaimed"),
        restarts: count("restarts"),
        retiring: count("retiring"),
    }
}

/// The accounts of all codecs: a field for each.
pub(crate) fn accounts_structure(accounts: Vec<(Name, Account)>) -> gst::Structure {
    let fields = accounts.iter().map(|(codec, account)| {
        let codec: &str = codec;
        (codec, account_structure(account).to_send_value())
    });
    gst::Structure::from_iter("codecwatch-ledger", fields)
}

/// Reads the accounts from a structure.
pub(super) fn accounts_of(structure: &gst::StructureRef) -> Vec<(Name, Account)> {
    let accounts = structure.iter().filter_map(|(codec, account)| {
        let account = account.get::<gst::Structure>().ok()?;
        Some((Name::from(codec.to_string()), account_of(&account)))
    });
    accounts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_say_the_same_on_the_other_side() {
        gst::init().unwrap();
        let some = Account {
            opened: 1,
            completed: 2,
            failed: 3,
            panicked: 4,
            crashed: 5,
            abandoned: 6,
            reclaimed: 7,
            restarts: 8,
            retiring: 9,
        };
        let accounts = vec![
            (Name::from_static("SVT-AV1"), some),
            // A codec may have any name.
            (Name::from_static("an encoder, 2.0"), Account::default()),
        ];
        let structure = accounts_structure(accounts.clone());
        assert_eq!(accounts_of(&structure), accounts);
    }
}

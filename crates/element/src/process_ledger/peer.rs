// SPDX-License-Identifier: MPL-2.0
//! The ledger of the plugin file that was first, as the others reach it.

use codecwatch_supervisor::{Account, Change, Ledger, Name};
use gst::glib;
use gst::glib::subclass::SignalId;
use gst::prelude::*;

use super::account::{account_of, accounts_of};
use super::{ACCOUNT, ACCOUNTS, CHANGE, NEXT_SESSION};

/// A type of the ledger's name is something else.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Mismatch {
    #[error("the type {0} is no object that can be made")]
    NoObject(String),
    #[error("the type {0} has no signal {1:?} as this version expects it")]
    Signal(String, &'static str),
}

/// Reaches the ledger behind a type.
#[derive(Debug)]
pub(super) struct Peer {
    type_: glib::Type,
    change: SignalId,
    account: SignalId,
    accounts: SignalId,
    next_session: SignalId,
}

impl Peer {
    /// Looks whether the type is what its name says. May initialise its class.
    ///
    /// # Errors
    /// [`Mismatch`], where it is not.
    pub(super) fn of(type_: glib::Type) -> Result<Self, Mismatch> {
        let no_object = || Mismatch::NoObject(type_.name().to_owned());
        // Signals are known once the class is.
        let class = glib::Class::<glib::Object>::from_type(type_).ok_or_else(no_object)?;
        let (text, structure) = (glib::Type::STRING, gst::Structure::static_type());
        let signal = |name, parameters: &[_], returned| {
            SignalId::lookup(name, type_)
                .filter(|signal| {
                    let signal = signal.query();
                    signal.return_type() == returned && signal.param_types() == parameters
                })
                .ok_or_else(|| Mismatch::Signal(type_.name().to_owned(), name))
        };
        let peer = Self {
            type_,
            change: signal(CHANGE, &[text, text], structure)?,
            account: signal(ACCOUNT, &[text], structure)?,
            accounts: signal(ACCOUNTS, &[], structure)?,
            next_session: signal(NEXT_SESSION, &[], glib::Type::U64)?,
        };
        drop(class);
        Ok(peer)
    }

    /// The answer to a signal, of an instance that nobody else knows.
    fn ask<T>(&self, signal: SignalId, arguments: &[glib::Value]) -> Option<T>
    where
        T: for<'a> glib::value::FromValue<'a>,
    {
        let instance = glib::Object::with_type(self.type_);
        let answer = instance.emit_with_values(signal, arguments)?;
        answer.get().ok()
    }

    fn ask_account(&self, signal: SignalId, arguments: &[glib::Value]) -> Account {
        let structure = self.ask::<gst::Structure>(signal, arguments);
        structure.map_or_else(Account::default, |structure| account_of(&structure))
    }
}

impl Ledger for Peer {
    fn change(&self, codec: &str, change: Change) -> Account {
        self.ask_account(self.change, &[codec.to_value(), change.name().to_value()])
    }

    fn account(&self, codec: &str) -> Account {
        self.ask_account(self.account, &[codec.to_value()])
    }

    fn accounts(&self) -> Vec<(Name, Account)> {
        let structure = self.ask::<gst::Structure>(self.accounts, &[]);
        structure.map_or_else(Vec::new, |structure| accounts_of(&structure))
    }

    fn next_session(&self) -> u64 {
        self.ask(self.next_session, &[]).unwrap_or_default()
    }
}

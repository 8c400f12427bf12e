// SPDX-License-Identifier: MPL-2.0
//! Access to the ledger of the first plugin file, for the others.

use codecwatch_supervisor::{Account, Change, Ledger, Name};
use gst::glib;
use gst::glib::subclass::SignalId;
use gst::prelude::*;

use super::account::{account_of, accounts_of};
use super::{ACCOUNT, ACCOUNTS, CHANGE, NEXT_SESSION};

/// A type with the ledger's name is not the ledger.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Mismatch {
    #[error("the type {0} is not an instantiable object type")]
    NoObject(String),
    #[error("the type {0} has no signal {1:?} with the expected signature")]
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
    /// Checks that the type has the ledger's signals. May initialise its class.
    ///
    /// # Errors
    /// [`Mismatch`], if it has not.
    pub(super) fn of(type_: glib::Type) -> Result<Self, Mismatch> {
        let no_object = || Mismatch::NoObject(type_.name().to_owned());
        // Signals can be looked up once the class is initialised.
        let class = glib::Class::<glib::Object>::from_type(type_).ok_or_else(no_object)?;
        let (text, structure) = text_and_structure();
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

    /// Emits a signal on a new instance, and returns its value.
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

fn text_and_structure() -> (glib::Type, glib::Type) {
    (glib::Type::STRING, gst::Structure::static_type())
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

#[cfg(test)]
mod tests {
    use super::super::object::ProcessLedger;
    use super::*;

    /// Types that have something in common with the ledger's.
    mod strangers {
        use std::sync::LazyLock;

        use gst::glib;
        use gst::glib::subclass::Signal;
        use gst::subclass::prelude::*;

        use super::super::{CHANGE, text_and_structure};

        glib::wrapper! {
            /// Its signal takes the same arguments as the ledger's and returns another type.
            pub(crate) struct WrongAnswer(ObjectSubclass<imp::WrongAnswer>);
        }

        glib::wrapper! {
            /// Its signal returns the same type as the ledger's and takes other arguments.
            pub(crate) struct WrongArguments(ObjectSubclass<imp::WrongArguments>);
        }

        mod imp {
            use super::*;

            #[derive(Debug, Default)]
            pub(crate) struct WrongAnswer;

            #[glib::object_subclass]
            impl ObjectSubclass for WrongAnswer {
                const NAME: &'static str = "CodecwatchTestWrongAnswer";
                type Type = super::WrongAnswer;
            }

            impl ObjectImpl for WrongAnswer {
                fn signals() -> &'static [Signal] {
                    static SIGNALS: LazyLock<[Signal; 1]> = LazyLock::new(|| {
                        let (text, _) = text_and_structure();
                        let change = Signal::builder(CHANGE).param_types([text, text]);
                        [change.return_type::<u64>().build()]
                    });
                    &*SIGNALS
                }
            }

            #[derive(Debug, Default)]
            pub(crate) struct WrongArguments;

            #[glib::object_subclass]
            impl ObjectSubclass for WrongArguments {
                const NAME: &'static str = "CodecwatchTestWrongArguments";
                type Type = super::WrongArguments;
            }

            impl ObjectImpl for WrongArguments {
                fn signals() -> &'static [Signal] {
                    static SIGNALS: LazyLock<[Signal; 1]> = LazyLock::new(|| {
                        let (text, structure) = text_and_structure();
                        let change = Signal::builder(CHANGE).param_types([text]);
                        [change.return_type_from(structure).build()]
                    });
                    &*SIGNALS
                }
            }
        }
    }

    #[test]
    fn a_change_reaches_the_ledger_behind_the_type_and_its_account_comes_back() {
        gst::init().unwrap();
        let peer = Peer::of(ProcessLedger::static_type()).unwrap();
        let behind = codecwatch_supervisor::ledger();
        let mut expected = Account::default();
        for change in Change::ALL {
            expected = expected.after(change);
            assert_eq!(peer.change("walk", change), expected, "{change:?}");
            assert_eq!(behind.account("walk"), expected);
        }
        assert_eq!(peer.account("walk"), expected);
        let accounts = peer.accounts();
        assert!(accounts.contains(&(Name::from_static("walk"), expected)));
        let sessions = [
            peer.next_session(),
            behind.next_session(),
            peer.next_session(),
        ];
        assert!(sessions.is_sorted_by(|a, b| a < b), "{sessions:?}");
    }

    #[test]
    fn what_is_no_change_and_no_name_changes_nothing() {
        gst::init().unwrap();
        let ledger = glib::Object::with_type(ProcessLedger::static_type());
        let change = |codec: Option<&str>, change: Option<&str>| {
            account_of(&ledger.emit_by_name::<gst::Structure>(CHANGE, &[&codec, &change]))
        };
        assert_eq!(change(Some("odd"), Some("forgotten")), Account::default());
        assert_eq!(change(Some("odd"), None), Account::default());
        assert_eq!(change(None, Some("opened")), Account::default());
        let ledger = codecwatch_supervisor::ledger();
        assert_eq!(ledger.account(""), Account::default());
    }

    #[test]
    fn a_type_that_is_something_else_is_told_from_the_ledger() {
        gst::init().unwrap();
        let other = |type_| Peer::of(type_).unwrap_err();
        let no_object = Mismatch::NoObject("GstStructure".to_owned());
        assert_eq!(other(gst::Structure::static_type()), no_object);
        for type_ in [
            strangers::WrongAnswer::static_type(),
            strangers::WrongArguments::static_type(),
            glib::Object::static_type(),
        ] {
            let mismatch = Mismatch::Signal(type_.name().to_owned(), CHANGE);
            assert_eq!(other(type_), mismatch);
        }
    }
}

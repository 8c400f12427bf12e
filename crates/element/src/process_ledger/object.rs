// SPDX-License-Identifier: MPL-2.0
//! The type that gives access to the ledger of the plugin file that has registered it.
//! Its instances hold no state: all of them reach the same ledger.

use gst::glib;

glib::wrapper! {
    /// An instance for an emission.
    pub(crate) struct ProcessLedger(ObjectSubclass<imp::ProcessLedger>);
}

mod imp {
    use std::sync::LazyLock;

    use codecwatch_supervisor::{Change, ledger};
    use gst::glib;
    use gst::glib::subclass::Signal;
    use gst::prelude::*;
    use gst::subclass::prelude::*;

    use super::super::account::{account_structure, accounts_structure};
    use super::super::{ACCOUNT, ACCOUNTS, CHANGE, NEXT_SESSION, TYPE_NAME};

    #[derive(Debug, Default)]
    pub(crate) struct ProcessLedger;

    #[glib::object_subclass]
    impl ObjectSubclass for ProcessLedger {
        const NAME: &'static str = TYPE_NAME;
        type Type = super::ProcessLedger;
    }

    impl ObjectImpl for ProcessLedger {
        fn signals() -> &'static [Signal] {
            static SIGNALS: LazyLock<[Signal; 4]> = LazyLock::new(|| {
                [
                    action(CHANGE)
                        .param_types([glib::Type::STRING, glib::Type::STRING])
                        .return_type::<gst::Structure>()
                        .class_handler(|arguments| {
                            let codec = text(arguments, 1);
                            let change = Change::from_name(text(arguments, 2));
                            let account = match change.filter(|_| !codec.is_empty()) {
                                Some(change) => ledger().change(codec, change),
                                // Any code may emit the signal with any arguments.
                                None => ledger().account(codec),
                            };
                            Some(account_structure(&account).to_value())
                        })
                        .build(),
                    action(ACCOUNT)
                        .param_types([glib::Type::STRING])
                        .return_type::<gst::Structure>()
                        .class_handler(|arguments| {
                            let account = ledger().account(text(arguments, 1));
                            Some(account_structure(&account).to_value())
                        })
                        .build(),
                    action(ACCOUNTS)
                        .return_type::<gst::Structure>()
                        .class_handler(|_| Some(accounts_structure(ledger().accounts()).to_value()))
                        .build(),
                    action(NEXT_SESSION)
                        .return_type::<u64>()
                        .class_handler(|_| Some(ledger().next_session().to_value()))
                        .build(),
                ]
            });
            &*SIGNALS
        }
    }

    fn action(name: &str) -> glib::subclass::signal::SignalBuilder {
        Signal::builder(name).run_last().action().no_hooks()
    }

    /// An argument; NULL is the empty name.
    fn text(arguments: &[glib::Value], index: usize) -> &str {
        let text = arguments.get(index).and_then(|value| value.get().ok());
        text.flatten().unwrap_or_default()
    }
}

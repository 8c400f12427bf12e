// SPDX-License-Identifier: MPL-2.0
//! One ledger for all plugin files of a process.
//!
//! Each plugin file links this crate and the supervisor statically, with its own
//! statics. All of them share GLib's type system. So the first registers a type
//! ([`object`]) whose action signals reach its ledger; each later one finds the type by
//! name and uses that ledger through the signals ([`peer`]).
//!
//! This happens when the file's first element is created, so that no plugin can omit
//! it, and so that a file whose `plugin_init` failed, and that GStreamer unloads, has
//! registered nothing.
//!
//! Signals are emitted with a run's lock held, see [`codecwatch_supervisor::ledger`].
//! They cannot deadlock: each emission has its own object, so no handler is connected
//! to it; the signals take no emission hooks; and the class handlers take only the lock
//! of a ledger, which is last in the lock order.

mod account;
mod object;
mod peer;

use std::sync::{Mutex, OnceLock, PoisonError};

use codecwatch_supervisor::share_ledger;
use gst::prelude::*;

use self::object::ProcessLedger;
use self::peer::Peer;
use crate::CAT;
use crate::process_type::{Found, find_or_register};

pub(crate) use self::account::{account_structure, accounts_structure};

/// The type's name. It ends with the version of the interface: the signals, their
/// arguments and return values, and the meaning of the names of changes and fields.
/// Plugin files of different versions keep different ledgers.
const TYPE_NAME: &str = "GstCodecwatchLedger1";

/// Takes a codec and the name of a change; returns the account after it.
const CHANGE: &str = "change";
/// Takes a codec; returns its account.
const ACCOUNT: &str = "account";
/// Returns a structure of accounts, by codec.
const ACCOUNTS: &str = "accounts";
/// Returns the number of the next session.
const NEXT_SESSION: &str = "next-session";

/// Makes this plugin file use the ledger of the process. Takes effect once, and must
/// run before the file's first session.
pub(crate) fn join() {
    // Not held during the calls below: they may initialise classes, and a thread that
    // does so already may create an element of ours.
    static JOINED: Mutex<bool> = Mutex::new(false);
    let lock = || JOINED.lock().unwrap_or_else(PoisonError::into_inner);
    if *lock() {
        return;
    }
    static OURS: OnceLock<gst::glib::Type> = OnceLock::new();
    let peer = match find_or_register(TYPE_NAME, &OURS, ProcessLedger::static_type) {
        Found::Ours => Ok(None),
        Found::Another(type_) => Peer::of(type_).map(Some),
    };
    // Another thread may have done the same meanwhile, with the same result.
    let mut joined = lock();
    if std::mem::replace(&mut *joined, true) {
        return;
    }
    let shared = match peer {
        Ok(None) => Ok(()),
        Ok(Some(peer)) => share_ledger(Box::new(peer)).map_err(|late| late.to_string()),
        Err(mismatch) => Err(mismatch.to_string()),
    };
    drop(joined);
    if let Err(why) = shared {
        gst::warning!(CAT, "this plugin file uses a separate ledger: {why}");
    }
}

// SPDX-License-Identifier: MPL-2.0
//! One ledger for all plugin files of a process.
//!
//! Each plugin file has this crate and the supervisor linked into it, with statics of
//! its own. What all of them share is GLib's type system. So the first of them registers
//! a type ([`object`]) whose action signals reach its ledger; each that comes later
//! finds the type by its name and has its ledger reached through these ([`peer`]).
//!
//! It happens when the file's first element is made, so that no plugin can forget it,
//! and so that a file whose `plugin_init` failed, and that GStreamer unloads, has
//! registered nothing.
//!
//! Emissions happen with a run's lock held, see [`codecwatch_supervisor::ledger`]. They
//! cannot deadlock: the object is made for the one emission, so nobody is connected to
//! it; the signals take no emission hooks; and their handlers take the lock of a ledger
//! alone, which is the last of all.

mod account;
mod object;
mod peer;

use std::sync::{Mutex, OnceLock, PoisonError};

use codecwatch_supervisor::share_ledger;
use gst::glib;
use gst::prelude::*;

use self::object::ProcessLedger;
use self::peer::Peer;
use crate::CAT;

pub(crate) use self::account::account_structure;

/// The type's name. It ends with the version of the interface: of the signals, their
/// arguments and answers, and of what the names of changes and the fields mean. Plugin
/// files of different versions keep different ledgers.
const TYPE_NAME: &str = "GstCodecwatchLedger1";

/// A codec and the name of a change; gives the account after it.
const CHANGE: &str = "change";
/// A codec; gives its account.
const ACCOUNT: &str = "account";
/// Gives a structure of accounts, by codec.
const ACCOUNTS: &str = "accounts";
/// Gives the number of the next session.
const NEXT_SESSION: &str = "next-session";

/// Has this plugin file keep its ledger where the process does. Has an effect once, and
/// has to come before the file's first session.
pub(crate) fn join() {
    // Not held while anything else is done: what runs below may initialise classes, and
    // whoever does that already may make an element of ours.
    static JOINED: Mutex<bool> = Mutex::new(false);
    let lock = || JOINED.lock().unwrap_or_else(PoisonError::into_inner);
    if *lock() {
        return;
    }
    let peer = match find_or_register() {
        Found::Ours => Ok(None),
        Found::Another(type_) => Peer::of(type_).map(Some),
    };
    // Another thread may have been here meanwhile, with the same result.
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
        gst::warning!(CAT, "this plugin file keeps a ledger of its own: {why}");
    }
}

enum Found {
    /// This plugin file has registered the type.
    Ours,
    /// Another has.
    Another(glib::Type),
}

/// The type of this name, registered here where there is none.
fn find_or_register() -> Found {
    static OURS: OnceLock<glib::Type> = OnceLock::new();
    let registry = gst::Registry::get();
    // The plugin files of a process have to agree on who is first, and this is a lock
    // that all of them know. Registering a type calls nothing that takes it.
    let _process = registry.object_lock();
    match glib::Type::from_name(TYPE_NAME) {
        None => {
            let _ = OURS.set(ProcessLedger::static_type());
            Found::Ours
        }
        Some(type_) if OURS.get() == Some(&type_) => Found::Ours,
        Some(type_) => Found::Another(type_),
    }
}

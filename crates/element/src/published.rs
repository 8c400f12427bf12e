// SPDX-License-Identifier: MPL-2.0
//! What the elements of a process publish about themselves, for whoever watches the
//! process from inside, such as the health service.
//!
//! Nothing has to be kept up to date for that: a reader asks, and the answer is put
//! together from the element's settings, its line of sessions, and the machine of the
//! session that `stats` would describe. It takes the locks of these one after the other,
//! each for as long as it takes to copy some numbers; no lock of GStreamer, none that is
//! held across a wait, and no reference to the element.
//!
//! The plugin files of a process find each other as they do for the ledger
//! ([`process_ledger`](crate::process_ledger)): the first registers a type ([`object`]).
//! Every file enters an object of this type, whose signal [`READ`] it answers with what
//! its own elements publish. [`READ_ALL`] collects the answers of all files.

mod entry;
mod faults;
mod object;
mod structure;

use std::sync::{Mutex, OnceLock, PoisonError};

use gst::glib;
use gst::glib::subclass::SignalId;
use gst::prelude::*;

pub(crate) use self::entry::Published;
pub(crate) use self::faults::{Kind, note as note_fault};
use self::object::PublishedElements;
use crate::CAT;
use crate::process_type::{Found, find_or_register};

/// The type's name. It ends with the version of the interface: the signals, and the
/// fields of the structures (`structure.rs`).
const TYPE_NAME: &str = "GstCodecwatchElements1";

/// Takes nothing. The object that it is emitted on is kept until the process ends.
const ENTER: &str = "enter";
/// Returns a structure: what the elements of one plugin file publish.
const READ: &str = "read";
/// Returns a list of structures: what each plugin file answers.
const READ_ALL: &str = "read-all";
/// Returns the number of the next element.
const NEXT_ELEMENT: &str = "next-element";

/// The type, once this file has entered its object.
static JOINED: Mutex<Option<glib::Type>> = Mutex::new(None);

/// Makes the elements of this plugin file visible. Must be called before the first is
/// published.
fn join() -> glib::Type {
    static OURS: OnceLock<glib::Type> = OnceLock::new();
    // Not held during the calls below: see `process_ledger::join`.
    let lock = || JOINED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(joined) = *lock() {
        return joined;
    }
    let own = PublishedElements::static_type;
    let type_ = match find_or_register(TYPE_NAME, &OURS, own) {
        Found::Ours => own(),
        Found::Another(type_) => type_,
    };
    // Signals can be looked up once the class is initialised.
    let class = glib::Class::<glib::Object>::from_type(type_);
    let known = |name| SignalId::lookup(name, type_).is_some();
    let fits = class.is_some() && [ENTER, READ, READ_ALL, NEXT_ELEMENT].into_iter().all(known);
    let mut joined = lock();
    if let Some(meanwhile) = *joined {
        return meanwhile;
    }
    *joined = Some(type_);
    drop(joined);
    if fits {
        let file = glib::Object::with_type(type_);
        file.connect(READ, false, |_| Some(structure::of_file().to_value()));
        file.emit_by_name::<()>(ENTER, &[]);
    } else {
        gst::warning!(
            CAT,
            "the elements of this plugin file are not published: the type {TYPE_NAME} is something \
             else"
        );
    }
    type_
}

/// The number of an element: unique in the process, and never used again.
fn next_element(type_: glib::Type) -> u64 {
    if SignalId::lookup(NEXT_ELEMENT, type_).is_none() {
        return 0;
    }
    glib::Object::with_type(type_).emit_by_name(NEXT_ELEMENT, &[])
}

#[cfg(test)]
#[path = "published/tests.rs"]
mod tests;

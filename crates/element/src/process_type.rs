// SPDX-License-Identifier: MPL-2.0
//! Types through which the plugin files of a process find each other. Each file links
//! this crate statically, with its own statics; all of them share GLib's type system.

use std::sync::OnceLock;

use gst::glib;
use gst::prelude::*;

/// Which plugin file has registered a type.
pub(crate) enum Found {
    /// This one.
    Ours,
    /// Another.
    Another(glib::Type),
}

/// Finds a type by its name; registers it with `register` if there is none. `ours` is set
/// if this file has.
pub(crate) fn find_or_register(
    name: &str,
    ours: &OnceLock<glib::Type>,
    register: fn() -> glib::Type,
) -> Found {
    let registry = gst::Registry::get();
    // The plugin files of a process have to agree on which is first, and all of them
    // share this lock. Registering a type calls nothing that takes it.
    let _process = registry.object_lock();
    match glib::Type::from_name(name) {
        None => {
            let _ = ours.set(register());
            Found::Ours
        }
        Some(type_) if ours.get() == Some(&type_) => Found::Ours,
        Some(type_) => Found::Another(type_),
    }
}

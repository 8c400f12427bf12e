// SPDX-License-Identifier: MPL-2.0
//! The places at which the fault shim is asked what happens, if it is preloaded: its
//! `calls.h` has them by these names.

use std::ffi::{CStr, c_int};

pub(crate) const START: &CStr = c"wedge_start";
pub(crate) const CHAIN: &CStr = c"wedge_chain";
pub(crate) const QUERY: &CStr = c"wedge_query";
pub(crate) const STOP: &CStr = c"wedge_stop";
pub(crate) const DISPOSE: &CStr = c"wedge_dispose";

/// The place of a kind of event.
pub(crate) fn event(kind: gst::EventType) -> Option<&'static CStr> {
    match kind {
        gst::EventType::Caps => Some(c"wedge_caps"),
        gst::EventType::Eos => Some(c"wedge_eos"),
        gst::EventType::FlushStart => Some(c"wedge_flush_start"),
        gst::EventType::FlushStop => Some(c"wedge_flush_stop"),
        _ => None,
    }
}

/// Whether this place is passed without an error; it may never be.
pub(crate) fn passed(place: &CStr) -> bool {
    // SAFETY: the name ends with NUL. Where no shim is preloaded, nothing has it.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, place.as_ptr()) };
    if found.is_null() {
        return true;
    }
    // SAFETY: the shim alone defines these names, as functions that return an integer.
    // They have arguments, which for these names the shim looks at nowhere.
    let place: extern "C" fn() -> c_int = unsafe { std::mem::transmute(found) };
    place() == 0
}

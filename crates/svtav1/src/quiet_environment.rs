// SPDX-License-Identifier: MPL-2.0
//! `SVT_LOG` for libraries before 4.0, added while threads run.
//!
//! A plugin may be loaded at any time: the application has threads, and their C
//! code reads the environment without a lock. `setenv` may move the list of
//! variables and free the old one while such a reader uses it. So it is not called.
//! The list is copied, the variable added to the copy, and the list replaced by the
//! copy with one store of a pointer. A reader walks the old list or the new one;
//! neither is ever freed, and no entry of either changes.
//!
//! Limitation: if another thread calls `setenv` in the microsecond of the copying, it
//! may move the list, or its change may be lost. Such a thread endangers every reader
//! of the process anyway; this module does not protect against it.

use std::ffi::{CStr, c_char};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Below every level of the library (-1 to 4), which logs some errors at -1.
const VARIABLE: &CStr = c"SVT_LOG=-2";

type List = *mut *const c_char;

unsafe extern "C" {
    /// POSIX: entries `NAME=value`, ended by a null. As wide as a pointer and read as
    /// one by C, whose loads and stores of it do not tear.
    #[link_name = "environ"]
    safe static ENVIRONMENT: AtomicPtr<*const c_char>;
}

/// Adds the variable. Must be called only once, and only if it is not set.
pub(crate) fn silence() {
    let old = ENVIRONMENT.load(Ordering::Acquire);
    // SAFETY: it is the environment (see the module).
    let new = unsafe { with_variable(old) };
    ENVIRONMENT.store(new, Ordering::Release);
}

/// A copy with one entry more, which is never freed, even if this code is unloaded.
///
/// # Safety
/// `list` is null, or ended by a null and as it is while this runs.
unsafe fn with_variable(list: List) -> List {
    let mut entries = Vec::new();
    if !list.is_null() {
        loop {
            // SAFETY: the end has not come yet.
            let place = unsafe { list.add(entries.len()) };
            // SAFETY: an entry or the null behind them.
            let entry = unsafe { place.read() };
            if entry.is_null() {
                break;
            }
            entries.push(entry);
        }
    }
    entries.push(VARIABLE.to_owned().into_raw().cast_const());
    entries.push(ptr::null());
    Vec::leak(entries).as_mut_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The entries of a copy, without the null.
    fn entries(list: List, length: usize) -> Vec<&'static CStr> {
        // SAFETY: so many entries and a null, which live for ever.
        let list = unsafe { std::slice::from_raw_parts(list, length + 1) };
        assert!(list[length].is_null());
        let entry = |&entry: &*const c_char| {
            // SAFETY: a string that lives for ever.
            unsafe { CStr::from_ptr(entry) }
        };
        list[..length].iter().map(entry).collect()
    }

    #[test]
    fn the_copy_has_what_was_there_and_one_entry_more() {
        let mut list = [c"A=1".as_ptr(), c"B=2".as_ptr(), ptr::null()];
        // SAFETY: ended by a null.
        let copy = unsafe { with_variable(list.as_mut_ptr()) };
        assert_eq!(entries(copy, 3), [c"A=1", c"B=2", VARIABLE]);
        // SAFETY: null is no list.
        let alone = unsafe { with_variable(ptr::null_mut()) };
        assert_eq!(entries(alone, 1), [VARIABLE]);
    }
}

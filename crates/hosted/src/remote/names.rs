// SPDX-License-Identifier: MPL-2.0
//! Names in what a child says. Before GStreamer 1.26, each name of a structure, a field, a
//! feature or a region of interest that has ever been read stays in the process as long as
//! that lives. So few names are taken that nobody here has used before.

use std::sync::atomic::{AtomicUsize, Ordering};

use gst::glib;

/// Longest new name, in bytes. GStreamer's own have 40 at most.
pub(super) const LONGEST: usize = 64;
/// The most new names of all children, as long as this process lives: some 400 kB. GStreamer
/// has several hundred of which a process has not read most, and a classifier of pictures
/// has a thousand for its regions.
const MOST: usize = 4096;

static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// Takes a name, if it is known or there is room for it.
pub(super) fn take(name: &str) -> bool {
    take_as_one_of(&TAKEN, name)
}

fn take_as_one_of(taken: &AtomicUsize, name: &str) -> bool {
    if glib::Quark::try_from_str(name).is_some() {
        return true;
    }
    let one_more = |taken: usize| (taken < MOST).then_some(taken + 1);
    let counted = || taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
    let is_taken = name.len() <= LONGEST && counted().is_ok();
    if is_taken {
        // It counts once.
        glib::Quark::from_str(name);
    }
    is_taken
}

/// For the fuzzer, which has more to say.
#[cfg(test)]
pub(super) fn forget() {
    TAKEN.store(0, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_known(name: &str) -> bool {
        glib::Quark::try_from_str(name).is_some()
    }

    #[test]
    fn new_names_are_few_and_known_ones_are_no_new_ones() {
        gst::init().unwrap();
        let count = AtomicUsize::new(0);
        let take = |name: &str| take_as_one_of(&count, name);
        let name = |number: usize| format!("new-name-{number}");
        let taken = (0..2 * MOST).filter(|&number| take(&name(number)));
        assert_eq!(taken.count(), MOST);
        glib::Quark::from_str("known-before");
        assert!(take(&name(0)) && take("known-before"));
        assert!(!is_known(&name(MOST)));
    }
}

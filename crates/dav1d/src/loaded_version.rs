// SPDX-License-Identifier: MPL-2.0
//! The version of the loaded library. It may differ from the one whose header this
//! crate was built with: behaviour depends on this version, layouts on the header
//! (see build.rs).

use std::{ffi::CStr, sync::LazyLock};

use crate::sys;

/// Major, minor and patch number of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version([u32; 3]);

/// The version of the loaded library.
pub(crate) fn loaded_version() -> Version {
    static LOADED: LazyLock<Version> = LazyLock::new(|| Version::parse(&version()));
    *LOADED
}

/// What the loaded library calls its version; empty if it does not say. Returns a
/// constant: needs no session and does not block.
pub fn version() -> String {
    // SAFETY: takes no argument; returns a constant.
    let text = unsafe { sys::dav1d_version() };
    if text.is_null() {
        return String::new();
    }
    // SAFETY: a string constant of the library, which is never unloaded.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_string_lossy().into_owned()
}

impl Version {
    /// Before every release.
    const UNKNOWN: Self = Self([0; 3]);

    /// Parses a version string: `1.5.1`, `1.5.1-12-gdeadbee` (commits after a release),
    /// or only a commit, which is [`UNKNOWN`](Self::UNKNOWN). A missing number counts
    /// as 0.
    fn parse(text: &str) -> Self {
        let release = text.split(['-', '+', '~', ' ']).next().unwrap_or_default();
        let mut numbers = Self::UNKNOWN;
        let parts = release.split('.').collect::<Vec<_>>();
        if parts.len() < 2 {
            return Self::UNKNOWN;
        }
        for (number, part) in numbers.0.iter_mut().zip(parts) {
            match part.parse() {
                Ok(read) => *number = read,
                Err(_) => return Self::UNKNOWN,
            }
        }
        numbers
    }

    /// Whether dav1d can continue after it was drained while it worked on several
    /// frames. Older versions may hang later: `drain_picture` (src/lib.c) counts
    /// slots without a frame as if they had one. 1.0.0 has been seen to hang.
    pub(crate) fn drains_in_order(self) -> bool {
        self >= Self([1, 5, 1])
    }

    /// Whether a picture comes with all its T.35 messages; older versions keep one.
    #[cfg(dav1d_t35_array)]
    pub(crate) fn counts_t35(self) -> bool {
        self >= Self([1, 2, 0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_and_builds_after_them_are_read() {
        for (text, version) in [
            ("1.0.0", [1, 0, 0]),
            ("1.5.1", [1, 5, 1]),
            ("1.5.1-12-gdeadbee", [1, 5, 1]),
            ("1.2", [1, 2, 0]),
            ("10.0.0+git", [10, 0, 0]),
        ] {
            assert_eq!(Version::parse(text), Version(version), "{text}");
        }
    }

    #[test]
    fn what_is_no_version_counts_as_older_than_any() {
        for text in ["", "deadbee", "99012021", "x.y.z", "1.-2.0", "unknown"] {
            assert_eq!(Version::parse(text), Version::UNKNOWN, "{text}");
            assert!(!Version::parse(text).drains_in_order());
        }
    }

    #[test]
    fn behaviour_goes_by_the_release_that_brought_it() {
        for (text, in_order) in [
            ("1.0.0", false),
            ("1.5.0", false),
            ("1.5.1", true),
            ("1.10.0", true),
            ("2.0.0", true),
        ] {
            assert_eq!(Version::parse(text).drains_in_order(), in_order, "{text}");
        }
    }

    #[test]
    fn the_loaded_library_says_its_version() {
        assert!(
            loaded_version() >= Version([1, 0, 0]),
            "{:?}",
            loaded_version()
        );
    }
}

// SPDX-License-Identifier: MPL-2.0
//! The version of SVT-AV1. Rules and latency are functions of a [`Version`], so that
//! those of every version can be tested with any of them installed.

use std::ffi::CStr;
use std::fmt;
use std::sync::LazyLock;

use crate::sys;

/// A version of the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Incremented when the interface breaks.
    pub major: u32,
    /// Incremented with features; some versions refuse settings accepted before.
    pub minor: u32,
    /// Fixes.
    pub patch: u32,
}

impl Version {
    /// `major.minor.patch`.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }

    /// The version of the header that this crate was built with.
    pub const fn header() -> Self {
        Self::new(
            sys::SVT_AV1_VERSION_MAJOR,
            sys::SVT_AV1_VERSION_MINOR,
            sys::SVT_AV1_VERSION_PATCHLEVEL,
        )
    }

    /// The version of the loaded library; the header's if the library's own version
    /// string cannot be parsed.
    ///
    /// The native call behind it returns a constant, takes no lock and touches
    /// no session; it is the only one that does not go through a lane.
    pub fn installed() -> Self {
        static INSTALLED: LazyLock<Version> =
            LazyLock::new(|| Version::parse(runtime()).unwrap_or(Version::header()));
        *INSTALLED
    }

    /// Whether this is `major.minor` or later.
    pub const fn at_least(self, major: u32, minor: u32) -> bool {
        self.major > major || (self.major == major && self.minor >= minor)
    }

    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('v').unwrap_or(text);
        let mut numbers = digits.split(|c: char| !c.is_ascii_digit());
        let mut next = || numbers.next()?.parse().ok();
        Some(Self::new(next()?, next()?, next().unwrap_or(0)))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The library's version string, such as `v2.3.0` or `v4.1.0-12-gabcdef`.
pub fn runtime() -> &'static str {
    // SAFETY: takes no argument and returns a pointer to a constant.
    let name = unsafe { sys::svt_av1_get_version() };
    if name.is_null() {
        return "";
    }
    // SAFETY: not null, and a string literal of the library: terminated, and
    // there for as long as the process.
    let name = unsafe { CStr::from_ptr(name) };
    name.to_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_libraries_call_themselves() {
        assert_eq!(Version::parse("v1.4.1"), Some(Version::new(1, 4, 1)));
        assert_eq!(
            Version::parse("v4.1.0-12-gabcdef-dirty"),
            Some(Version::new(4, 1, 0))
        );
        assert_eq!(Version::parse("2.3"), Some(Version::new(2, 3, 0)));
        assert_eq!(Version::parse(""), None);
        assert_eq!(Version::parse("unknown"), None);
    }

    #[test]
    fn the_library_is_the_one_that_was_built_for() {
        assert_eq!(Version::installed().major, Version::header().major);
        assert!(Version::installed().at_least(1, 4));
    }

    #[test]
    fn at_least_compares_like_the_order() {
        let version = Version::new(2, 3, 0);
        assert!(version.at_least(2, 3) && version.at_least(1, 8));
        assert!(!version.at_least(2, 4) && !version.at_least(3, 0));
    }
}

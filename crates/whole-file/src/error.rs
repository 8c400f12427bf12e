// SPDX-License-Identifier: MPL-2.0
//! Errors, with the text for the user.

use std::io;
use std::path::Path;

/// Why a file could not be written, or not be put in place.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Error {
    /// For programs.
    pub kind: Kind,
    text: String,
    #[source]
    source: Option<io::Error>,
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The folder is not there.
    NotFound,
    /// The target cannot be replaced, whatever is written: it is a folder, a device, a
    /// mount point.
    Target,
    /// Another writer has the target.
    Busy,
    /// The file cannot be created or opened.
    Open,
    /// The device, the user's quota or the longest allowed file is full.
    NoSpace,
    /// Writing failed.
    Write,
    /// The file is complete, but did not get the name of the target. It stays under its
    /// own one.
    NotInPlace,
}

impl Error {
    pub(crate) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            source: None,
        }
    }

    pub(crate) fn caused(kind: Kind, text: impl Into<String>, cause: io::Error) -> Self {
        Self {
            kind,
            text: format!("{}: {cause}", text.into()),
            source: Some(cause),
        }
    }

    /// A failed write to the file at `path`.
    pub(crate) fn writing(path: &Path, cause: io::Error) -> Self {
        let path = path.display();
        match cause.kind() {
            io::ErrorKind::StorageFull => {
                Self::caused(Kind::NoSpace, format!("No space left for {path}"), cause)
            }
            io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::caused(Kind::NoSpace, format!("{path} must not grow"), cause)
            }
            _ => Self::caused(Kind::Write, format!("Cannot write {path}"), cause),
        }
    }
}

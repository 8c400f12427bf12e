// SPDX-License-Identifier: MPL-2.0
//! How a command ends: its exit code, and the text for the user.

use std::process::ExitCode;

use serde::Serialize;

/// The ends that a caller can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// Everything was done.
    Complete,
    /// The command line, the plugins, the files or the machine are not as they should be.
    Error,
    /// A codec was given up. Another try may succeed.
    Degraded,
    /// The work is impossible, or more than is allowed. Another try is as well.
    Refused,
    /// The input is damaged, or shorter than it says, beyond what was allowed.
    Damaged,
    /// The number of SIGINT or SIGTERM; SIGTERM for a job that its program has stopped.
    Interrupted(i32),
}

impl End {
    /// The exit code; after a signal, that of shells.
    pub fn code(self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::Error => 1,
            Self::Degraded => 2,
            Self::Refused => 3,
            Self::Damaged => 4,
            Self::Interrupted(signal) => 128 + u8::try_from(signal).unwrap_or(0) % 64,
        }
    }

    /// The same as a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Error => "error",
            Self::Degraded => "degraded",
            Self::Refused => "refused",
            Self::Damaged => "damaged",
            Self::Interrupted(_) => "interrupted",
        }
    }
}

impl From<End> for ExitCode {
    fn from(end: End) -> Self {
        Self::from(end.code())
    }
}

/// An end that is not complete, and why.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// Which end; never [`End::Complete`].
    pub end: End,
    /// A sentence for whoever asked for the work.
    pub text: String,
}

impl Failure {
    /// An end, and a sentence that says why.
    pub fn new(end: End, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { end, text }
    }

    pub(crate) fn error(text: impl Into<String>) -> Self {
        Self::new(End::Error, text)
    }

    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self::new(End::Refused, text)
    }
}

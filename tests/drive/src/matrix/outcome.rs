// SPDX-License-Identifier: MPL-2.0
//! What became of a cell, in a word and in a colour.

use super::Shown;
use super::expect::{Close, Expected, expected};
use super::judge::detected;
use crate::facts::Life;

/// Kinds of cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Not as the contract says.
    Wrong,
    /// It cannot be.
    Impossible,
    /// One error, no EOS.
    Error,
    /// A message, then EOS.
    Restarted,
    /// EOS, and a warning.
    Warned,
    /// EOS.
    Whole,
    /// Stopped in time.
    Stopped,
    /// The process died.
    Died,
}

impl Kind {
    pub(super) const ALL: &[Self] = &[
        Kind::Error,
        Kind::Restarted,
        Kind::Whole,
        Kind::Warned,
        Kind::Stopped,
        Kind::Died,
        Kind::Impossible,
        Kind::Wrong,
    ];

    pub(super) fn colour(self) -> &'static str {
        match self {
            Kind::Wrong => "#d62728",
            Kind::Impossible => "#eeeeee",
            Kind::Error => "#4477aa",
            Kind::Restarted => "#aa4499",
            Kind::Warned => "#ccbb44",
            Kind::Whole => "#228833",
            Kind::Stopped => "#66ccee",
            Kind::Died => "#777777",
        }
    }

    pub(super) fn meaning(self) -> &'static str {
        match self {
            Kind::Wrong => "not as the contract says",
            Kind::Impossible => "cannot be",
            Kind::Error => "one error that says where, no EOS",
            Kind::Restarted => "a message says what was lost; everything else comes out, EOS too",
            Kind::Warned => "the stream is whole, EOS; a warning that its session did not close",
            Kind::Whole => "the stream is whole, EOS",
            Kind::Stopped => "NULL within its bound",
            Kind::Died => "the process ends by the signal, no EOS before it (codecs run in it)",
        }
    }
}

impl Shown {
    /// The life that counts.
    pub(super) fn life(&self) -> Option<&Life> {
        self.result.as_ref().ok()?.facts.as_ref()?.lives.last()
    }

    pub(super) fn kind(&self) -> Kind {
        match (&self.result, expected(&self.cell)) {
            _ if !self.complaints.is_empty() => Kind::Wrong,
            (Err(_), _) => Kind::Impossible,
            (_, Expected::Error(_)) => Kind::Error,
            (_, Expected::Restarted { .. }) => Kind::Restarted,
            (_, Expected::Whole(Close::GivenUp)) => Kind::Warned,
            (_, Expected::Whole(_)) => Kind::Whole,
            (_, Expected::Stopped(_)) => Kind::Stopped,
            (_, Expected::Dies(_)) => Kind::Died,
        }
    }

    /// From the strike to the error or the restart, and what NULL took, in milliseconds.
    pub(super) fn times(&self) -> (Option<f64>, Option<f64>) {
        let report = self.result.as_ref().ok();
        let stopped = self.life().and_then(Life::stopped_in);
        (report.and_then(detected), stopped)
    }

    /// The cell of a table.
    pub(super) fn word(&self) -> String {
        match (&self.result, self.kind()) {
            (Err(impossible), _) => impossible.letter().to_owned(),
            (_, Kind::Wrong) => "**wrong**".to_owned(),
            (_, Kind::Died) => match expected(&self.cell) {
                Expected::Dies(6) => "SIGABRT".to_owned(),
                _ => "SIGSEGV".to_owned(),
            },
            (_, Kind::Error) => match (expected(&self.cell), self.times().0) {
                (Expected::Error("WatchdogAbandoned"), Some(took)) => {
                    format!("error {:.2} s", took / 1e3)
                }
                _ => "error".to_owned(),
            },
            (_, Kind::Restarted) => match (expected(&self.cell), self.times().0) {
                (Expected::Restarted { abandoned: true }, Some(took)) => {
                    format!("restart {:.2} s", took / 1e3)
                }
                _ => "restart".to_owned(),
            },
            (_, Kind::Warned) => "whole, warned".to_owned(),
            (_, Kind::Stopped) => format!("NULL {:.2} s", self.times().1.unwrap_or(0.0) / 1e3),
            (_, Kind::Whole | Kind::Impossible) => "whole".to_owned(),
        }
    }
}

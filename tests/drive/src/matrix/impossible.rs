// SPDX-License-Identifier: MPL-2.0
//! Combinations that there are not.

use super::axes::{Cell, Fault, State, Where};
use crate::elements::Failure;
use crate::scenario::Source;

/// Why a combination cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Impossible {
    /// Nothing flows.
    NotBeforeItPlays,
    /// Nothing flows.
    NotWhilePaused,
    /// The function returns nothing.
    CannotFail,
    /// The function gives nothing out.
    NothingToCorrupt,
    /// No session takes over from another.
    NoSuccessor,
    /// Nothing drains it in mid-stream.
    NoDrain,
    /// New caps go to the same session.
    NoOtherSession,
    /// What comes behind is inside.
    NothingWaits,
}

impl Impossible {
    /// All of them.
    pub(super) const ALL: &[Self] = &[
        Self::NotBeforeItPlays,
        Self::NotWhilePaused,
        Self::CannotFail,
        Self::NothingToCorrupt,
        Self::NoSuccessor,
        Self::NoDrain,
        Self::NoOtherSession,
        Self::NothingWaits,
    ];

    /// The letter that stands for it.
    pub fn letter(self) -> &'static str {
        match self {
            Self::NotBeforeItPlays => "a",
            Self::NotWhilePaused => "b",
            Self::CannotFail => "c",
            Self::NothingToCorrupt => "d",
            Self::NoSuccessor => "e",
            Self::NoDrain => "f",
            Self::NoOtherSession => "g",
            Self::NothingWaits => "h",
        }
    }

    /// The reason in words.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotBeforeItPlays => {
                "a live source gives nothing before the pipeline plays: there is no session yet"
            }
            Self::NotWhilePaused => {
                "a live source gives nothing, and no event in line, while the pipeline is paused"
            }
            Self::CannotFail => "the function returns nothing, so it cannot fail",
            Self::NothingToCorrupt => "the function gives nothing out that could be corrupt",
            Self::NoSuccessor => "no session takes over from another that still works",
            Self::NoDrain => "nothing but new caps and the end of the stream drains an encoder",
            Self::NoOtherSession => {
                "a hosted chain takes new caps itself: its session does not end"
            }
            Self::NothingWaits => {
                "a thread of the chain hangs: the chain takes in what comes behind, and loses it"
            }
        }
    }
}

/// Whether there is such a combination.
///
/// # Errors
/// Why there is none.
pub(super) fn possible(cell: &Cell) -> Result<(), Impossible> {
    let flushes = matches!(
        cell.at,
        Where::Flush | Where::FlushStop | Where::Seek | Where::Close
    );
    let ends = matches!(cell.state, State::Preroll | State::Eos);
    match (cell.source, cell.state, cell.fault) {
        (Source::Live, State::Preroll, _) => Err(Impossible::NotBeforeItPlays),
        (Source::Live, State::Full, _) => Err(Impossible::NotWhilePaused),
        (Source::Live, State::Paused, _) if !flushes => Err(Impossible::NotWhilePaused),
        (_, State::Playing, _) if cell.element.is_hosted && cell.at == Where::Close => {
            Err(Impossible::NoOtherSession)
        }
        (_, State::GapWaits, _) if cell.call().seen_as.is_empty() => Err(Impossible::NothingWaits),
        (_, State::Successor, _) if !(cell.element.takes_over)() => Err(Impossible::NoSuccessor),
        _ if cell.at == Where::Drain && !cell.element.drains_at_gaps && !ends => {
            Err(Impossible::NoDrain)
        }
        (_, _, Fault::Fail) if cell.call().failure == Failure::Never => Err(Impossible::CannotFail),
        (_, _, Fault::Corrupt) if !cell.call().gives => Err(Impossible::NothingToCorrupt),
        _ => Ok(()),
    }
}

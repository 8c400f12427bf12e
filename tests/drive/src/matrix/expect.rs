// SPDX-License-Identifier: MPL-2.0
//! What the contract says about a combination.

use super::axes::{Cell, Fault, State, Where};
use crate::elements::{Checked, Failure};

/// What has to come of a combination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// One error with this outcome, and no EOS.
    Error(&'static str),
    /// A message that says what was lost, and then everything else, EOS too.
    Restarted {
        /// The old session was given up.
        abandoned: bool,
    },
    /// EOS and no error.
    Whole(Close),
    /// The change to NULL ends in time.
    Stopped(Close),
    /// The process ends by this signal: the codec runs in it.
    Dies(i32),
}

/// What becomes of a session that closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// It closes, however long that takes in the background.
    Done,
    /// It is asleep: given up, and a warning says so.
    GivenUp,
    /// It is busy for ever: given up when `slow-limit` is over, not before.
    BusyForEver,
}

/// What the contract says.
pub fn expected(cell: &Cell) -> Expected {
    let close = match cell.fault {
        Fault::Hang | Fault::Late => Close::GivenUp,
        Fault::Spin => Close::BusyForEver,
        Fault::Fail if cell.call().failure == Failure::StuckClose => Close::GivenUp,
        _ => Close::Done,
    };
    let stops = cell.state == State::Null
        || (cell.at == Where::Close
            && matches!(cell.state, State::Preroll | State::Paused | State::Full));
    match cell.fault {
        Fault::Abort if !cell.element.is_isolated => Expected::Dies(6),
        Fault::Segv | Fault::Overflow if !cell.element.is_isolated => Expected::Dies(11),
        _ if stops => Expected::Stopped(close),
        // Slow is not wedged.
        Fault::Slow | Fault::Delay | Fault::Busy => Expected::Whole(Close::Done),
        // What a session answers to its close changes nothing about what it gave.
        _ if cell.closes() => Expected::Whole(close),
        Fault::Hang | Fault::Late | Fault::Spin => fatal(cell, "WatchdogAbandoned"),
        Fault::Panic => fatal(cell, "CodecPanicked"),
        Fault::Abort | Fault::Segv | Fault::Overflow | Fault::Exit => fatal(cell, "CodecCrashed"),
        Fault::Fail if matches!(cell.call().failure, Failure::Damage | Failure::Ignored) => {
            Expected::Whole(Close::Done)
        }
        Fault::Fail => fatal(cell, "CodecFailed"),
        Fault::Corrupt => corrupt(cell),
    }
}

/// A restart loses what was inside, and nothing else.
fn fatal(cell: &Cell, outcome: &'static str) -> Expected {
    if cell.restart {
        Expected::Restarted {
            abandoned: outcome == "WatchdogAbandoned",
        }
    } else {
        Expected::Error(outcome)
    }
}

/// What is not looked at is as whole as any other.
fn corrupt(cell: &Cell) -> Expected {
    let held = matches!(cell.at, Where::Drain | Where::Caps) && cell.element.drains_what_it_holds;
    let first = cell.state == State::Preroll
        || (cell.state == State::Paused && cell.at != Where::Get)
        || held;
    let noticed = match cell.element.checked {
        Checked::Never => false,
        Checked::First => first,
        Checked::Always => true,
    };
    if noticed {
        Expected::Error("CodecFailed")
    } else {
        Expected::Whole(Close::Done)
    }
}

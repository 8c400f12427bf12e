// SPDX-License-Identifier: MPL-2.0
//! From a combination to the scenario that shows it, or the reason why there is
//! none.

use std::time::Duration;

use super::axes::{Cell, Fault, State, Where};
use super::expect::Expected;
use crate::scenario::{Element, Scenario, Source};

/// Budget of every phase.
pub(super) const BUDGET: Duration = Duration::from_secs(1);
/// `close-timeout`.
pub(super) const CLOSE: Duration = Duration::from_secs(1);
/// `slow-limit`.
pub(super) const SLOW_LIMIT: Duration = Duration::from_secs(2);

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
}

impl Impossible {
    /// All of them.
    pub(super) const ALL: &[Self] = &[
        Self::NotBeforeItPlays,
        Self::NotWhilePaused,
        Self::CannotFail,
        Self::NothingToCorrupt,
    ];

    /// The letter that stands for it.
    pub fn letter(self) -> &'static str {
        match self {
            Self::NotBeforeItPlays => "a",
            Self::NotWhilePaused => "b",
            Self::CannotFail => "c",
            Self::NothingToCorrupt => "d",
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
        }
    }
}

/// The scenario of a combination.
///
/// # Errors
/// Why there is none.
pub fn plan(cell: &Cell) -> Result<Scenario, Impossible> {
    possible(cell)?;
    let mut scenario = Scenario::new(cell.element, cell.source);
    if cell.fault == Fault::Spin {
        scenario.bound = Duration::from_secs(60);
    }
    scenario.script = Some(format!("{}:{}@armed", cell.call(), fault(cell.fault)));
    // SVT-AV1's next session waits a second for a close of the one before, while
    // it opens.
    let open = if cell.closes() { 3 * BUDGET } else { BUDGET };
    scenario = scenario
        .with("watchdog-timeout", BUDGET.as_nanos())
        .with("drain-timeout", BUDGET.as_nanos())
        .with("open-timeout", open.as_nanos())
        .with("close-timeout", CLOSE.as_nanos())
        .with("slow-limit", SLOW_LIMIT.as_nanos());
    let holds_back = holds_back(cell);
    scenario = match cell.element {
        Element::Encoder => scenario
            .with("preset", 12)
            .with("logical-processors", 1)
            .with("low-latency", !holds_back),
        Element::Decoder if holds_back => scenario.with("n-threads", 4).with("max-frame-delay", 4),
        Element::Decoder => scenario.with("n-threads", 1),
    };
    let mut steps = vec![before(cell), operation(cell)];
    steps.extend(after(cell));
    if cell.fault == Fault::Late {
        steps.push("await-reclaim");
    }
    Ok(scenario.then(&steps.join(" ")))
}

fn possible(cell: &Cell) -> Result<(), Impossible> {
    let flushes = matches!(cell.at, Where::Flush | Where::Seek | Where::Close);
    match (cell.source, cell.state, cell.fault) {
        (Source::Live, State::Preroll, _) => Err(Impossible::NotBeforeItPlays),
        (Source::Live, State::Paused, _) if !flushes => Err(Impossible::NotWhilePaused),
        (_, _, Fault::Fail) if matches!(cell.call(), "dav1d_flush" | "dav1d_close") => {
            Err(Impossible::CannotFail)
        }
        (_, _, Fault::Corrupt)
            if !matches!(cell.call(), "svt_av1_enc_get_packet" | "dav1d_get_picture") =>
        {
            Err(Impossible::NothingToCorrupt)
        }
        _ => Ok(()),
    }
}

fn fault(fault: Fault) -> &'static str {
    match fault {
        Fault::Hang => "hang",
        // Beyond the budget or the close-timeout, and what comes before it.
        Fault::Late => "hang=3s",
        Fault::Fail => "fail",
        Fault::Spin => "spin",
        Fault::Slow => "slow=x4",
        Fault::Delay => "delay=300ms",
        Fault::Panic => "panic",
        Fault::Abort => "abort",
        Fault::Segv => "segv",
        Fault::Corrupt => "corrupt",
    }
}

/// Whether frames have to be inside the codec when it is asked to drain, or
/// while nothing may have come out yet.
fn holds_back(cell: &Cell) -> bool {
    let early = cell.state == State::Preroll;
    match cell.element {
        Element::Encoder => early && cell.at != Where::Get || drains(cell),
        // A decoder that holds pictures back is not drained by a GAP.
        Element::Decoder => early && !matches!(cell.at, Where::Open | Where::Send | Where::Get),
    }
}

fn drains(cell: &Cell) -> bool {
    matches!(cell.at, Where::Drain | Where::Caps)
}

/// Up to the moment before.
fn before(cell: &Cell) -> &'static str {
    match (cell.state, cell.source) {
        // So few that the encoder has not given any; dav1d holds back four.
        (State::Preroll, _) => match cell.at {
            Where::Open | Where::Send | Where::Get => "pause",
            _ => "pause push:3 settle",
        },
        (State::Paused, Source::NonLive) if cell.fault == Fault::Corrupt => {
            "play push:9 settle idle:300 settle pause push:3 settle"
        }
        (State::Paused, Source::NonLive) => "play push:9 settle pause push:3 settle",
        (State::Paused, Source::Live) => "play push:9 settle pause idle:50",
        // The first packet has to be out: without it there is no stream.
        _ if cell.fault == Fault::Corrupt => "play push:9 settle idle:300 settle",
        _ => "play push:9 settle",
    }
}

/// What the fault strikes.
fn operation(cell: &Cell) -> &'static str {
    match (cell.at, cell.state) {
        (Where::Open, State::Preroll) | (Where::Send | Where::Get, _) => "arm burst:9",
        (Where::Open | Where::Caps, _) => "arm caps burst:9",
        (Where::Flush, _) => "arm flush burst:9",
        (Where::Seek, _) => "arm seek burst:9",
        (Where::Drain, State::Preroll | State::Eos) => "arm",
        (Where::Drain, _) => "arm gap burst:9",
        (Where::Close, State::Playing) => "arm caps burst:9",
        (Where::Close, _) => "arm",
    }
}

/// What the application does then.
fn after(cell: &Cell) -> Vec<&'static str> {
    let stops = cell.at == Where::Close && matches!(cell.state, State::Preroll | State::Paused);
    if stops {
        return vec!["null"];
    }
    if cell.state == State::Null {
        return match cell.at {
            Where::Close => vec!["null"],
            _ => vec!["await-strike null"],
        };
    }
    let goes_on = matches!(super::expect::expected(cell), Expected::Whole { .. });
    match cell.state {
        State::Eos => vec!["eos await-end null"],
        State::Preroll if cell.at == Where::Drain && goes_on => vec!["eos play await-end null"],
        State::Preroll if cell.at == Where::Drain => vec!["eos await-end null"],
        State::Preroll | State::Paused if goes_on => vec!["play eos await-end null"],
        _ if goes_on => vec!["eos await-end null"],
        _ => vec!["await-end null"],
    }
}

// SPDX-License-Identifier: MPL-2.0
//! From a combination to the scenario that shows it, or the reason why there is
//! none.

use std::time::Duration;

use super::axes::{Cell, Fault, State, Where};
use super::expect::{Expected, expected};
use super::impossible::{Impossible, possible};
use crate::scenario::{Scenario, Source};

/// Budget of every phase.
pub(super) const BUDGET: Duration = Duration::from_secs(1);
/// `close-timeout`.
pub(super) const CLOSE: Duration = Duration::from_secs(1);
/// `slow-limit`, where a call is busy for ever.
pub(super) const SLOW_LIMIT: Duration = Duration::from_secs(2);
/// What is busy for a while only may take longer than that.
const SLOW_LIMIT_OF_BUSY: Duration = Duration::from_secs(20);

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
    if cell.state == State::Full {
        scenario.queue = 1;
    }
    scenario.script = Some(format!("{}:{}@armed", cell.call().name, fault(cell.fault)));
    // The next session waits for a close of the one before, while it opens.
    let open = match cell.fault {
        _ if !cell.closes() => BUDGET,
        Fault::Busy => 10 * BUDGET,
        _ => 3 * BUDGET,
    };
    let slow_limit = match cell.fault {
        Fault::Busy => SLOW_LIMIT_OF_BUSY,
        _ => SLOW_LIMIT,
    };
    scenario = scenario
        .with("watchdog-timeout", BUDGET.as_nanos())
        .with("drain-timeout", BUDGET.as_nanos())
        .with("open-timeout", open.as_nanos())
        .with("close-timeout", CLOSE.as_nanos())
        .with("slow-limit", slow_limit.as_nanos());
    if cell.restart {
        scenario = scenario.with("restart-limit", 1);
    }
    scenario = scenario.with_all(if holds_back(cell) {
        cell.element.holding
    } else {
        cell.element.quick
    });
    let mut steps = vec![before(cell), operation(cell)];
    steps.extend(after(cell));
    if cell.fault == Fault::Late {
        steps.push("await-reclaim");
    }
    if works_again(cell) {
        steps.push("play push:9 eos await-end null");
    }
    Ok(scenario.then(&steps.join(" ")))
}

/// Whether the element is started again: after a close that took too long.
pub(super) fn works_again(cell: &Cell) -> bool {
    matches!(cell.fault, Fault::Busy | Fault::Late)
        && (cell.at == Where::Close || cell.state == State::Null)
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
        Fault::Busy => "spin=3s",
        Fault::Panic => "panic",
        Fault::Abort => "abort",
        Fault::Segv => "segv",
        Fault::Overflow => "overflow",
        Fault::Exit => "exit",
        Fault::Corrupt => "corrupt",
    }
}

/// Whether frames have to be inside the codec when it is asked to drain, or
/// while nothing may have come out yet.
fn holds_back(cell: &Cell) -> bool {
    let early = cell.state == State::Preroll;
    let drains = matches!(cell.at, Where::Drain | Where::Caps);
    early && !matches!(cell.at, Where::Open | Where::Send | Where::Get)
        || drains && cell.element.drains_what_it_holds
}

/// Up to the moment before.
fn before(cell: &Cell) -> &'static str {
    match (cell.state, cell.source) {
        _ if cell.at == Where::Start => "",
        // So few that an encoder has not given any; a decoder holds back four.
        (State::Preroll, _) => match cell.at {
            Where::Open | Where::Send | Where::Get => "pause",
            _ => "pause push:3 settle",
        },
        // One is with the sink, one in the queue, one is being pushed, and the
        // rest waits for that; nothing waits to go in.
        (State::Full, _) => "play push:9 settle pause push:6 settle",
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
        (Where::Start, State::Preroll) => "arm pause push:9",
        (Where::Start, _) => "arm play push:9",
        // So few that they are taken in, and what comes behind them has to wait.
        (_, State::CapsWait) => "arm burst:3 caps burst:20",
        (_, State::GapWaits) => "arm burst:3 gap burst:20",
        (Where::Send | Where::Get, State::Eos) if cell.restart => "arm burst:3",
        (_, State::Unlinked) => "unlink arm burst:9 idle:1500 link burst:20",
        // What gives packets waits in the library: it strikes with the next one.
        (Where::Get, State::Successor) => "arm burst:3 idle:20 key burst:30",
        (_, State::Successor) => "arm key burst:30",
        // So many that some come after a restart.
        (Where::Send | Where::Get, _) if cell.restart => "arm burst:40",
        (Where::Open, State::Preroll) | (Where::Send | Where::Get, _) => "arm burst:9",
        (Where::Open | Where::Caps, _) => "arm caps burst:9",
        (Where::Query, _) => "arm query burst:9",
        (Where::Flush, _) => "arm flush burst:9",
        (Where::FlushStop, _) => "arm flush-stop burst:9",
        (Where::Seek, _) => "arm seek burst:9",
        (Where::Drain, State::Preroll | State::Eos) => "arm",
        (Where::Drain, _) => "arm gap burst:9",
        (Where::Close, State::Playing) => "arm caps burst:9",
        (Where::Close, _) => "arm",
    }
}

/// What the application does then.
fn after(cell: &Cell) -> Vec<&'static str> {
    let stops = cell.at == Where::Close
        && matches!(cell.state, State::Preroll | State::Paused | State::Full);
    if stops {
        return vec!["null"];
    }
    if cell.state == State::Null {
        return match cell.at {
            Where::Close => vec!["null"],
            _ => vec!["await-strike null"],
        };
    }
    let goes_on = !matches!(expected(cell), Expected::Error(_) | Expected::Dies(_));
    match cell.state {
        State::Preroll if cell.at == Where::Drain && goes_on => vec!["eos play await-end null"],
        State::Preroll if cell.at == Where::Drain => vec!["eos await-end null"],
        State::Preroll | State::Paused | State::Full if goes_on => {
            vec!["play eos await-end null"]
        }
        State::Preroll | State::Paused | State::Full => vec!["await-end null"],
        // What was pushed while it went wrong is answered.
        State::Successor if !goes_on => vec!["await-end await-source null"],
        _ if goes_on || cell.waits_behind() => vec!["eos await-end null"],
        _ => vec!["await-end null"],
    }
}

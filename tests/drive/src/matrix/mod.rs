// SPDX-License-Identifier: MPL-2.0
//! The fault matrix: every fault, at every call, in every state, with both
//! kinds of source, for every element.

mod axes;
mod expect;
mod impossible;
mod judge;
mod outcome;
mod picture;
mod plan;
mod summary;
mod table;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

pub use axes::{Cell, Fault, State, Where};
pub use expect::{Close, Expected, expected};
pub use impossible::Impossible;
pub use judge::complaints;
pub use picture::picture;
pub use plan::plan;
pub use table::document;

use crate::elements::Element;
use crate::progress::Progress;
use crate::{Report, Runner};

/// How a matrix is shown.
#[derive(Debug, Default)]
pub struct How {
    /// What everything may take beyond its bound, where no figures are wanted.
    pub patience: Duration,
    /// Reports of an earlier time: the scenarios that went well are not run again.
    pub earlier: Vec<Report>,
    /// What is not as it has to be is shown once more, alone: a machine that does
    /// something else as well misses a bound now and then.
    pub again: bool,
}

/// What became of a combination.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Which.
    pub cell: Cell,
    /// How it went, or why it cannot be.
    pub result: Result<Report, Impossible>,
    /// What is not as the contract says.
    pub complaints: Vec<String>,
}

/// The elements of these cells, in the order of their table.
fn elements(shown: &[Shown]) -> impl Iterator<Item = Element> {
    Element::all().filter(|element| shown.iter().any(|one| one.cell.element == *element))
}

/// Scenarios at a time: those whose times are measured, the others, and those
/// that burn a processor.
fn jobs(fault: Fault) -> usize {
    match fault {
        Fault::Spin => 1,
        Fault::Busy => 2,
        Fault::Hang | Fault::Late => 4,
        _ => 6,
    }
}

/// Shows every cell of a list, and says of each that is not as it has to be how to
/// replay it.
///
/// # Panics
/// When a process cannot be started.
pub fn show(runner: &Runner, cells: &[Cell], how: &How) -> Vec<Shown> {
    let progress = Progress::for_parts(cells.len() as u64);
    let mut shown = Vec::new();
    for at_a_time in [4, 6, 2, 1] {
        let these = cells.iter().filter(|cell| jobs(cell.fault) == at_a_time);
        show_some(
            runner,
            these.copied(),
            at_a_time,
            how,
            &progress,
            &mut shown,
        );
    }
    if how.again {
        let (well, wrong): (Vec<_>, Vec<_>) =
            shown.into_iter().partition(|one| one.complaints.is_empty());
        shown = well;
        let wrong = wrong.into_iter().map(|one| one.cell);
        show_some(runner, wrong, 1, how, &progress, &mut shown);
    }
    progress.end();
    shown.sort_by_key(|one| one.cell);
    shown
}

fn show_some(
    runner: &Runner,
    cells: impl Iterator<Item = Cell>,
    at_a_time: usize,
    how: &How,
    progress: &Progress,
    shown: &mut Vec<Shown>,
) {
    let queue: Mutex<VecDeque<Cell>> = Mutex::new(cells.collect());
    let shown = Mutex::new(shown);
    std::thread::scope(|scope| {
        for _ in 0..at_a_time {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().pop_front();
                    let Some(cell) = next else { break };
                    let one = show_one(runner, cell, how);
                    say(progress, &one);
                    let mut shown = shown.lock().unwrap();
                    shown.push(one);
                    progress.at(shown.len() as u64, &cell.to_string());
                }
            });
        }
    });
}

fn show_one(runner: &Runner, cell: Cell, how: &How) -> Shown {
    let scenario = match plan(&cell) {
        Ok(scenario) => scenario,
        Err(impossible) => {
            return Shown {
                cell,
                result: Err(impossible),
                complaints: Vec::new(),
            };
        }
    };
    let line = scenario.to_string();
    let earlier = how.earlier.iter().find(|report| {
        report.scenario == line && complaints(&cell, report, how.patience).is_empty()
    });
    let report = earlier.cloned().unwrap_or_else(|| runner.run(&scenario));
    Shown {
        cell,
        complaints: complaints(&cell, &report, how.patience),
        result: Ok(report),
    }
}

fn say(progress: &Progress, one: &Shown) {
    if one.complaints.is_empty() {
        return;
    }
    progress.say(&format!("{}: {}", one.cell, one.complaints.join("; ")));
    if let Ok(report) = &one.result {
        progress.say(&format!("  ./dev replay '{}'", report.scenario));
    }
}

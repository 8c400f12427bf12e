// SPDX-License-Identifier: MPL-2.0
//! `./dev faults`, `./dev soak` and the replay of one scenario.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use drive::matrix::{self, Cell, How};
use drive::soak::Soak;
use drive::{FACTS, Runner, Scenario};

/// Scenarios around an element, each in a process of its own.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Acts a scenario in this process: what the others start.
    Act { scenario: String },
    /// Runs one scenario and shows what is seen of it.
    Replay { scenario: String },
    /// Shows the fault matrix of the elements that users get, or the cells of any
    /// element whose names have all these words.
    Matrix {
        /// Such as `dav1dwatchdec seek playing hang`.
        words: Vec<String>,
        /// Writes FAULTS.md and faults.svg into this folder.
        #[arg(long)]
        docs: Option<PathBuf>,
        /// Writes everything that was seen into this file.
        #[arg(long)]
        facts: Option<PathBuf>,
        /// Does not run again what is in such a file and went well.
        #[arg(long)]
        earlier: Option<PathBuf>,
        /// What may take so many seconds longer, on a machine that does something else
        /// as well: then the figures say nothing.
        #[arg(long, default_value_t = 0)]
        patience: u64,
    },
    /// Runs random scenarios for a time.
    Soak {
        /// For how long.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Which ones.
        #[arg(long)]
        seed: Option<u64>,
        /// The number of the first one.
        #[arg(long, default_value_t = 0)]
        first: u64,
        /// Programs for each processor that burn beside it.
        #[arg(long, default_value_t = 0)]
        load: usize,
        /// With codecs that misbehave.
        #[arg(long)]
        faults: bool,
        /// Scenarios at a time.
        #[arg(long, default_value_t = 2)]
        jobs: usize,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Act { scenario } => {
            let facts = drive::act(&parsed(&scenario));
            println!("{FACTS}{}", serde_json::to_string(&facts).unwrap());
            ExitCode::SUCCESS
        }
        Command::Replay { scenario } => replay(&parsed(&scenario)),
        Command::Matrix {
            words,
            docs,
            facts,
            earlier,
            patience,
        } => {
            let patience = Duration::from_secs(patience);
            matrix(&words, docs, facts, earlier, patience)
        }
        Command::Soak {
            seconds,
            seed,
            first,
            load,
            faults,
            jobs,
        } => soak(Soak {
            seconds,
            seed: seed.unwrap_or_else(|| fastrand::u64(..1_000_000)),
            first,
            load,
            faults,
            jobs,
        }),
    }
}

fn parsed(scenario: &str) -> Scenario {
    scenario.parse().unwrap_or_else(|error| {
        eprintln!("{error}");
        std::process::exit(2)
    })
}

fn runner() -> Runner {
    Runner::new(std::env::current_exe().unwrap())
}

fn replay(scenario: &Scenario) -> ExitCode {
    let report = runner().run(scenario);
    println!("{}", serde_json::to_string_pretty(&report).unwrap());
    ExitCode::from(u8::from(report.facts.is_none()))
}

/// Whether all of these words are in a cell's name. Without any, what users get is
/// asked for.
fn is_asked_for(cell: &Cell, words: &[String]) -> bool {
    if words.is_empty() {
        return cell.element.is_shipped;
    }
    let name = cell.to_string();
    let mut words = words.iter();
    words.all(|word| name.split(' ').any(|part| part == word))
}

fn matrix(
    words: &[String],
    docs: Option<PathBuf>,
    facts: Option<PathBuf>,
    earlier: Option<PathBuf>,
    patience: Duration,
) -> ExitCode {
    let earlier = earlier.map(|path| std::fs::read_to_string(path).unwrap());
    let how = How {
        patience,
        earlier: earlier
            .iter()
            .flat_map(|lines| lines.lines())
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
        again: true,
    };
    let cells: Vec<_> = Cell::all()
        .into_iter()
        .filter(|cell| is_asked_for(cell, words))
        .collect();
    let shown = matrix::show(&runner(), &cells, &how);
    if let Some(folder) = docs {
        std::fs::write(
            folder.join("FAULTS.md"),
            matrix::document(&shown, &drive::machine::describe()),
        )
        .unwrap();
        std::fs::write(folder.join("faults.svg"), matrix::picture(&shown)).unwrap();
    }
    if let Some(path) = facts {
        let lines = shown.iter().filter_map(|one| one.result.as_ref().ok());
        let lines: Vec<_> = lines
            .map(|report| serde_json::to_string(report).unwrap())
            .collect();
        std::fs::write(path, lines.join("\n") + "\n").unwrap();
    }
    let wrong = shown
        .iter()
        .filter(|one| !one.complaints.is_empty())
        .count();
    let cannot = shown.iter().filter(|one| one.result.is_err()).count();
    println!(
        "{} cells: {cannot} that cannot be, {wrong} not as they have to be",
        shown.len()
    );
    ExitCode::from(u8::from(wrong > 0))
}

fn soak(soak: Soak) -> ExitCode {
    println!("seed {}", soak.seed);
    let tally = soak.run(&runner());
    println!("{tally}");
    ExitCode::from(u8::from(tally.failed > 0))
}

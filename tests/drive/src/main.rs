// SPDX-License-Identifier: MPL-2.0
//! `./dev faults`, `./dev soak` and the replay of one scenario.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
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
    /// Runs random scenarios for a time.
    Soak {
        /// For how long.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Which ones.
        #[arg(long)]
        seed: Option<u64>,
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
        Command::Soak {
            seconds,
            seed,
            load,
            faults,
            jobs,
        } => soak(Soak {
            seconds,
            seed: seed.unwrap_or_else(|| fastrand::u64(..1_000_000)),
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

fn soak(soak: Soak) -> ExitCode {
    println!("seed {}", soak.seed);
    let tally = soak.run(&runner());
    println!("{tally}");
    ExitCode::from(u8::from(tally.failed > 0))
}

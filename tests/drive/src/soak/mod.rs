// SPDX-License-Identifier: MPL-2.0
//! The soak: random scenarios for as long as asked.

mod chance;
mod invariants;
mod mischief;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::progress::Progress;
use crate::{Report, Runner};
use support::load::Load;

pub use chance::scenario;
pub use invariants::complaints;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Soak {
    /// For how long scenarios are begun.
    pub seconds: u64,
    /// Decides which.
    pub seed: u64,
    /// The number of the first.
    pub first: u64,
    /// Programs for each processor that burn beside it.
    pub load: usize,
    /// Whether the codecs misbehave.
    pub faults: bool,
    /// Scenarios at a time.
    pub jobs: usize,
}

/// What became of it.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    /// Scenarios that were run.
    pub scenarios: u64,
    /// Lives of pipelines in them.
    pub lives: u64,
    /// Frames that they were given.
    pub frames: u64,
    /// `codecwatch-slow` messages.
    pub slow: u64,
    /// Scenarios in which something was not as it has to be.
    pub failed: u64,
}

impl Soak {
    /// Runs scenarios until the time is up. Says of each that fails how to
    /// replay it.
    ///
    /// # Panics
    /// When a process cannot be started.
    pub fn run(self, runner: &Runner) -> Tally {
        let _load = Load::new(self.load);
        let began = Instant::now();
        let bound = Duration::from_secs(self.seconds);
        let progress = Progress::for_seconds(self.seconds);
        let next = AtomicU64::new(self.first);
        let tally = Mutex::new(Tally::default());
        std::thread::scope(|scope| {
            for _ in 0..self.jobs {
                scope.spawn(|| {
                    while began.elapsed() < bound {
                        let number = next.fetch_add(1, Ordering::SeqCst);
                        let scenario = chance::scenario(self.seed, number, self.faults);
                        let report = runner.run(&scenario);
                        let complaints =
                            invariants::complaints(&scenario, &report, self.load > 0, self.faults);
                        let mut tally = tally.lock().unwrap();
                        tally.add(&report, !complaints.is_empty());
                        for complaint in &complaints {
                            progress.say(&format!("scenario {number}: {complaint}"));
                        }
                        if !complaints.is_empty() {
                            progress.say(&format!("  replay: {scenario}"));
                            for line in report.last_words.iter().rev() {
                                progress.say(&format!("    {line}"));
                            }
                            for line in report.standstill() {
                                progress.say(&format!("    {line}"));
                            }
                        }
                        progress.at(began.elapsed().as_secs(), &tally.to_string());
                    }
                });
            }
        });
        progress.end();
        tally.into_inner().unwrap()
    }
}

impl Tally {
    fn add(&mut self, report: &Report, failed: bool) {
        self.scenarios += 1;
        self.failed += u64::from(failed);
        for life in report.facts.iter().flat_map(|facts| &facts.lives) {
            self.lives += 1;
            self.frames += life.given;
            self.slow += u64::from(life.slow);
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} scenarios, {} lives, {} frames, {} slow, {} failed",
            self.scenarios, self.lives, self.frames, self.slow, self.failed
        )
    }
}

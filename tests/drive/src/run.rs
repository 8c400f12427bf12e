// SPDX-License-Identifier: MPL-2.0
//! Runs scenarios: each in a process of its own, under the fault shim where it
//! has a script, and killed where it hangs.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use support::{Finished, Launch, Running};

use crate::facts::Facts;
use crate::scenario::Scenario;
use crate::{material, stage};

/// Begins the line with the facts.
pub const FACTS: &str = "facts: ";

/// Beyond what the waits of a scenario may take.
const SLACK: Duration = Duration::from_secs(60);

/// What it takes to run scenarios.
#[derive(Debug)]
pub struct Runner {
    program: PathBuf,
    folder: tempfile::TempDir,
    preloaded: Option<PathBuf>,
}

/// What became of a scenario.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// The line that replays it.
    pub scenario: String,
    /// What the process said of itself, unless it did not come to that.
    pub facts: Option<Facts>,
    /// EOS came out of the element, also where the process crashed later.
    pub eos: bool,
    /// The exit code, where it was not ended by a signal.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The step at which it hung, where it had to be killed.
    pub hung: Option<String>,
    /// When the fault struck first, in seconds of the monotonic clock.
    pub struck: Option<f64>,
    /// From the end of its last step to the end of the process, in milliseconds.
    pub left_in: Option<f64>,
    /// How long all of it took, in seconds.
    pub took: f64,
    /// The last lines that it wrote.
    pub last_words: Vec<String>,
}

impl Report {
    /// What the pipelines looked like at the waits that were in vain.
    pub(crate) fn standstill(&self) -> impl Iterator<Item = &String> {
        let lives = self.facts.iter().flat_map(|facts| &facts.lives);
        lives.flat_map(|life| &life.standstill)
    }
}

impl Runner {
    /// A runner whose scenarios are acted by `program`. Encodes the streams for
    /// those of decoders.
    ///
    /// # Panics
    /// Without a place for temporary files.
    pub fn new(program: PathBuf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        material::write(folder.path());
        // Compiled once, before many want it.
        let _ = support::rehearsal::shim();
        Self {
            program,
            folder,
            preloaded: None,
        }
    }

    /// The same with a library that is loaded into every process.
    pub fn preload(self, library: PathBuf) -> Self {
        Self {
            preloaded: Some(library),
            ..self
        }
    }

    /// Runs a scenario to its end.
    ///
    /// # Panics
    /// When the program cannot be started.
    pub fn run(&self, scenario: &Scenario) -> Report {
        self.run_and(scenario, |_| {})
    }

    /// The same, with something done to the process from outside meanwhile.
    ///
    /// # Panics
    /// When the program cannot be started.
    pub fn run_and(&self, scenario: &Scenario, meanwhile: impl FnOnce(&mut Running)) -> Report {
        let own = tempfile::tempdir_in(self.folder.path()).unwrap();
        let mut launch = Launch::program(&self.program)
            .args(["act", &scenario.to_string()])
            .env(material::STREAMS, self.folder.path())
            .env(
                "CODECWATCH_WORKER",
                self.program.with_file_name("codecwatch-worker-drive"),
            )
            // One heap: otherwise each thread that was has left another behind.
            // Symbols take a loaded machine longer than a budget.
            .env("RUST_BACKTRACE", "0")
            .env("MALLOC_ARENA_MAX", "1")
            .env(stage::ARM, own.path().join("arm"))
            .bound(scenario.bound * (scenario.lives + 2) + SLACK);
        if let Some(script) = &scenario.script {
            launch = launch.rehearse(script);
        }
        // The shim speaks on the stderr of the child, which the parent reads.
        let log = own.path().join("log");
        if scenario.element.is_isolated {
            launch = launch.env("CODECWATCH_REHEARSE_LOG", &log);
        }
        if let Some(library) = &self.preloaded {
            launch = launch.preload(library);
        }
        let mut running = launch.start();
        meanwhile(&mut running);
        let mut report = report(scenario, &running.end());
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        report.struck = report.struck.or(log.lines().find_map(struck));
        report
    }
}

fn report(scenario: &Scenario, run: &Finished) -> Report {
    let line = run
        .lines
        .iter()
        .find_map(|line| Some((line, line.text.strip_prefix(FACTS)?)));
    let said = |text: &str| run.lines.iter().any(|line| line.text == text);
    let step = run
        .lines
        .iter()
        .rev()
        .find_map(|line| line.text.strip_prefix("step: "));
    Report {
        scenario: scenario.to_string(),
        facts: line.and_then(|(_, text)| serde_json::from_str(text).ok()),
        eos: said("eos"),
        code: run.status.code(),
        signal: run.status.signal(),
        hung: run
            .killed
            .then(|| step.unwrap_or("before the first").to_owned()),
        struck: run.lines.iter().find_map(|line| struck(&line.text)),
        left_in: line.map(|(line, _)| run.took.saturating_sub(line.at).as_secs_f64() * 1e3),
        took: run.took.as_secs_f64(),
        last_words: run
            .lines
            .iter()
            .rev()
            .filter(|line| !line.text.starts_with(FACTS))
            .take(8)
            .map(|line| line.text.clone())
            .collect(),
    }
}

/// The time in a line of the fault shim.
fn struck(line: &str) -> Option<f64> {
    let line = line.strip_prefix("rehearse: ")?;
    let (_, time) = line.rsplit_once(", at ")?;
    time.strip_suffix(" s)")?.parse().ok()
}

// SPDX-License-Identifier: MPL-2.0
//! How far a long run has come: a bar on a terminal, a line now and then
//! elsewhere.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often the line comes where there is no terminal.
const NOW_AND_THEN: Duration = Duration::from_secs(60);

/// See the module's description.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    total: u64,
    said: Mutex<Instant>,
}

impl Progress {
    /// Of a run that takes so many seconds.
    pub(crate) fn for_seconds(seconds: u64) -> Self {
        Self::new(seconds, "{bar:30} {pos}/{len} s, {msg}")
    }

    /// Of a run that has so many parts.
    pub(crate) fn for_parts(parts: u64) -> Self {
        Self::new(parts, "{bar:30} {pos}/{len}, {eta} left, {msg}")
    }

    fn new(total: u64, template: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(template);
            ProgressBar::new(total)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self {
            bar,
            total,
            said: Mutex::new(Instant::now()),
        }
    }

    /// It has come so far.
    ///
    /// # Panics
    /// After a panic in here.
    pub(crate) fn at(&self, position: u64, message: &str) {
        if let Some(bar) = &self.bar {
            bar.set_position(position.min(self.total));
            bar.set_message(message.to_owned());
            return;
        }
        let mut said = self.said.lock().unwrap();
        if said.elapsed() >= NOW_AND_THEN {
            *said = Instant::now();
            eprintln!("{position}/{}: {message}", self.total);
        }
    }

    /// Something that stays to be read.
    pub(crate) fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| println!("{line}")),
            None => println!("{line}"),
        }
    }

    /// It is over.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

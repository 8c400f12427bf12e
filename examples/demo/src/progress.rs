// SPDX-License-Identifier: MPL-2.0

//! A progress bar: redrawn in place on a terminal, a line per quarter elsewhere.

use std::io::{IsTerminal, Write};
use std::time::Instant;

const WIDTH: usize = 40;

/// How far a job of a known number of frames has come.
pub(crate) struct Progress {
    total: u64,
    began: Instant,
    on_terminal: bool,
    quarters_said: u64,
}

impl Progress {
    /// A job of `total` frames that began at `began`.
    pub(crate) fn new(total: u64, began: Instant) -> Self {
        Self {
            total: total.max(1),
            began,
            on_terminal: std::io::stdout().is_terminal(),
            quarters_said: 0,
        }
    }

    /// Shows that `frames` are done.
    pub(crate) fn show(&mut self, frames: u64) {
        let done = frames.min(self.total);
        let quarters = done * 4 / self.total;
        if !self.on_terminal && quarters == self.quarters_said {
            return;
        }
        self.quarters_said = quarters;

        let filled = usize::try_from(done * WIDTH as u64 / self.total).unwrap_or(WIDTH);
        let fps = frames as f64 / self.began.elapsed().as_secs_f64().max(1e-3);
        let line = format!(
            "  {}{} {:3} %  {frames}/{} frames  {fps:.0} fps",
            "█".repeat(filled),
            "░".repeat(WIDTH - filled),
            done * 100 / self.total,
            self.total,
        );
        let mut out = std::io::stdout().lock();
        // A reader that has gone away misses the bar, nothing else.
        let _ = match self.on_terminal {
            true => write!(out, "\r{line}   "),
            false => writeln!(out, "{line}"),
        }
        .and_then(|()| out.flush());
    }

    /// Leaves the bar as it stands and begins a new line.
    pub(crate) fn finish(self) {
        if self.on_terminal {
            println!();
        }
    }
}

// SPDX-License-Identifier: MPL-2.0
//! How far a job has come: a bar, or a line of JSON each second.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use serde_json::json;

use crate::cli::Show;
use crate::guard::{Claims, declared_frames};

/// How often a line is written.
const LINES: Duration = Duration::from_secs(1);

/// What is known at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) frames: u64,
    /// In the medium.
    pub(crate) position: Duration,
    pub(crate) bytes: u64,
}

/// Shows it.
pub(crate) struct Progress {
    show: Show,
    /// Before each note.
    label: String,
    bar: Option<ProgressBar>,
    began: Instant,
    /// When the last line was written.
    wrote: Option<Instant>,
    last: State,
    duration: Option<Duration>,
    frames: Option<u64>,
}

impl Progress {
    /// For an input that says this of itself.
    pub(crate) fn new(show: Show, claims: &Claims) -> Self {
        let duration = claims.duration.map(Duration::from_nanos);
        let frames = duration
            .zip(claims.video)
            .and_then(|(duration, video)| declared_frames(duration, video));
        let bar = (show == Show::Auto && std::io::stderr().is_terminal()).then(|| bar(duration));
        Self {
            show,
            label: String::new(),
            bar,
            began: Instant::now(),
            wrote: None,
            last: State::default(),
            duration,
            frames,
        }
    }

    /// Shows nothing, and says notes of a job among others after its label.
    pub(crate) fn of_one_among_others(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            ..Self::new(Show::None, &Claims::default())
        }
    }

    /// Shows a state, if it is time.
    pub(crate) fn show(&mut self, state: &State) {
        self.last = *state;
        if let Some(bar) = &self.bar {
            bar.set_position(milliseconds(state.position));
            bar.set_message(self.text());
        }
        if self.show == Show::Json && self.wrote.is_none_or(|wrote| wrote.elapsed() >= LINES) {
            self.wrote = Some(Instant::now());
            self.line();
        }
    }

    /// Says something beside it.
    pub(crate) fn note(&self, text: &str) {
        match (&self.bar, self.show) {
            (Some(bar), _) => bar.println(format!("note: {text}")),
            (None, Show::Json) => say(&json!({"note": text})),
            (None, _) => eprintln!("{}note: {text}", self.label),
        }
    }

    /// The job is done.
    pub(crate) fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        if self.show == Show::Json {
            self.line();
        }
    }

    /// The job is not done.
    pub(crate) fn abandon(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.abandon();
        }
    }

    fn fps(&self) -> f64 {
        self.last.frames as f64 / self.began.elapsed().as_secs_f64().max(1e-3)
    }

    /// Times real time.
    fn speed(&self) -> f64 {
        self.last.position.as_secs_f64() / self.began.elapsed().as_secs_f64().max(1e-3)
    }

    fn left(&self) -> Option<Duration> {
        let speed = self.speed();
        let left = self.duration?.saturating_sub(self.last.position);
        (speed > 0.0)
            .then(|| Duration::try_from_secs_f64(left.as_secs_f64() / speed).ok())
            .flatten()
    }

    fn text(&self) -> String {
        let frames = match self.frames {
            Some(all) => format!("{}/{all}", self.last.frames),
            None => self.last.frames.to_string(),
        };
        let left = self
            .left()
            .map_or_else(String::new, |left| format!("  ETA {} s", left.as_secs()));
        format!(
            "{frames} frames  {:.1} fps  {:.2}x  {}{left}",
            self.fps(),
            self.speed(),
            size(self.last.bytes)
        )
    }

    fn line(&self) {
        say(&json!({
            "frames": self.last.frames,
            "frames-expected": self.frames,
            "position": seconds(self.last.position),
            "duration": self.duration.map(seconds),
            "fps": rounded(self.fps()),
            "speed": rounded(self.speed()),
            "eta": self.left().map(seconds),
            "bytes": self.last.bytes,
        }));
    }
}

/// Bytes for people.
pub(crate) fn size(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

fn bar(duration: Option<Duration>) -> ProgressBar {
    let (bar, template) = match duration {
        Some(duration) => (
            ProgressBar::new(milliseconds(duration)),
            "{bar:30} {percent:>3} %  {msg}",
        ),
        None => (ProgressBar::new_spinner(), "{spinner} {msg}"),
    };
    // The templates are constants; one that is wrong shows as the usual bar.
    bar.with_style(
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
    )
}

fn say(line: &serde_json::Value) {
    // A reader that has gone misses the lines, nothing else.
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn seconds(duration: Duration) -> f64 {
    rounded(duration.as_secs_f64())
}

/// To milliseconds, so that lines stay short.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

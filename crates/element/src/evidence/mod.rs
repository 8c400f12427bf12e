// SPDX-License-Identifier: MPL-2.0
//! The evidence that a fault leaves behind (`evidence-dir`).
//!
//! While the property is set, an element keeps references to the latest inputs of its
//! decoder, and what each session was opened with. At a fault the thread that reports it
//! collects what lies in memory, and passes it on to a thread that writes, which nobody
//! waits for. Nothing here happens under a lock other than the one below, which is held
//! across nothing, or without the property.

mod capture;
mod gdp;
mod input;
mod job;
mod json;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use codecwatch_evidence::{Codec, Cut, LastLook, Recording};
use serde::Serialize;

pub use self::input::{RecordedInput, SampleForm};

/// Sessions of which it is known what they were opened with, and whether their fault was
/// written: those that may still be closing, and a few more.
const SESSIONS: usize = 16;

/// What an element keeps for the evidence of a fault.
#[derive(Debug, Default)]
pub(crate) struct FaultRecorder {
    on: AtomicBool,
    counts: Arc<Counts>,
    state: Mutex<State>,
}

/// Folders of an element.
#[derive(Debug, Default)]
struct Counts {
    pending: AtomicU32,
    written: AtomicU32,
    failed: AtomicU32,
}

#[derive(Debug, Default)]
struct State {
    recording: Recording<RecordedInput>,
    /// Of the session that is about to be started.
    opening: Option<OpenedWith>,
    sessions: VecDeque<Session>,
    /// Sessions whose fault was written, and where.
    written: VecDeque<(u64, PathBuf)>,
}

#[derive(Debug)]
struct Session {
    id: u64,
    opened_with: Option<OpenedWith>,
}

/// What a session was opened with.
#[derive(Debug, Clone)]
pub(crate) struct OpenedWith {
    kind: &'static str,
    config: Result<serde_json::Value, String>,
    /// It runs in a child process.
    pub(crate) isolated: bool,
    /// Shows the child as it was before it was killed.
    pub(crate) last_look: Option<Arc<LastLook>>,
}

impl OpenedWith {
    pub(crate) fn new(kind: &'static str, config: &impl Serialize) -> Self {
        Self {
            kind,
            config: serde_json::to_value(config).map_err(|error| error.to_string()),
            isolated: false,
            last_look: None,
        }
    }

    /// For the table of contents.
    fn codec(&self) -> Result<Codec, String> {
        Ok(Codec {
            kind: self.kind.to_owned(),
            isolated: self.isolated,
            config: self.config.clone()?,
        })
    }
}

/// What is known when a session has failed.
#[derive(Default)]
struct Kept {
    opened_with: Option<OpenedWith>,
    inputs: Vec<RecordedInput>,
    cut: Cut,
}

impl FaultRecorder {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether `evidence-dir` is set.
    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    pub(crate) fn set_on(&self, on: bool) {
        if self.on.swap(on, Ordering::Relaxed) && !on {
            self.forget_inputs();
        }
    }

    /// Notes what the next session is opened with. `None`: nothing is kept.
    pub(crate) fn note_opening(&self, opened_with: Option<OpenedWith>) {
        self.state().opening = opened_with;
    }

    /// The session has been started.
    pub(crate) fn note_session(&self, id: u64) {
        if !self.is_on() {
            return;
        }
        let mut state = self.state();
        let opened_with = state.opening.take();
        state.sessions.push_back(Session { id, opened_with });
        let oldest = (state.sessions.len() > SESSIONS).then(|| state.sessions.pop_front());
        drop(state);
        drop(oldest);
    }

    fn add(&self, id: u32, input: RecordedInput) {
        let gone = self.state().recording.add(id, input);
        drop(gone);
    }

    /// An input was not taken by a session.
    pub(crate) fn take_back(&self, id: u32) {
        if self.is_on() {
            let gone = self.state().recording.take_back(id);
            drop(gone);
        }
    }

    /// Inputs have come out.
    pub(crate) fn settle<I: IntoIterator<Item = u32>>(&self, ids: impl FnOnce() -> I) {
        if self.is_on() {
            let gone = self.state().recording.settle(ids());
            drop(gone);
        }
    }

    /// What the codec was given is not inside any more.
    pub(crate) fn forget_inputs(&self) {
        let gone = self.state().recording.take();
        drop(gone);
    }

    /// Adds the counts of folders to the `stats` structure.
    pub(crate) fn add_stats(&self, stats: &mut gst::Structure) {
        let counts = &self.counts;
        for (name, count) in [
            ("evidence-pending", &counts.pending),
            ("evidence-written", &counts.written),
            ("evidence-failed", &counts.failed),
        ] {
            stats.set(name, count.load(Ordering::Relaxed));
        }
    }

    /// Takes what is known of a session for its evidence, which will be at `path`.
    ///
    /// # Errors
    /// It was taken before: where that is. Two threads may find the same fault, and
    /// either may report it.
    fn take(&self, session: u64, path: &Path) -> Result<Kept, PathBuf> {
        let mut state = self.state();
        if let Some((_, before)) = state.written.iter().find(|(id, _)| *id == session) {
            return Err(before.clone());
        }
        state.written.push_back((session, path.to_owned()));
        if state.written.len() > SESSIONS {
            state.written.pop_front();
        }
        let known = state.sessions.iter().find(|known| known.id == session);
        let opened_with = known.and_then(|known| known.opened_with.clone());
        let (inputs, cut) = state.recording.take();
        Ok(Kept {
            opened_with,
            inputs: inputs.into_iter().map(|(_, input)| input).collect(),
            cut,
        })
    }
}

impl<I: Send + 'static, O: Send + 'static> crate::Supervision<I, O> {
    /// Whether inputs are recorded: `evidence-dir` is set.
    pub fn records(&self) -> bool {
        self.recorder().is_on()
    }

    /// Records an input that is about to be [submitted](Self::submit) under this number,
    /// unless none are recorded. Costs a comparison then.
    pub fn record(&self, id: u32, input: impl FnOnce() -> RecordedInput) {
        if self.records() {
            self.recorder().add(id, input());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input() -> RecordedInput {
        gst::init().unwrap();
        RecordedInput::new(gst::Buffer::from_slice([0; 10]), None, true)
    }

    #[test]
    fn a_recorder_that_is_off_keeps_nothing_and_one_that_is_turned_off_forgets() {
        let recorder = FaultRecorder::default();
        recorder.note_session(1);
        assert_eq!(recorder.state().sessions.len(), 0);
        recorder.set_on(true);
        recorder.note_session(1);
        recorder.add(0, input());
        recorder.set_on(false);
        let kept = recorder.take(1, Path::new("/a")).unwrap();
        assert_eq!(kept.inputs.len(), 0);
    }

    #[test]
    fn the_evidence_of_a_session_is_taken_once_and_where_it_is_stays_known() {
        let recorder = FaultRecorder::default();
        recorder.set_on(true);
        recorder.note_opening(Some(OpenedWith::new("kind", &7)));
        recorder.note_session(1);
        for session in [1, 2] {
            recorder.add(0, input());
            let path = PathBuf::from(format!("/{session}"));
            let kept = recorder.take(session, &path).unwrap();
            assert_eq!(kept.inputs.len(), 1);
            assert_eq!(kept.opened_with.is_some(), session == 1);
            assert_eq!(recorder.take(session, Path::new("/x")).err(), Some(path));
        }
    }
}

// SPDX-License-Identifier: MPL-2.0
//! The sessions of one element in the order in which they give output, and the frames
//! that were submitted to each. No waits and no calls into GStreamer: everything here
//! runs with the supervision's lock held.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use codecwatch_supervisor::{Name, Run, Stats};

use crate::flow_returns::{Flow, FlowReturns};
use crate::restarts::Restarts;

/// Whether the element has failed. Reset only when the element goes to READY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// It has not.
    None,
    /// It has, and the error is about to be posted.
    Reporting,
    /// It has, and the error is on the bus.
    Reported,
}

/// A frame submitted to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// The base class's number for it. Numbers grow until the element stops.
    pub id: u32,
    /// When it is shown.
    pub pts: Option<gst::ClockTime>,
}

/// A frame that was submitted and has not come out.
#[derive(Debug, Clone, Copy)]
struct Inside {
    pts: Option<gst::ClockTime>,
    submitted: Instant,
}

/// Frames that were lost with a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) ids: Vec<u32>,
    /// The earliest and the latest presentation time, if any frame has one.
    pub(crate) pts: Option<(gst::ClockTime, gst::ClockTime)>,
    /// Their session's place in line.
    pub(crate) place: usize,
}

/// One session in line.
#[derive(Debug)]
pub(crate) struct InLine<I, O> {
    pub(crate) run: Run<I, O>,
    /// Frames submitted to it that have not come out.
    frames: BTreeMap<u32, Inside>,
    /// Frames were lost before its next output.
    discont: bool,
}

/// See the module's description.
#[derive(Debug)]
pub(crate) struct Line<I, O> {
    /// The front gives output, the back takes input; those before it drain.
    sessions: VecDeque<InLine<I, O>>,
    /// Sessions that give no more output; some are still closing.
    leaving: Vec<Run<I, O>>,
    pub(crate) flow_returns: FlowReturns,
    failure: Failure,
    /// The run that `stats` describes if none is in line.
    latest: Option<Run<I, O>>,
    pub(crate) restarts: Restarts,
    /// Inputs that only waited for a session which was given up: the first of the next
    /// one.
    carried: Vec<I>,
    /// Frames were lost before the first output of the next session.
    discont: bool,
    /// The session whose output is being delivered.
    delivering: Option<u64>,
    /// A session has been given up, and its restart message is about to be posted.
    pub(crate) posting: bool,
    /// Between FLUSH_START and FLUSH_STOP: no session begins.
    pub(crate) flushing: bool,
    /// Set from the state change to READY until the element has stopped: no session
    /// begins, and no flush resets it.
    pub(crate) stopping: bool,
}

impl<I, O> Default for Line<I, O> {
    fn default() -> Self {
        Self {
            sessions: VecDeque::new(),
            leaving: Vec::new(),
            flow_returns: FlowReturns::default(),
            failure: Failure::None,
            latest: None,
            restarts: Restarts::default(),
            carried: Vec::new(),
            discont: false,
            delivering: None,
            posting: false,
            flushing: false,
            stopping: false,
        }
    }
}

/// Whether an output may be delivered.
pub(crate) enum Claim {
    /// It may.
    Taken {
        /// The newest frame that it settles, if any.
        last: Option<u32>,
        /// How many of the session it settles, and how long the first of these was inside.
        settled: u64,
        lag: Duration,
    },
    /// Its session has left the line: its frames are lost, and it must be dropped.
    Lost,
}

/// What became of an input.
pub(crate) enum Submitted<I, O> {
    /// The worker will take it.
    Taken,
    /// The last session in line has no room, or takes no more input.
    NotNow(I, Run<I, O>),
    /// No session is in line.
    NoSession(I),
}

impl<I: Send + 'static, O: Send + 'static> Line<I, O> {
    /// The line of an element that has been stopped: empty but for sessions that are
    /// still closing. The next session waits for them.
    pub(crate) fn after(closing: Vec<Run<I, O>>) -> Self {
        Self {
            leaving: closing,
            ..Self::default()
        }
    }

    // ---- what may happen at the moment

    /// Whether no session may begin now.
    pub(crate) fn is_held(&self) -> bool {
        self.flushing || self.stopping
    }

    /// Whether the element has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.failure != Failure::None
    }

    /// Whether the element has failed and its error is not posted yet.
    pub(crate) fn is_reporting(&self) -> bool {
        self.failure == Failure::Reporting
    }

    /// Checks whether a buffer may pass now. A flow return from downstream stops none:
    /// upstream decides.
    ///
    /// # Errors
    /// The flow return for the buffer.
    pub(crate) fn check_open(&self) -> Result<(), gst::FlowError> {
        match self.failure {
            Failure::None if self.is_held() => Err(gst::FlowError::Flushing),
            Failure::None => Ok(()),
            // A source posts its own error when it sees `Error`; it must not come
            // before ours, which gives the reason.
            Failure::Reporting => Err(gst::FlowError::Flushing),
            Failure::Reported => Err(gst::FlowError::Error),
        }
    }

    // ---- sessions

    /// The session that gives output.
    pub(crate) fn front(&self) -> Option<&Run<I, O>> {
        self.sessions.front().map(|session| &session.run)
    }

    /// The session that takes input.
    pub(crate) fn back(&self) -> Option<&Run<I, O>> {
        self.sessions.back().map(|session| &session.run)
    }

    /// Sessions in line.
    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// All runs that are in line.
    pub(crate) fn runs(&self) -> Vec<Run<I, O>> {
        let runs = self.sessions.iter().map(|session| session.run.clone());
        runs.collect()
    }

    /// All runs that have left the line and may still be closing.
    pub(crate) fn leaving(&self) -> &[Run<I, O>] {
        &self.leaving
    }

    /// Takes out those that have closed. The caller must drop them without the lock.
    pub(crate) fn take_closed(&mut self) -> Vec<Run<I, O>> {
        let (closed, leaving) = std::mem::take(&mut self.leaving)
            .into_iter()
            .partition(Run::is_closed);
        self.leaving = leaving;
        closed
    }

    /// The run that a new one has to wait for.
    pub(crate) fn predecessor(&self) -> Option<Run<I, O>> {
        self.back().or(self.leaving.last()).cloned()
    }

    /// The run that `stats` describes.
    pub(crate) fn shown(&self) -> Option<Run<I, O>> {
        let failed = self.latest.as_ref().filter(|_| self.has_failed());
        failed.or(self.back()).or(self.latest.as_ref()).cloned()
    }

    /// The run that `stats` describes: its codec and its numbers. Clones no run: the last
    /// clone that is dropped may free much, and this is for threads that must not.
    pub(crate) fn shown_stats(&self) -> Option<(Name, Stats)> {
        let failed = self.latest.as_ref().filter(|_| self.has_failed());
        let run = failed.or(self.back()).or(self.latest.as_ref())?;
        Some((run.library().clone(), run.stats()))
    }

    /// The run that gives output; if none is in line, the last that did.
    pub(crate) fn giving(&self) -> Option<Run<I, O>> {
        self.front().or(self.latest.as_ref()).cloned()
    }

    /// Appends a session to the line.
    pub(crate) fn enter(&mut self, run: Run<I, O>) {
        if let Err(refused) = run.submit_first(std::mem::take(&mut self.carried)) {
            self.carried = refused;
        }
        self.sessions.push_back(InLine {
            run,
            frames: BTreeMap::new(),
            discont: std::mem::take(&mut self.discont),
        });
    }

    /// Takes a run out of the line, or notes one that never entered it: the next one
    /// waits for its end.
    pub(crate) fn leave(&mut self, run: &Run<I, O>) -> Option<InLine<I, O>> {
        if !self.leaving.iter().any(|other| other.is(run)) {
            self.leaving.push(run.clone());
        }
        self.latest = Some(run.clone());
        let at = self.position(run)?;
        let session = self.sessions.remove(at)?;
        if session.discont {
            self.mark_discont(at);
        }
        Some(session)
    }

    /// The same for a run that is given up: the frames submitted to it are lost.
    pub(crate) fn lose(&mut self, run: &Run<I, O>) -> Lost {
        let at = self.position(run).unwrap_or_default();
        let frames = self.leave(run).map(|session| session.frames);
        let frames = frames.unwrap_or_default();
        self.mark_discont(at);
        let times = || frames.values().filter_map(|frame| frame.pts);
        Lost {
            ids: frames.keys().copied().collect(),
            pts: times().min().zip(times().max()),
            place: at,
        }
    }

    /// Passes on inputs that only waited for the session that was lost at this place:
    /// to the session that has moved up there, or else to the next one.
    pub(crate) fn carry(&mut self, place: usize, inputs: Vec<I>) {
        let refused = match self.sessions.get(place) {
            Some(session) => session.run.submit_first(inputs),
            None => Err(inputs),
        };
        self.carried.extend(refused.err().into_iter().flatten());
    }

    /// The inputs for which no session came.
    pub(crate) fn take_carried(&mut self) -> Vec<I> {
        std::mem::take(&mut self.carried)
    }

    /// Takes every session out of the line.
    pub(crate) fn clear(&mut self) -> Vec<Run<I, O>> {
        let runs = self.runs();
        for run in &runs {
            self.leave(run);
        }
        runs
    }

    pub(crate) fn position(&self, run: &Run<I, O>) -> Option<usize> {
        self.sessions.iter().position(|session| session.run.is(run))
    }

    // ---- frames

    /// Submits an input to the last session in line and records its frame there, if it
    /// has one: in one
    /// step, so that a session that is given up at the same time has either both or
    /// neither.
    pub(crate) fn submit(&mut self, frame: Option<Frame>, input: I) -> Submitted<I, O> {
        let Some(session) = self.sessions.back_mut() else {
            return Submitted::NoSession(input);
        };
        match session.run.submit(input) {
            Ok(()) => {
                if let Some(frame) = frame {
                    let inside = Inside {
                        pts: frame.pts,
                        submitted: Instant::now(),
                    };
                    session.frames.insert(frame.id, inside);
                    session.run.meter().note_in();
                    self.flow_returns.note_submitted(frame.id);
                }
                Submitted::Taken
            }
            Err(input) => Submitted::NotNow(input, session.run.clone()),
        }
    }

    /// Removes the frames of an output from its session.
    pub(crate) fn claim(
        &mut self,
        run: &Run<I, O>,
        frames: impl IntoIterator<Item = u32>,
    ) -> Claim {
        let at = self.position(run);
        let Some(session) = at.and_then(|at| self.sessions.get_mut(at)) else {
            return Claim::Lost;
        };
        let now = Instant::now();
        let (mut last, mut settled, mut lag) = (None, 0, Duration::ZERO);
        for id in frames {
            last = last.max(Some(id));
            if let Some(frame) = session.frames.remove(&id) {
                let inside = now.saturating_duration_since(frame.submitted);
                run.meter().note_out(inside);
                settled += 1;
                lag = lag.max(inside);
            }
        }
        self.delivering = Some(run.id());
        Claim::Taken { last, settled, lag }
    }

    /// Clears all frames and marks of losses: a flush has dropped them.
    pub(crate) fn forget_frames(&mut self) {
        for session in &mut self.sessions {
            session.frames.clear();
            session.discont = false;
        }
        self.discont = false;
        self.flow_returns.forget();
    }

    /// Frames were lost before the next output of the session at this place.
    fn mark_discont(&mut self, at: usize) {
        match self.sessions.get_mut(at) {
            Some(session) => session.discont = true,
            None => self.discont = true,
        }
    }

    /// Whether the output being delivered has to be marked DISCONT; returns true once.
    /// If its session has left the line meanwhile, the mark belongs to an output of the
    /// next one.
    pub(crate) fn take_discont(&mut self) -> bool {
        let delivering = self.delivering;
        let session = self.sessions.front_mut();
        let session = session.filter(|session| delivering.is_none_or(|id| session.run.id() == id));
        session.is_some_and(|session| std::mem::take(&mut session.discont))
    }

    // ---- downstream's answers

    /// Whether an output is being delivered.
    pub(crate) fn is_delivering(&self) -> bool {
        self.delivering.is_some()
    }

    /// Notes that an output has been delivered. `flow`: the flow return for frame `id`,
    /// if something was pushed.
    pub(crate) fn note_delivery(&mut self, id: Option<u32>, flow: Option<Flow>) {
        self.delivering = None;
        let Some(flow) = flow else { return };
        if !matches!(flow, Ok(_) | Err(gst::FlowError::Eos)) {
            // The buffer did not arrive.
            self.mark_discont(0);
        }
        self.flow_returns.note(id, flow);
    }

    // ---- failure

    /// Marks the element as failed: every session leaves the line. `None` if it had
    /// failed before. The caller then posts the error and calls
    /// [`reported`](Self::reported).
    pub(crate) fn fail(&mut self) -> Option<Vec<Run<I, O>>> {
        if self.has_failed() {
            return None;
        }
        self.failure = Failure::Reporting;
        Some(self.clear())
    }

    /// Makes `stats` describe this run from now on.
    pub(crate) fn show(&mut self, run: &Run<I, O>) {
        self.latest = Some(run.clone());
    }

    /// The error is on the bus.
    pub(crate) fn reported(&mut self) {
        if self.failure == Failure::Reporting {
            self.failure = Failure::Reported;
        }
    }
}

// SPDX-License-Identifier: MPL-2.0
//! Submits frames to sessions, and starts sessions.

use codecwatch_supervisor::{Codec, Listener, Options, Run, Trace, WaitResult};
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::fault_resolution::{FaultResolution, Observer};
use crate::line::{Frame, Submitted};
use crate::{BaseClass, CAT, Supervised, Supervision, output_task, report};

/// Sessions that may be in line before the next frame has to wait: one that drains, its
/// successor, and one more that a later request required.
const MOST_IN_LINE: usize = 3;

impl<I: Send + 'static, O: Send + 'static> Supervision<I, O> {
    /// Waits until the worker has room, or until waiting has no use. The watchdog
    /// bounds the wait unless downstream blocks. If new sessions start faster than
    /// downstream takes their output, waits for downstream, too.
    pub(crate) fn wait_for_room(&self) {
        let line = self.wait_for_line(|line| {
            line.len() > MOST_IN_LINE && !line.is_held() && !line.has_failed()
        });
        let run = line.back().cloned();
        drop(line);
        // The other results do not matter: `submit` checks again.
        if let Some(run) = run
            && run.wait_for_room() == WaitResult::Failed
        {
            self.wait_delivered_before_restart(&run);
        }
    }

    /// Submits an input to the codec, a frame or something that is none, such as an
    /// event; opens a session first if there is none.
    ///
    /// # Errors
    /// [`NotTaken`](SubmitError::NotTaken) with `Flushing`, or with `Error` once the
    /// element has failed. [`Downstream`](SubmitError::Downstream) with the flow return
    /// for an earlier frame: this one was taken, and the codec goes on in any case.
    pub fn submit<T>(
        &self,
        imp: &T,
        frame: impl Into<Option<Frame>>,
        input: I,
    ) -> Result<gst::FlowSuccess, SubmitError>
    where
        T: Supervised<Input = I, Output = O>,
    {
        let frame = frame.into();
        let submitted = self.hand_in(imp, frame, input);
        if let (Err(SubmitError::NotTaken(_)), Some(frame)) = (&submitted, frame) {
            self.recorder().take_back(frame.id);
        }
        submitted
    }

    fn hand_in<T>(
        &self,
        imp: &T,
        frame: Option<Frame>,
        mut input: I,
    ) -> Result<gst::FlowSuccess, SubmitError>
    where
        T: Supervised<Input = I, Output = O>,
    {
        loop {
            let submitted = {
                let mut line = self.lock();
                line.check_open().map_err(SubmitError::NotTaken)?;
                match line.submit(frame, input) {
                    Submitted::Taken => {
                        // The answer to an event is not told.
                        let flow = match frame {
                            Some(_) => line.flow_returns.report(),
                            None => line.flow_returns.flow(),
                        };
                        drop(line);
                        if let Some(frame) = frame {
                            if let Some(published) = self.published() {
                                published.note_in();
                            }
                            gst::trace!(CAT, imp = imp, "frame {}: submitted", frame.id);
                        }
                        return flow.map_err(SubmitError::Downstream);
                    }
                    other => other,
                }
            };
            input = match submitted {
                Submitted::NotNow(input, run) => {
                    self.wait_for_place(imp, &run)?;
                    input
                }
                Submitted::NoSession(input) => {
                    self.start(imp, Place::Only)
                        .map_err(SubmitError::NotTaken)?;
                    input
                }
                Submitted::Taken => return Ok(gst::FlowSuccess::Ok),
            };
        }
    }

    /// Waits until this session has room, or another can replace it.
    fn wait_for_place<T>(&self, imp: &T, run: &Run<I, O>) -> Result<(), SubmitError>
    where
        T: Supervised<Input = I, Output = O>,
    {
        match run.wait_for_room() {
            WaitResult::Ready => {}
            // Its output may not be delivered yet: the output task takes it out of the
            // line afterwards.
            WaitResult::Spent => {
                return self
                    .start(imp, Place::Behind)
                    .map_err(SubmitError::NotTaken);
            }
            // By a flush, a stop or a failure: the state of the line shows which.
            WaitResult::Cancelled => {
                let line = self.lock();
                line.check_open().map_err(SubmitError::NotTaken)?;
                if line.position(run).is_some() {
                    return Err(SubmitError::NotTaken(gst::FlowError::Flushing));
                }
            }
            WaitResult::Failed => {
                // The base classes hold their stream lock here, without which the output
                // task cannot deliver.
                if T::BASE == BaseClass::Element {
                    self.wait_delivered_before_restart(run);
                }
                match self.resolve_fault(imp, run, Observer::Stream) {
                    FaultResolution::Restarted => {}
                    FaultResolution::Fatal => {
                        return Err(SubmitError::NotTaken(gst::FlowError::Error));
                    }
                    // Upstream must stop, but must not post an error before ours.
                    FaultResolution::Pending => {
                        return Err(SubmitError::NotTaken(gst::FlowError::Flushing));
                    }
                }
            }
        }
        Ok(())
    }

    /// Drains the current session and opens another for the next input, without a gap:
    /// for what a session cannot change while it runs. A second call before the new
    /// session has opened has no effect: the new session serves both. So at most one
    /// session drains and one waits.
    ///
    /// # Errors
    /// The flow return for the frame that requires the new session.
    pub fn hand_over<T>(&self, imp: &T) -> Result<(), gst::FlowError>
    where
        T: Supervised<Input = I, Output = O>,
    {
        let (run, waits) = {
            let line = self.lock();
            let Some(run) = line.back().cloned() else {
                return Ok(());
            };
            (run, line.len() > 1)
        };
        if waits && !run.has_opened() {
            return Ok(());
        }
        run.request_drain(true);
        self.start(imp, Place::Behind)
    }

    /// Opens a session ahead of the first input, if there is none. Does not wait for
    /// it.
    ///
    /// # Errors
    /// What [`submit`](Self::submit) would return.
    pub fn open_ahead<T>(&self, imp: &T) -> Result<(), gst::FlowError>
    where
        T: Supervised<Input = I, Output = O>,
    {
        let has_session = {
            let line = self.lock();
            line.check_open()?;
            line.len() > 0
        };
        if has_session {
            Ok(())
        } else {
            self.start(imp, Place::Only)
        }
    }

    /// Starts a session at the end of the line, and the output task.
    fn start<T>(&self, imp: &T, place: Place) -> Result<(), gst::FlowError>
    where
        T: Supervised<Input = I, Output = O>,
    {
        let element = imp.obj();
        let element = element.upcast_ref::<gst::Element>();
        let settings = self.settings();
        if let Some(published) = self.published() {
            published.identify(element);
        }
        let codec = imp.codec().ok_or(gst::FlowError::NotNegotiated)?;
        // Whatever the element knows of the property: what runs here was not asked for.
        if settings.isolate && !codec.is_isolated() {
            let element = element.clone();
            return Err(self.end(imp, move || report::post_not_isolated(&element)));
        }
        let (predecessor, closed) = {
            let mut line = self.lock_posted();
            let closed = line.take_closed();
            (line.predecessor(), closed)
        };
        drop(closed);
        let options = Options {
            budgets: settings.budgets,
            max_abandoned: settings.max_abandoned as usize,
            predecessor,
            trace: Some(trace::<T>()),
            listener: Some(listener(imp)),
        };
        let run = match Run::start(codec, options) {
            Ok(run) => run,
            Err(refused) => {
                let element = element.clone();
                return Err(self.end(imp, move || report::post_refused(&element, &refused)));
            }
        };
        self.recorder().note_session(run.id());
        let mut line = self.lock();
        if let Err(flow) = line.check_open() {
            // The flush, stop or failure did not cancel the waits of this session: it
            // would wait on, and the output task with it.
            drop(line);
            self.retire(imp, &run);
            return Err(flow);
        }
        if place == Place::Only && line.len() > 0 {
            // Another thread has opened one meanwhile, ahead of the first input.
            drop(line);
            self.retire(imp, &run);
            return Ok(());
        }
        gst::debug!(CAT, imp = imp, "started {run:?}");
        line.enter(run.clone());
        drop(line);
        if let Some(published) = self.published() {
            published.note_session();
        }
        // They may have changed meanwhile.
        run.set_budgets(self.settings().budgets);
        output_task::start(imp);
        Ok(())
    }
}

/// Logs the progress of frames inside a session. With the log off, costs a comparison
/// of levels for each.
fn trace<T: Supervised>() -> Trace<T::Input, T::Output> {
    Trace {
        taken: |session, input| {
            if let Some(id) = T::frame_in(input) {
                gst::trace!(CAT, "frame {id}: taken by session {session}");
            }
        },
        emitted: |session, output| {
            if gst::DebugLevel::Trace > CAT.threshold() {
                return;
            }
            for id in T::frames_of(output) {
                gst::trace!(CAT, "frame {id}: emitted by session {session}");
            }
        },
    }
}

/// Passes what a session tells to the element, as long as it lives.
fn listener<T: Supervised>(imp: &T) -> Listener<T::Output> {
    let weak = imp.obj().downgrade();
    Listener::new(move |told, missed| {
        if let Some(element) = weak.upgrade() {
            T::from_obj(&element).told(told, missed);
        }
    })
}

/// The place of a new session in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// There is no other.
    Only,
    /// Behind those that drain.
    Behind,
}

/// Why [`Supervision::submit`] does not return `Ok`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubmitError {
    /// The frame was not taken: release it.
    NotTaken(gst::FlowError),
    /// The frame was taken; this is the flow return for an earlier one.
    Downstream(gst::FlowError),
}

impl From<SubmitError> for gst::FlowError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::NotTaken(flow) | SubmitError::Downstream(flow) => flow,
        }
    }
}

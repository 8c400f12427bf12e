// SPDX-License-Identifier: MPL-2.0
//! The way of a frame to its session, and the beginning of a session.

use codecwatch_supervisor::{Options, Run, Trace, WaitResult};
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::fault_resolution::{FaultResolution, Observer};
use crate::line::{Frame, Submitted};
use crate::{CAT, Supervised, Supervision, output_task, report};

/// Sessions that may be in line before the next frame has to wait: one that drains, one
/// that has taken over, and one more that a request has made necessary since.
const MOST_IN_LINE: usize = 3;

impl<I: Send + 'static, O: Send + 'static> Supervision<I, O> {
    /// Waits until the worker has room, or until there is no point in waiting. The
    /// watchdog bounds it, unless downstream is what takes its time. Where sessions
    /// follow each other faster than downstream takes what they give, it waits for
    /// that, too.
    pub(crate) fn wait_for_room(&self) {
        let line = self.wait_for_line(|line| {
            line.len() > MOST_IN_LINE && !line.is_held() && !line.has_failed()
        });
        let run = line.back().cloned();
        drop(line);
        if let Some(run) = run
            && run.is_full()
        {
            // However it ended: `submit` looks for itself.
            let _: WaitResult = run.wait_for_room();
        }
    }

    /// Hands a frame to the codec, opening a session first where there is none.
    ///
    /// # Errors
    /// `Flushing`, or `Error` once the element has failed: then the frame was not
    /// taken. Otherwise it was, and this is what downstream answered to an earlier
    /// one; the codec goes on, whatever it was.
    pub fn submit<T>(
        &self,
        imp: &T,
        frame: Frame,
        input: I,
    ) -> Result<gst::FlowSuccess, SubmitError>
    where
        T: Supervised<Input = I, Output = O>,
    {
        let mut input = input;
        loop {
            let submitted = {
                let mut line = self.lock();
                line.check_open().map_err(SubmitError::NotTaken)?;
                match line.submit(frame, input) {
                    Submitted::Taken => {
                        let flow = line.answers.flow();
                        drop(line);
                        gst::trace!(CAT, imp = imp, "frame {}: submitted", frame.id);
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
                    self.start(imp).map_err(SubmitError::NotTaken)?;
                    input
                }
                Submitted::Taken => return Ok(gst::FlowSuccess::Ok),
            };
        }
    }

    /// Waits until this session has room, or another can take its place.
    fn wait_for_place<T>(&self, imp: &T, run: &Run<I, O>) -> Result<(), SubmitError>
    where
        T: Supervised<Input = I, Output = O>,
    {
        match run.wait_for_room() {
            WaitResult::Ready => {}
            // What it has given may still be on its way: the output task takes it out of
            // the line when that is done.
            WaitResult::Spent => return self.start(imp).map_err(SubmitError::NotTaken),
            // By a flush, a stop or a failure: the next look at the line says which.
            WaitResult::Cancelled => {
                let line = self.lock();
                line.check_open().map_err(SubmitError::NotTaken)?;
                if line.position(run).is_some() {
                    return Err(SubmitError::NotTaken(gst::FlowError::Flushing));
                }
            }
            WaitResult::Failed => match self.resolve_fault(imp, run, Observer::Stream) {
                FaultResolution::Restarted => {}
                FaultResolution::Fatal => {
                    return Err(SubmitError::NotTaken(gst::FlowError::Error));
                }
                // Upstream has to stop, but must not post an error before ours.
                FaultResolution::Pending => {
                    return Err(SubmitError::NotTaken(gst::FlowError::Flushing));
                }
            },
        }
        Ok(())
    }

    /// Lets the present session finish what it has, and opens another for the
    /// next input, without a gap: for what a session cannot change while it runs.
    /// Asked for again before the new one has opened, it changes nothing: the new
    /// session serves both. So one session drains and one waits at most.
    ///
    /// # Errors
    /// What the frame that needs it is to be answered with.
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
        self.start(imp)
    }

    /// Starts a session behind those that are there, and the output task.
    fn start<T>(&self, imp: &T) -> Result<(), gst::FlowError>
    where
        T: Supervised<Input = I, Output = O>,
    {
        let element = imp.obj();
        let element = element.upcast_ref::<gst::Element>();
        let settings = self.settings();
        let codec = imp.codec().ok_or(gst::FlowError::NotNegotiated)?;
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
        };
        let run = match Run::start(codec, options) {
            Ok(run) => run,
            Err(refused) => {
                let element = element.clone();
                return Err(self.end(imp, move || report::post_refused(&element, &refused)));
            }
        };
        let mut line = self.lock();
        if let Err(flow) = line.check_open() {
            // Who made every wait return did not know of this session: it would
            // wait on, and the output task with it.
            line.leave(&run);
            drop(line);
            run.request_close();
            return Err(flow);
        }
        gst::debug!(CAT, imp = imp, "started {run:?}");
        line.enter(run.clone());
        drop(line);
        // They may have been set since.
        run.set_budgets(self.settings().budgets);
        output_task::start(imp);
        Ok(())
    }
}

/// Has the log tell what becomes of frames inside a session. Costs a comparison of
/// levels for each where the log is off.
fn trace<T: Supervised>() -> Trace<T::Input, T::Output> {
    Trace {
        taken: |session, input| {
            let id = T::frame_in(input);
            gst::trace!(CAT, "frame {id}: taken by session {session}");
        },
        emitted: |session, output| {
            if let Some(id) = T::frame_of(output) {
                gst::trace!(CAT, "frame {id}: emitted by session {session}");
            }
        },
    }
}

/// Why [`Supervision::submit`] answers anything but `Ok`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubmitError {
    /// The frame was not taken: let go of it.
    NotTaken(gst::FlowError),
    /// It was taken; downstream answered this to an earlier one.
    Downstream(gst::FlowError),
}

impl From<SubmitError> for gst::FlowError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::NotTaken(flow) | SubmitError::Downstream(flow) => flow,
        }
    }
}

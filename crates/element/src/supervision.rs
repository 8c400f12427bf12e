// SPDX-License-Identifier: MPL-2.0
//! The runs of one element, from start to stop.
//!
//! Lock order: the element's settings, then `Inner`, then a run's own lock. No
//! lock is held across a push, a post, a query or a wait. The source pad's task
//! is started and paused under `Inner`, so that it cannot be paused just after
//! somebody started it for a new run.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use codecwatch_supervisor::{CloseResult, DrainResult, Options, Run, WaitResult};
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::fault_resolution::{FaultResolution, Observer};
use crate::stats::outcome_name;
use crate::{CAT, Settings, Supervised, output_task, report, stats};

/// The runs of an element: at most one takes input; those before it drain or
/// close.
#[derive(Debug)]
pub struct Supervision<I, O> {
    settings: Mutex<Settings>,
    inner: Mutex<Inner<I, O>>,
}

#[derive(Debug)]
pub(crate) struct Inner<I, O> {
    /// The front gives output, the back takes input.
    pub(crate) runs: VecDeque<Run<I, O>>,
    /// Runs that give nothing any more; some may still be closing.
    pub(crate) leaving: Vec<Run<I, O>>,
    /// What downstream answered last.
    pub(crate) flow: Result<gst::FlowSuccess, gst::FlowError>,
    /// A run ended with a fault, or could not be started: nothing goes through
    /// until the element has been to READY.
    pub(crate) failed: bool,
    /// The failure is about to be posted.
    pub(crate) reporting: bool,
    /// When restarts happened, within the window.
    pub(crate) restarts: VecDeque<Instant>,
    pub(crate) restarts_total: u32,
    /// A restart lost frames: the next output is DISCONT.
    pub(crate) discont: bool,
    /// Between FLUSH_START and FLUSH_STOP: no run begins.
    flushing: bool,
    /// From the way to READY until the element has stopped: the same, and no
    /// flush ends it.
    stopping: bool,
}

impl<I, O> Default for Inner<I, O> {
    fn default() -> Self {
        Self {
            runs: VecDeque::new(),
            leaving: Vec::new(),
            flow: Ok(gst::FlowSuccess::Ok),
            failed: false,
            reporting: false,
            restarts: VecDeque::new(),
            restarts_total: 0,
            discont: false,
            flushing: false,
            stopping: false,
        }
    }
}

impl<I, O> Default for Supervision<I, O> {
    fn default() -> Self {
        Self {
            settings: Mutex::default(),
            inner: Mutex::default(),
        }
    }
}

impl<I: Send + 'static, O: Send + 'static> Supervision<I, O> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner<I, O>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shared settings.
    pub fn settings(&self) -> Settings {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets a shared property; false when it is not one.
    pub fn set_property(&self, name: &str, value: &gst::glib::Value) -> bool {
        let budgets = {
            let mut settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
            if !settings.set(name, value) {
                return false;
            }
            settings.budgets
        };
        for run in &self.lock().runs {
            run.set_budgets(budgets);
        }
        true
    }

    /// The value of a shared property, `stats` included; `None` when it is not one.
    pub fn property(&self, name: &str) -> Option<gst::glib::Value> {
        match name {
            "stats" => Some(self.stats().to_value()),
            _ => self.settings().get(name),
        }
    }

    /// The `stats` structure. Never waits for the codec.
    pub fn stats(&self) -> gst::Structure {
        let (run, restarts) = {
            let inner = self.lock();
            (
                inner.runs.back().or(inner.leaving.last()).cloned(),
                inner.restarts_total,
            )
        };
        stats::structure(run.map(|run| run.stats()).as_ref(), restarts)
    }

    /// Installs the wait for room on the sink pad. To be called once, when the
    /// element is constructed.
    pub fn install_backpressure_probe<T>(imp: &T)
    where
        T: Supervised<Input = I, Output = O>,
    {
        let element = imp.obj();
        let Some(pad) = element.upcast_ref::<gst::Element>().static_pad("sink") else {
            return;
        };
        let weak = element.downgrade();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            if let Some(element) = weak.upgrade() {
                let imp = T::from_obj(&element);
                imp.supervision().wait_for_room();
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// Waits until the worker has room, or until there is no point in waiting.
    fn wait_for_room(&self) {
        let run = self.lock().runs.back().cloned();
        if let Some(run) = run
            && run.is_full()
        {
            // However it ended: `submit` looks for itself.
            let _: WaitResult = run.wait_for_room();
        }
    }

    /// Hands one input to the codec, opening a session first where there is none.
    ///
    /// # Errors
    /// What downstream answered, `Flushing`, or `Error` once the element has failed.
    pub fn submit<T>(&self, imp: &T, input: I) -> Result<gst::FlowSuccess, gst::FlowError>
    where
        T: Supervised<Input = I, Output = O>,
    {
        let mut input = input;
        loop {
            let run = {
                let inner = self.lock();
                inner.check_flow()?;
                inner.runs.back().cloned()
            };
            let run = match run {
                Some(run) => run,
                None => self.start(imp)?,
            };
            input = match run.submit(input) {
                Ok(()) => return Ok(gst::FlowSuccess::Ok),
                Err(input) => input,
            };
            match run.wait_for_room() {
                WaitResult::Cancelled => {
                    return self.lock().flow.and(Err(gst::FlowError::Flushing));
                }
                WaitResult::Failed => match self.resolve_fault(imp, &run, Observer::Stream) {
                    FaultResolution::Restarted => {}
                    FaultResolution::Fatal => return Err(gst::FlowError::Error),
                    // Upstream shall stop, but not post an error before ours.
                    FaultResolution::Pending => return Err(gst::FlowError::Flushing),
                },
                WaitResult::Spent => self.retire(&run),
                WaitResult::Ready => {}
            }
        }
    }

    /// Lets the present session finish what it has, and opens another for the
    /// next input, without a gap: for what a session cannot change while it runs.
    pub fn hand_over<T>(&self, imp: &T) -> Result<(), gst::FlowError>
    where
        T: Supervised<Input = I, Output = O>,
    {
        let Some(run) = self.lock().runs.back().cloned() else {
            return Ok(());
        };
        run.request_drain(true);
        self.start(imp).map(drop)
    }

    /// Starts a run behind those that are there, and the output task.
    fn start<T>(&self, imp: &T) -> Result<Run<I, O>, gst::FlowError>
    where
        T: Supervised<Input = I, Output = O>,
    {
        let element = imp.obj();
        let element = element.upcast_ref::<gst::Element>();
        let settings = self.settings();
        let codec = imp.codec().map_err(|error| {
            self.lock().failed = true;
            element.post_error_message(error);
            gst::FlowError::Error
        })?;
        let predecessor = {
            let mut inner = self.lock();
            inner.leaving.retain(|run| !run.is_closed());
            inner.runs.back().or(inner.leaving.last()).cloned()
        };
        let options = Options {
            budgets: settings.budgets,
            max_abandoned: settings.max_abandoned as usize,
            predecessor,
        };
        let run = Run::start(codec, options).map_err(|refused| {
            self.lock().failed = true;
            report::post_refused(element, &refused);
            gst::FlowError::Error
        })?;
        let mut inner = self.lock();
        if inner.is_held() {
            // Who made every wait return did not know of this run: it would
            // wait on, and the output task with it.
            run.request_close();
            inner.leaving.push(run);
            return Err(gst::FlowError::Flushing);
        }
        gst::debug!(CAT, imp = imp, "started {run:?}");
        inner.runs.push_back(run.clone());
        output_task::start(imp, &inner);
        Ok(run)
    }

    /// Takes a run that gives and takes nothing any more out of the line.
    pub(crate) fn retire(&self, run: &Run<I, O>) {
        let mut inner = self.lock();
        if let Some(at) = inner.runs.iter().position(|other| other.is(run))
            && let Some(run) = inner.runs.remove(at)
        {
            inner.leaving.push(run);
        }
    }

    /// Whether the next output has to be marked DISCONT; answers yes once.
    pub fn take_discont(&self) -> bool {
        std::mem::take(&mut self.lock().discont)
    }

    /// Drains, and waits until downstream has taken everything. `last`: the
    /// session ends with it, and its close is waited for (it is bounded).
    pub(crate) fn drain<T>(&self, imp: &T, last: bool) -> DrainResult
    where
        T: Supervised<Input = I, Output = O>,
    {
        let (run, failed) = {
            let inner = self.lock();
            (inner.runs.back().cloned(), inner.failed)
        };
        if failed {
            return DrainResult::Failed;
        }
        let Some(run) = run else {
            return DrainResult::Complete;
        };
        let ticket = run.request_drain(last);
        let settled = run.wait_drained(ticket);
        match settled {
            DrainResult::Failed => {
                self.resolve_fault(imp, &run, Observer::Stream);
            }
            DrainResult::Complete if last => {
                self.close(imp, &run);
                self.retire(&run);
                self.tell_of_stuck_closes(imp);
            }
            _ => {}
        }
        settled
    }

    /// Sessions that were flushed close behind those that follow them. Where one
    /// was given up there, that is said before the stream ends.
    fn tell_of_stuck_closes<T: Supervised<Input = I, Output = O>>(&self, imp: &T) {
        let leaving = self.lock().leaving.clone();
        for run in leaving.iter().filter(|run| run.is_given_up()) {
            self.close(imp, run);
        }
    }

    fn close<T: Supervised<Input = I, Output = O>>(&self, imp: &T, run: &Run<I, O>) {
        match run.wait_closed() {
            CloseResult::Abandoned(Some(fault)) => {
                let element = imp.obj();
                let outcome = run.outcome();
                let outcome = outcome_name(outcome.as_ref());
                report::post_stuck_close(element.upcast_ref(), outcome, &fault);
            }
            CloseResult::Retiring => {
                let element = imp.obj().upcast_ref::<gst::Element>().downgrade();
                let outcome = outcome_name(run.outcome().as_ref());
                run.retire(move |fault| {
                    if let Some(element) = element.upgrade() {
                        report::post_stuck_close(&element, outcome, fault);
                    }
                });
            }
            CloseResult::Closed | CloseResult::Abandoned(None) => {}
        }
    }

    /// Makes every wait return, and lets nothing begin until [`stop`](Self::stop):
    /// to be called before the state change from PAUSED to READY is chained up,
    /// which waits for our threads.
    pub fn prepare_stop(&self) {
        self.lock().stopping = true;
        self.cancel();
    }

    /// The same until [`flush`](Self::flush): to be called before FLUSH_START is
    /// chained up.
    pub(crate) fn prepare_flush(&self) {
        self.lock().flushing = true;
        self.cancel();
    }

    /// Makes every wait return.
    pub(crate) fn cancel(&self) {
        let runs: Vec<_> = self.lock().runs.iter().cloned().collect();
        for run in runs {
            run.cancel();
        }
    }

    /// Drops everything in flight; the element goes on with the next input.
    pub(crate) fn flush<T>(&self, imp: &T)
    where
        T: Supervised<Input = I, Output = O>,
    {
        output_task::stop(imp);
        let mut inner = self.lock();
        inner.flushing = false;
        while inner.runs.len() > 1 {
            // Draining for a successor: nobody wants the rest any more.
            if let Some(run) = inner.runs.pop_front() {
                run.request_close();
                inner.leaving.push(run);
            }
        }
        if let Some(run) = inner.runs.back() {
            run.flush();
            if !inner.stopping {
                run.resume();
            }
        }
        inner.flow = Ok(gst::FlowSuccess::Ok);
        inner.discont = false;
        if !inner.failed && !inner.stopping && !inner.runs.is_empty() {
            output_task::start(imp, &inner);
        }
    }

    /// Ends everything; the element is as new afterwards. Blocks for the close
    /// budget at most. To be called by `stop`, when the pads are inactive.
    pub fn stop<T>(&self, imp: &T)
    where
        T: Supervised<Input = I, Output = O>,
    {
        output_task::stop(imp);
        let inner = std::mem::take(&mut *self.lock());
        let runs: Vec<_> = inner.runs.into_iter().chain(inner.leaving).collect();
        for run in &runs {
            run.request_close();
        }
        for run in &runs {
            self.close(imp, run);
        }
    }
}

impl<I, O> Inner<I, O> {
    /// Whether no run may begin at the moment.
    fn is_held(&self) -> bool {
        self.flushing || self.stopping
    }

    /// Whether a buffer may go through at the moment.
    pub(crate) fn check_flow(&self) -> Result<(), gst::FlowError> {
        if self.failed {
            return Err(self.answer());
        }
        self.flow?;
        if self.is_held() {
            return Err(gst::FlowError::Flushing);
        }
        Ok(())
    }

    /// Takes the run that has given everything out of the line.
    pub(crate) fn leave_front(&mut self) {
        self.leaving.extend(self.runs.pop_front());
    }
}

// SPDX-License-Identifier: MPL-2.0
//! The supervision of one element: its settings and its sessions.
//!
//! Lock order: the element's settings, then the line of sessions, then a run's own
//! lock. No lock is held across a push, a post, a query or a wait. The source pad's
//! task is paused under the line's lock, so that it cannot be paused just after it was
//! started for a new session.

use std::any::Any;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use codecwatch_process::{ChildStatus, Spare};
use codecwatch_supervisor::Run;
use codecwatch_supervisor::guard::Length;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::ending::PendingReport;
use crate::evidence::FaultRecorder;
use crate::line::Line;
use crate::published::Published;
use crate::{Settings, Supervised, process_ledger, stats};

/// The longest that a thread waits for another to post a message. Posting needs none of
/// GStreamer's stream locks, but may run an application's bus handler.
const POSTING: Duration = Duration::from_secs(1);

/// The settings and the sessions of one element: what can be read of it without it.
#[derive(Debug)]
pub(crate) struct Parts<I, O> {
    settings: Mutex<Settings>,
    line: Mutex<Line<I, O>>,
    /// The latest child process.
    pub(crate) child_status: Arc<ChildStatus>,
}

impl<I, O> Parts<I, O> {
    pub(crate) fn settings(&self) -> Settings {
        let settings = self.settings.lock();
        settings.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn line(&self) -> MutexGuard<'_, Line<I, O>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an element holds for the supervision of its codec.
#[derive(Debug)]
pub struct Supervision<I, O> {
    parts: Arc<Parts<I, O>>,
    /// What others see of the element.
    published: OnceLock<Published>,
    /// Notified when a session has left the line, when the line is held, or when a
    /// message that had to be posted first is on the bus.
    changed: Condvar,
    pub(crate) pending_report: PendingReport,
    /// The stream so far, for the guard.
    length: Mutex<Length>,
    /// A child process that is started ahead.
    spare: Arc<Spare>,
    /// Frames that were lost with a session and that the base class has not released yet.
    lost: Mutex<Vec<u32>>,
    recorder: FaultRecorder,
}

impl<I, O> Default for Supervision<I, O>
where
    Line<I, O>: Default,
{
    fn default() -> Self {
        // Before there is a session.
        process_ledger::join();
        Self {
            parts: Arc::new(Parts {
                settings: Mutex::default(),
                line: Mutex::default(),
                child_status: Arc::default(),
            }),
            published: OnceLock::new(),
            changed: Condvar::new(),
            pending_report: PendingReport::default(),
            length: Mutex::default(),
            spare: Arc::default(),
            lost: Mutex::default(),
            recorder: FaultRecorder::default(),
        }
    }
}

impl<I: Send + 'static, O: Send + 'static> Supervision<I, O> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Line<I, O>> {
        self.parts.line()
    }

    /// Locks the line once the message of a decided restart is on the bus: nothing may
    /// overtake it. Waits for `POSTING` at most.
    pub(crate) fn lock_posted(&self) -> MutexGuard<'_, Line<I, O>> {
        self.changed
            .wait_timeout_while(self.lock(), POSTING, |line| line.posting)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    /// Locks the line once an error with which the element has failed is on the bus. Waits
    /// for `POSTING` at most.
    pub(crate) fn lock_reported(&self) -> MutexGuard<'_, Line<I, O>> {
        self.changed
            .wait_timeout_while(self.lock(), POSTING, |line| line.is_reporting())
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    /// Notes that the message of the restart is on the bus.
    pub(crate) fn note_posted(&self) {
        self.lock().posting = false;
        self.line_changed();
    }

    /// Waits while `is_so` holds for the line: for downstream, or until the line is held.
    pub(crate) fn wait_for_line(
        &self,
        is_so: impl Fn(&Line<I, O>) -> bool,
    ) -> MutexGuard<'_, Line<I, O>> {
        self.changed
            .wait_while(self.lock(), |line| is_so(line))
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Must be called when a session has left the line, or the line is held.
    pub(crate) fn line_changed(&self) {
        self.changed.notify_all();
    }

    /// The shared settings.
    pub fn settings(&self) -> Settings {
        self.parts.settings()
    }

    /// Changes the shared settings. Running and closing sessions get their budgets at
    /// once: a state change may wait for those that close.
    pub(crate) fn change_settings(&self, change: impl FnOnce(&mut Settings)) {
        let (budgets, keeps_evidence) = {
            let settings = self.parts.settings.lock();
            let mut settings = settings.unwrap_or_else(PoisonError::into_inner);
            change(&mut settings);
            (settings.budgets, settings.evidence_dir.is_some())
        };
        self.recorder.set_on(keeps_evidence);
        for run in self.runs() {
            run.set_budgets(budgets);
        }
    }

    /// All sessions: those in line, and those that may still be closing.
    fn runs(&self) -> Vec<Run<I, O>> {
        let line = self.lock();
        let mut runs = line.runs();
        runs.extend_from_slice(line.leaving());
        runs
    }

    /// The `stats` structure. Never waits for the codec. `failed` is set before an EOS
    /// that follows the failure leaves the element.
    pub fn stats(&self) -> gst::Structure {
        let (run, restarts, failed) = {
            let line = self.lock();
            (line.shown(), line.restarts.total(), line.has_failed())
        };
        let mut stats = stats::structure(run.map(|run| run.stats()).as_ref(), restarts);
        stats.set("failed", failed);
        if let Some(child) = self.parts.child_status.seen() {
            stats::add_child(&mut stats, &child);
        }
        if self.recorder.is_on() {
            self.recorder.add_stats(&mut stats);
        }
        stats
    }

    /// Where the sessions of this element show their child processes.
    pub(crate) fn child_status(&self) -> Arc<ChildStatus> {
        self.parts.child_status.clone()
    }

    /// What is recorded for the evidence of a fault.
    pub(crate) fn recorder(&self) -> &FaultRecorder {
        &self.recorder
    }

    /// The child process that is started ahead.
    pub(crate) fn spare(&self) -> &Arc<Spare> {
        &self.spare
    }

    pub(crate) fn length(&self) -> MutexGuard<'_, Length> {
        self.length.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes frames that will not come out. Does not release them in the base class: a
    /// thread that holds its stream lock may be waiting for the caller.
    pub fn note_lost(&self, frames: &[u32]) {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.extend(frames);
    }

    /// Takes the frames that the base class has to release; returns each once. To be
    /// called when the base class may be called: with the next output, or at the end.
    pub fn take_lost(&self) -> Vec<u32> {
        std::mem::take(&mut *self.lost.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the inputs that [survived](crate::Supervised::survives_restart) a session
    /// after which none came. To be called when the stream has ended.
    pub fn take_carried(&self) -> Vec<I> {
        self.lock().take_carried()
    }

    /// How many sessions were given up for another one since the element left READY.
    /// A session that takes over after one of these sees it counted.
    pub fn restarts(&self) -> u32 {
        self.lock().restarts.total()
    }

    /// The latest facts of the session that gives output, or of the last that did;
    /// `None` if it has published none of this type. Never waits for the codec.
    pub fn facts<F: Any + Send + Sync>(&self) -> Option<Arc<F>> {
        let run = self.lock().giving();
        run?.facts()
    }

    /// The number of frames that [`take_lost`](Self::take_lost) would return.
    pub(crate) fn lost(&self) -> usize {
        let lost = self.lost.lock();
        lost.unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Publishes the element, until it is freed: its sessions, and what it counts. Must be
    /// called once, when the element is constructed.
    pub fn publish<T>(imp: &T)
    where
        T: Supervised<Input = I, Output = O>,
    {
        let element = imp.obj();
        let supervision = imp.supervision();
        let published = Published::new(element.upcast_ref(), &supervision.parts);
        let _ = supervision.published.set(published);
    }

    /// What others see of the element; `None` before [`publish`](Self::publish).
    pub(crate) fn published(&self) -> Option<&Published> {
        self.published.get()
    }

    /// Installs the probe that waits for room on the sink pad. Must be called once,
    /// when the element is constructed.
    pub(crate) fn install_backpressure_probe<T>(imp: &T)
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

    /// Whether the next output has to be marked DISCONT; returns true once. For the
    /// output task.
    pub fn take_discont(&self) -> bool {
        self.lock().take_discont()
    }
}

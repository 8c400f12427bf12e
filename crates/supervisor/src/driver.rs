// SPDX-License-Identifier: MPL-2.0
//! Drives the machine of a run.
//!
//! Until the session closes, the driver is the output task, in
//! [`Run::next`](crate::Run::next). From then on every thread that waits for its end is
//! a driver: the one that closes it, the worker of a successor, and, without any of
//! these, the retirement thread. Several may drive at once without a race: each action
//! is taken out under the lock and so executed once; while one driver samples the
//! session's threads, without the lock, the machine requests no other action; after the
//! sample, that driver wakes the others.

use std::time::{Duration, Instant};

use crate::clock::now;
use crate::kill_hook::run_kill_hook;
use crate::machine::{Action, Event, Reason};
use crate::outcome::{FaultCause, Outcome};
use crate::state::{Shared, State};
use crate::sync::MutexGuard;
use crate::{Change, Evidence, Phase, Sample, Source, ledger, open_permit, retirement};

/// How much longer a wait for a close may take if its budget runs out while another
/// driver samples the session's threads.
const LOOK: Duration = Duration::from_millis(50);

/// How long a wait for a close waits for its report. Handlers of the application may be in
/// it, which usually take milliseconds.
const REPORT: Duration = Duration::from_secs(1);

/// The result of polling the machine.
pub(crate) enum Obeyed {
    /// There was no action.
    Nothing,
    /// An action was executed; the lock was released meanwhile.
    Something,
    /// The application has to be notified that the session is slow.
    Slow(Evidence),
}

impl<I: Send + 'static, O: Send + 'static> Shared<I, O> {
    /// Executes one action of the machine.
    pub(crate) fn obey<'a>(
        &'a self,
        mut state: MutexGuard<'a, State<I, O>>,
    ) -> (MutexGuard<'a, State<I, O>>, Obeyed) {
        match state.machine.poll() {
            None => (state, Obeyed::Nothing),
            Some(Action::ReportSlow(evidence)) => (state, Obeyed::Slow(evidence)),
            Some(Action::TakeSample { look }) => {
                let witness = state.witness.clone();
                drop(state);
                let sample = witness.map_or(UNSEEN, |witness| witness.sample());
                let mut state = self.lock();
                self.note(&mut state, Event::Sampled { look, sample });
                if state.machine.phase() == Phase::Closing {
                    self.element.notify_all();
                    if state.in_retirement {
                        retirement::wake();
                    }
                }
                (state, Obeyed::Something)
            }
            Some(Action::Abandon(reason)) => {
                self.abandon(state, reason);
                (self.lock(), Obeyed::Something)
            }
        }
    }

    /// Drives a closing session until there is nothing more to do now.
    fn drive_close<'a>(
        &'a self,
        mut state: MutexGuard<'a, State<I, O>>,
    ) -> MutexGuard<'a, State<I, O>> {
        while state.machine.phase() == Phase::Closing && !state.over() {
            state.machine.handle(now(), Event::Tick);
            let obeyed;
            (state, obeyed) = self.obey(state);
            if matches!(obeyed, Obeyed::Nothing) {
                break;
            }
        }
        state
    }

    /// Waits until the session's threads have ended or it was abandoned. Once it
    /// closes, the close budget bounds the wait, counted from the beginning of the
    /// close; a session that is neither then is retiring, and so is one for which
    /// `stop_waiting` returns true. Until the close begins, the output task drives the
    /// session.
    pub(crate) fn wait_closed(
        &self,
        stop_waiting: impl Fn(&State<I, O>) -> bool,
    ) -> MutexGuard<'_, State<I, O>> {
        let mut state = self.lock();
        loop {
            state = self.drive_close(state);
            if state.over() {
                return state;
            }
            if stop_waiting(&state) {
                self.count_as_retiring(&mut state);
                return state;
            }
            let deadline = state.machine.deadline().map(|(at, _)| at);
            let bound = state.machine.close_until().map(|bound| match deadline {
                Some(_) => bound,
                None => bound + LOOK,
            });
            if bound.is_some_and(|bound| bound <= now()) {
                self.count_as_retiring(&mut state);
                return state;
            }
            let until = bound.map(|bound| deadline.map_or(bound, |at| at.min(bound)));
            state = self.wait_until(&self.element, state, until);
        }
    }

    /// Waits until another thread has reported the fault of a close, for a limited time:
    /// whoever takes the element to NULL then drops what is said later.
    pub(crate) fn wait_reported<'a>(
        &'a self,
        mut state: MutexGuard<'a, State<I, O>>,
        stop_waiting: impl Fn(&State<I, O>) -> bool,
    ) -> MutexGuard<'a, State<I, O>> {
        let until = now() + REPORT;
        let this = std::thread::current().id();
        let is_reported = |state: &State<I, O>| state.reporting.is_none_or(|other| other == this);
        while !is_reported(&state) && !stop_waiting(&state) && now() < until {
            state = self.wait_until(&self.element, state, Some(until));
        }
        state
    }

    /// Waits until the session's threads have ended or it was abandoned: while its
    /// close demonstrably works, `slow-limit` at most; or until `stop_waiting` returns true,
    /// which is checked at every change.
    pub(crate) fn wait_over(&self, stop_waiting: impl Fn() -> bool) {
        let mut state = self.lock();
        loop {
            state = self.drive_close(state);
            if state.over() || stop_waiting() {
                return;
            }
            let until = self.close_deadline(&state);
            state = self.wait_until(&self.element, state, until);
        }
    }

    /// Drives a closing session for one step. `Err`: when to do so again, unless woken
    /// before. `Ok`: it is over.
    pub(crate) fn look_after(&self) -> Result<MutexGuard<'_, State<I, O>>, Option<Instant>> {
        let state = self.drive_close(self.lock());
        if state.over() {
            Ok(state)
        } else {
            Err(self.close_deadline(&state))
        }
    }

    fn close_deadline(&self, state: &State<I, O>) -> Option<Instant> {
        let closing = state.machine.phase() == Phase::Closing;
        let deadline = state.machine.deadline().filter(|_| closing);
        deadline.map(|(at, _)| at)
    }

    /// Counts the session as retiring: no thread waits for its close any more. A
    /// session without a codec is not counted, because it leaks nothing.
    pub(crate) fn count_as_retiring(&self, state: &mut State<I, O>) {
        if !state.retiring && !state.over() && state.holds_codec() {
            state.retiring = true;
            ledger().change(&self.library.name, Change::RetirementBegan);
        }
    }

    /// Abandons the session: from now on it owns itself. Its earlier outputs still go
    /// downstream.
    fn abandon(&self, mut state: MutexGuard<'_, State<I, O>>, reason: Reason) {
        state.abandoned = true;
        // It had no more output: only its close hangs.
        let only_closes = std::mem::replace(&mut state.spent, true) || state.closing;
        // A worker that still waits for its turn holds no resources and ends by itself.
        if state.holds_codec() {
            let was_retiring = std::mem::take(&mut state.retiring);
            let change = Change::Abandoned { was_retiring };
            let account = ledger().change(&self.library.name, change);
            let budget = state
                .machine
                .budgets()
                .of(state.machine.phase())
                .unwrap_or_default();
            let fault = self.fault(&state, FaultCause::Wedged { reason, budget }, account);
            if state.outcome.is_none() && !only_closes {
                self.conclude(&mut state, Outcome::of(fault));
            } else {
                state.stuck_close = Some(Box::new(fault));
            }
        }
        let left = state.release_inbox(now());
        let hook = state.kill_hook.take();
        self.wake_all();
        if state.in_retirement {
            retirement::wake();
        }
        drop(state);
        // Not under the lock: the open permits have their own lock, which is taken
        // before this one, and dropping may run foreign code.
        open_permit::revoke(&self.permit, self.id);
        run_kill_hook(hook);
        drop(left);
        self.tell_undelivered();
    }
}

const UNSEEN: Sample = Sample {
    source: Source::Unavailable,
    threads: Vec::new(),
};

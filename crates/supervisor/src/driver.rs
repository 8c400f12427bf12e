// SPDX-License-Identifier: MPL-2.0
//! Who drives the machine of a run, and how.
//!
//! Until the session closes it is the output task, in [`Run::next`](crate::Run::next).
//! From then on it is everybody who waits for its end: whoever closes it, the
//! worker of a successor, and, when nobody waits, the retirement thread. Several
//! of them may do so at once. That is no race: what the machine asks for is taken
//! out under the lock and so done once; while one of them looks at the session's
//! threads, without the lock, the machine asks for nothing more; and who has
//! looked wakes the others.

use std::time::{Duration, Instant};

use crate::clock::now;
use crate::kill_hook::run_kill_hook;
use crate::machine::{Action, Event, Reason};
use crate::outcome::{FaultCause, Outcome};
use crate::state::{Shared, State};
use crate::sync::MutexGuard;
use crate::{Change, Evidence, Phase, Sample, Source, ledger, open_permit, retirement};

/// How much longer a wait for a close may take when its budget runs out just while
/// another driver looks at the session's threads.
const LOOK: Duration = Duration::from_millis(50);

/// What came of asking the machine.
pub(crate) enum Obeyed {
    /// It asked for nothing.
    Nothing,
    /// It asked for something, which was done; the lock was released meanwhile.
    Something,
    /// The application has to be told that the session is slow.
    Slow(Evidence),
}

impl<I: Send + 'static, O: Send + 'static> Shared<I, O> {
    /// Does one thing that the machine asks for.
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

    /// Drives a session that closes, as far as there is something to do now.
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
    /// closes the wait is bounded by the close budget, counted from the beginning
    /// of the close; a session that is neither then is retiring, and so is one whose
    /// wait ends because `give_up` says so. Until it closes it is for the output task
    /// to drive it there.
    pub(crate) fn wait_closed(
        &self,
        give_up: impl Fn(&State<I, O>) -> bool,
    ) -> MutexGuard<'_, State<I, O>> {
        let mut state = self.lock();
        loop {
            state = self.drive_close(state);
            if state.over() {
                return state;
            }
            if give_up(&state) {
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

    /// Waits until the session's threads have ended or it was abandoned: for as
    /// long as it demonstrably works at its close, `slow-limit` at most; or until
    /// `give_up` says so, which is looked at whenever something changes.
    pub(crate) fn wait_over(&self, give_up: impl Fn() -> bool) {
        let mut state = self.lock();
        loop {
            state = self.drive_close(state);
            if state.over() || give_up() {
                return;
            }
            let until = self.close_deadline(&state);
            state = self.wait_until(&self.element, state, until);
        }
    }

    /// Drives a session that closes for one step. `Err`: when to do so again,
    /// unless woken before. `Ok`: it is over.
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

    /// Nobody waits for the close any more. What holds no codec leaks nothing.
    pub(crate) fn count_as_retiring(&self, state: &mut State<I, O>) {
        if !state.retiring && !state.over() && state.holds_codec() {
            state.retiring = true;
            ledger().change(&self.library.name, Change::RetirementBegan);
        }
    }

    /// Gives the session up: from now on it owns itself. What it gave out before
    /// is downstream's all the same.
    fn abandon(&self, mut state: MutexGuard<'_, State<I, O>>, reason: Reason) {
        state.abandoned = true;
        // It had nothing more to give: what hangs is its close alone.
        let only_closes = std::mem::replace(&mut state.spent, true) || state.closing;
        // A worker that still waits for its turn holds nothing and ends by itself.
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
        let left = state.take_inbox(now());
        let hook = state.kill_hook.take();
        self.wake_all();
        if state.in_retirement {
            retirement::wake();
        }
        drop(state);
        // Not under the lock: the open lane has a lock of its own, which is taken
        // before this one, and dropping may run foreign code.
        open_permit::revoke(&self.library.name, self.id);
        run_kill_hook(hook);
        drop(left);
    }
}

const UNSEEN: Sample = Sample {
    source: Source::Unavailable,
    threads: Vec::new(),
};

// SPDX-License-Identifier: MPL-2.0
//! A run: one session from its first input to its outcome, as an element holds it.

mod admission;
mod answers;
mod asking;

use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(crate) use self::admission::Admission;
pub use self::admission::{Options, Trace};
pub use self::answers::{
    AskResult, CloseResult, DrainResult, Next, Slow, StartError, Stats, WaitResult,
};
use crate::clock::now;
use crate::driver::Obeyed;
use crate::host::OUTBOX;
use crate::machine::Event;
use crate::outcome::{Fault, Outcome};
use crate::session::{Codec, Session};
use crate::state::{Command, Shared, State};
use crate::sync::{MutexGuard, thread};
use crate::{Account, Budgets, Phase, Witness, ledger, open_permit, retirement, worker};

/// One session from its first input to its outcome. Clones share it.
///
/// Used by three kinds of threads: the streaming thread (submit, drain, flush), the
/// output task ([`next`](Self::next), which also wakes at the machine's deadline), and
/// the thread that changes the element's state ([`cancel`](Self::cancel),
/// [`close`](Self::close), [`retire`](Self::retire)). None of them ever enters the
/// codec.
pub struct Run<I, O> {
    shared: Arc<Shared<I, O>>,
}

impl<I, O> Clone for Run<I, O> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl<I, O> std::fmt::Debug for Run<I, O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Run").field(&self.shared.name).finish()
    }
}

impl<I: Send + 'static, O: Send + 'static> Run<I, O> {
    /// Starts a worker that will open `codec`. Returns at once.
    ///
    /// # Errors
    /// [`StartError`]; nothing was opened.
    pub fn start<C>(codec: C, mut options: Options<I, O>) -> Result<Self, StartError>
    where
        C: Codec,
        C::Session: Session<Input = I, Output = O>,
    {
        // Otherwise there would never be room for an input.
        const { assert!(C::Session::QUEUE > 0) };
        let library = codec.library();
        if let Admission::Refused(refusal) = Admission::of(&library, options.max_abandoned) {
            return Err(refusal);
        }
        let shared = Arc::new(Shared::new(
            library,
            ledger().next_session(),
            C::Session::QUEUE,
            C::Session::weigh,
            options.budgets,
            options.trace.take(),
        ));
        shared.lock().predecessor = options.predecessor.clone();
        let run = Self {
            shared: shared.clone(),
        };
        thread::Builder::new()
            .name(shared.name.clone())
            .spawn(move || worker::work(codec, &shared, options))?;
        Ok(run)
    }

    /// The session's number, unique in the process.
    pub fn id(&self) -> u64 {
        self.shared.id
    }

    /// Whether both are the same run.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Whether [`wait_for_room`](Self::wait_for_room) would have to wait.
    pub fn is_full(&self) -> bool {
        let state = self.shared.lock();
        !(state.spent || state.closing || state.has_room())
    }

    /// Whether the running session waits for something outside that may in turn wait for
    /// it: downstream, which does not take its output, or an answer of others.
    pub fn is_blocked(&self) -> bool {
        let state = self.shared.lock();
        let runs = state.machine.phase() == Phase::Running;
        runs && (state.outbox.len() >= OUTBOX || state.machine.awaits_others())
    }

    /// Waits until there is room for an input. There is none during a drain or a flush,
    /// which the session may not survive. The watchdog bounds the wait: a session that
    /// takes no input owes progress, unless downstream blocks it.
    pub fn wait_for_room(&self) -> WaitResult {
        let mut state = self.shared.lock();
        loop {
            if state.cancelled || state.closing {
                return WaitResult::Cancelled;
            }
            if state.spent {
                return match &state.outcome {
                    None | Some(Outcome::Completed) => WaitResult::Spent,
                    Some(_) => WaitResult::Failed,
                };
            }
            if state.has_room() {
                return WaitResult::Ready;
            }
            state = self.shared.wait(&self.shared.room, state);
        }
    }

    /// Submits an input to the worker. Never waits: the caller, the only one that
    /// submits, must have waited for room.
    ///
    /// # Errors
    /// Returns the input if the session does not take it, now or any more;
    /// [`wait_for_room`](Self::wait_for_room) tells which.
    pub fn submit(&self, input: I) -> Result<(), I> {
        let amount = (self.shared.weigh)(&input);
        let mut state = self.shared.lock();
        if !state.has_room() {
            return Err(input);
        }
        self.push(&mut state, Command::Input(input, amount));
        Ok(())
    }

    fn push(&self, state: &mut State<I, O>, command: Command<I, O>) {
        let amount = command.amount();
        state.inbox.push_back(command);
        self.shared.note(state, Event::Submitted { amount });
        self.shared.command.notify_all();
    }

    /// Waits for the next thing that the output task has to do, and drives the machine
    /// meanwhile. A call means that downstream has taken the previous output.
    pub fn next(&self) -> Next<O> {
        let shared = &*self.shared;
        let mut state = shared.lock();
        if state.machine.downstream().1 {
            state.machine.handle(now(), Event::PushEnded);
            // Not for every output: a thread that waits for a drain waits for the last one.
            if state.flowed() {
                shared.element.notify_all();
            }
        }
        loop {
            // First the machine's decisions: they hold only now.
            let obeyed;
            (state, obeyed) = shared.obey(state);
            match obeyed {
                Obeyed::Nothing => {}
                Obeyed::Something => continue,
                Obeyed::Slow(evidence) => {
                    return Next::Slow(Box::new(Slow {
                        id: shared.id,
                        evidence,
                        at: state.machine.snapshot(now()),
                    }));
                }
            }
            if state.cancelled {
                return Next::Cancelled;
            }
            if let Some(next) = state.telling.next() {
                return next;
            }
            if let Some((output, amount)) = state.outbox.pop_front() {
                state.machine.handle(now(), Event::OutputTaken { amount });
                shared.outlet.notify_all();
                return Next::Output(output);
            }
            if state.outcome.is_some() || state.spent || state.closing {
                return Next::Ended;
            }
            let now = now();
            let until = match state.machine.deadline() {
                Some((at, _)) if at <= now => {
                    state.machine.handle(now, Event::Tick);
                    continue;
                }
                Some((at, _)) => Some(at),
                // With nothing owed, the task first sleeps until the soonest deadline
                // that a new debt could have, so that in a steady flow no input has to
                // wake it. In an idle pipeline it then sleeps without a deadline.
                None => state.machine.soonest(now),
            };
            state.sleeping = Some(until);
            state = shared.wait_until(&shared.output, state, until);
            state.sleeping = None;
        }
    }

    /// Requests that the session output everything inside. Does not wait.
    ///
    /// `last`: no input follows. The session ends with the drain and, when everything
    /// is out, the outcome is [`Outcome::Completed`].
    pub fn request_drain(&self, last: bool) -> u64 {
        let mut state = self.shared.lock();
        state.drains_asked += 1;
        let ticket = state.drains_asked;
        if !state.spent {
            self.push(&mut state, Command::Drain { ticket, last });
        }
        ticket
    }

    /// Waits until the drain with this ticket is done and downstream has taken
    /// everything. The watchdog bounds it. A flush or a close after
    /// [`request_drain`](Self::request_drain) cancels it.
    pub fn wait_drained(&self, ticket: u64) -> DrainResult {
        let mut state = self.shared.lock();
        loop {
            // The outcome first: a failed run may also be closing by now.
            match &state.outcome {
                Some(Outcome::Completed) | None => {}
                Some(_) => return DrainResult::Failed,
            }
            if state.cancelled || state.closing || ticket <= state.drains_void {
                return DrainResult::Cancelled;
            }
            if state.flowed() && (state.drains_done >= ticket || state.spent) {
                return DrainResult::Complete;
            }
            state = self.shared.wait(&self.shared.element, state);
        }
    }

    /// Drops everything queued, inside, and not yet fetched by the output task. Does
    /// not wait: the next [`wait_for_room`](Self::wait_for_room) does, and returns
    /// whether the session goes on or is [`WaitResult::Spent`]. A session that still
    /// waits for its turn to open goes on: it is unused.
    pub fn flush(&self) {
        let mut state = self.shared.lock();
        state.drains_void = state.drains_asked;
        let left = state.take_queues(now());
        if !state.spent && state.machine.phase() != Phase::Waiting {
            state.flushing = true;
            self.push(&mut state, Command::Flush);
        }
        self.shared.outlet.notify_all();
        self.shared.wake_element();
        drop(state);
        drop(left);
    }

    /// Makes every wait of the element return at once, until [`resume`](Self::resume).
    pub fn cancel(&self) {
        self.shared.lock().cancelled = true;
        self.shared.wake_all();
    }

    /// Ends [`cancel`](Self::cancel).
    pub fn resume(&self) {
        self.shared.lock().cancelled = false;
    }

    /// Requests the close of the session, whatever it is doing, and starts the clock of
    /// the close. Does not wait.
    pub fn request_close(&self) {
        let shared = &*self.shared;
        let mut state = shared.lock();
        if state.closing {
            return;
        }
        if state.closed() {
            if !state.outbox.is_empty() {
                // Outputs from before its end are dropped, so waits for their delivery
                // must end.
                state.closing = true;
                let left = state.take_queues(now());
                shared.wake_all();
                drop(state);
                drop(left);
            }
            return;
        }
        state.closing = true;
        shared.told_to_close.store(true, Ordering::Release);
        let left = state.take_queues(now());
        let predecessor = state.predecessor.take();
        shared.note(&mut state, Event::CloseBegan);
        shared.wake_all();
        drop(state);
        // The worker may wait for a permit to open, or for the predecessor.
        open_permit::wake();
        if let Some(predecessor) = &predecessor {
            let _state = predecessor.shared.lock();
            predecessor.shared.wake_element();
        }
        drop((predecessor, left));
    }

    /// Closes the session, whatever it is doing, and waits for the end of its threads:
    /// for the close budget at most, counted from the request to close.
    pub fn close(&self) -> CloseResult {
        self.request_close();
        self.wait_closed()
    }

    /// Waits until the session is closed and its threads have ended: for its close
    /// budget at most, once it closes. Then its threads are sampled: a session that
    /// demonstrably works is [`CloseResult::Retiring`], and must be passed to
    /// [`retire`](Self::retire); any other is abandoned. Until the close begins, the
    /// output task drives the session.
    pub fn wait_closed(&self) -> CloseResult {
        self.closed_as(self.shared.wait_closed(|_| false))
    }

    /// The same, but [`cancel`](Self::cancel) ends the wait: a session that is still
    /// closing then is [`CloseResult::Retiring`], too.
    pub fn wait_closed_until_cancelled(&self) -> CloseResult {
        self.closed_as(self.shared.wait_closed(|state| state.cancelled))
    }

    fn closed_as(&self, mut state: MutexGuard<'_, State<I, O>>) -> CloseResult {
        match state.stuck_close.take() {
            Some(fault) => CloseResult::Abandoned(Some(fault)),
            None if state.closed() => CloseResult::Closed,
            None if state.abandoned => CloseResult::Abandoned(None),
            None => CloseResult::Retiring,
        }
    }

    /// Closes the session in the background. Returns at once. From now on the
    /// retirement thread drives the session, and abandons it when its threads are
    /// asleep, or at the end of `slow-limit`. Until it ends, the ledger counts it as
    /// retiring.
    ///
    /// `on_wedge` is called if the session is abandoned and that fault has not been
    /// reported otherwise; on the retirement thread, without any lock. It should not
    /// block: the other sessions wait meanwhile. If it is not called, it is dropped,
    /// there or here.
    pub fn retire(&self, on_wedge: impl FnOnce(&Fault) + Send + 'static) {
        self.request_close();
        {
            let mut state = self.shared.lock();
            if state.closed() && state.stuck_close.is_none() {
                return;
            }
            // The retirement thread drives it already.
            if state.in_retirement && !state.closed() && !state.abandoned {
                return;
            }
            self.shared.count_as_retiring(&mut state);
            state.in_retirement = true;
        }
        retirement::hold(self.shared.clone(), Box::new(on_wedge));
    }

    /// Waits, for a successor, until the session's threads have ended or it is
    /// abandoned, or until `give_up` returns true.
    pub(crate) fn wait_over(&self, give_up: impl Fn() -> bool) {
        self.shared.wait_over(give_up);
    }

    /// Whether the session has opened: its native open has returned.
    pub fn has_opened(&self) -> bool {
        let phase = self.shared.lock().machine.phase();
        !matches!(phase, Phase::Waiting | Phase::Opening)
    }

    /// Whether the session is closed and its threads have ended.
    pub fn is_closed(&self) -> bool {
        self.shared.lock().closed()
    }

    /// Whether it was abandoned and not reclaimed: then
    /// [`wait_closed`](Self::wait_closed) does not wait.
    pub fn is_given_up(&self) -> bool {
        let state = self.shared.lock();
        state.abandoned && !state.closed()
    }

    /// The current witness of the session's work; `None` before its open.
    pub fn witness(&self) -> Option<Arc<dyn Witness>> {
        self.shared.lock().witness.clone()
    }

    /// How the run ended, if it has.
    pub fn outcome(&self) -> Option<Outcome> {
        self.shared.lock().outcome.clone()
    }

    /// Changes the budgets of a session that runs.
    pub fn set_budgets(&self, budgets: Budgets) {
        let mut state = self.shared.lock();
        state.machine.set_budgets(budgets);
        self.shared.output.notify_all();
        self.shared.wake_element();
        if state.in_retirement {
            retirement::wake();
        }
    }

    /// The current numbers. Never waits for the codec.
    pub fn stats(&self) -> Stats {
        let (session, outcome) = {
            let state = self.shared.lock();
            (
                state.machine.snapshot(now()),
                state.outcome.as_ref().map(Outcome::name),
            )
        };
        Stats {
            id: self.shared.id,
            session,
            account: Account::of(&self.shared.library.name),
            outcome,
        }
    }
}

// SPDX-License-Identifier: MPL-2.0
//! The state that a run, its worker and its lanes share: the machine, the two queues
//! and the conditions to wait on. One mutex; nothing that could block is called or
//! dropped under it.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, Weak};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use crate::clock::now;
use crate::kill_hook::KillHook;
use crate::machine::{Event, Machine};
use crate::meter::{CallTimes, Meter, meter};
use crate::outcome::{Fault, FaultCause, Outcome};
use crate::question::{Question, Questions};
use crate::sync::{Condvar, Mutex, MutexGuard};
use crate::telling::Telling;
use crate::witness::NamedThreads;
use crate::{
    Account, Amount, Budgets, Change, Codec, Library, Listener, Name, Session, Trace, Witness,
    ledger,
};

pub(crate) enum Command<I, O> {
    Input(I, Amount),
    /// A question that keeps its order among the inputs.
    Ask(Question<O>),
    /// `last`: no input follows, the session ends with the drain.
    Drain {
        ticket: u64,
        last: bool,
    },
    Flush,
}

impl<I, O> Command<I, O> {
    /// The amount of the input.
    pub(crate) fn amount(&self) -> Amount {
        match self {
            Command::Input(_, amount) => *amount,
            Command::Ask(_) | Command::Drain { .. } | Command::Flush => Amount::NONE,
        }
    }

    pub(crate) fn is_input(&self) -> bool {
        matches!(self, Command::Input(..))
    }

    pub(crate) fn is_flush(&self) -> bool {
        matches!(self, Command::Flush)
    }
}

/// An output that waits for the output task.
pub(crate) struct Waiting<O> {
    pub(crate) output: O,
    /// How much of the input it settles.
    pub(crate) amount: Amount,
    /// How many things the session had told before it.
    pub(crate) told: u64,
}

/// Inbox and outbox.
pub(crate) type Queues<I, O> = (VecDeque<Command<I, O>>, VecDeque<Waiting<O>>);

/// What the worker does next.
pub(crate) enum Work<I, O> {
    Command(Command<I, O>),
    Question(Question<O>),
}

pub(crate) struct State<I, O> {
    pub(crate) machine: Machine,
    pub(crate) call_times: CallTimes,
    pub(crate) inbox: VecDeque<Command<I, O>>,
    /// Inputs that may wait for the worker.
    queue: usize,
    pub(crate) outbox: VecDeque<Waiting<O>>,
    /// Questions to the session, separate from the inbox: they need no room in it.
    pub(crate) questions: Questions<O>,
    /// What the session sends besides its output.
    pub(crate) telling: Telling<O>,
    /// Ends the codec from outside when the session is abandoned.
    pub(crate) kill_hook: Option<KillHook>,
    /// A thread of the codec has signalled the worker ([`Outlet::signal`](crate::Outlet)).
    pub(crate) signalled: bool,
    /// The element's waits return at once.
    pub(crate) cancelled: bool,
    /// The session has to close, whatever is inside.
    pub(crate) closing: bool,
    /// A flush was requested and is not done, or ended with
    /// [`Flush::NeedsNewSession`](crate::Flush::NeedsNewSession).
    pub(crate) flushing: bool,
    /// The session whose end the worker waits for before it opens.
    pub(crate) predecessor: Option<Arc<Shared<I, O>>>,
    /// Abandoned by the watchdog.
    pub(crate) abandoned: bool,
    /// It closes in the background, and the ledger counts it as retiring.
    pub(crate) retiring: bool,
    /// The worker waits until the session has room for the next input.
    pub(crate) awaits_room: bool,
    /// The retirement thread drives it.
    pub(crate) in_retirement: bool,
    /// The abandonment that happened while closing, for a warning.
    pub(crate) stuck_close: Option<Box<Fault>>,
    /// The thread that is reporting it.
    pub(crate) reporting: Option<ThreadId>,
    /// The session takes no more input and closes by itself.
    pub(crate) spent: bool,
    pub(crate) outcome: Option<Outcome>,
    /// Tickets of drains: the latest requested, the latest done, and the latest that a
    /// flush cancelled or made void.
    pub(crate) drains_asked: u64,
    pub(crate) drains_done: u64,
    pub(crate) drains_void: u64,
    /// Lanes alive, the worker included.
    pub(crate) lanes: usize,
    pub(crate) lanes_begun: usize,
    /// The lanes of [`Run::beside`]: those that are in use, and those that were.
    pub(crate) side_lanes_busy: usize,
    pub(crate) side_lanes_free: Vec<usize>,
    /// The witness of the session's work. Set when the native open begins: from then on
    /// resources can leak.
    pub(crate) witness: Option<Arc<dyn Witness>>,
    /// Set while the output task sleeps: until when, or `None` for until it is woken.
    pub(crate) sleeping: Option<Option<Instant>>,
}

impl<I, O> State<I, O> {
    /// Whether outputs are discarded.
    pub(crate) fn discarding(&self) -> bool {
        self.closing || self.flushing || self.abandoned || self.outcome.is_some()
    }

    /// Whether an input would be processed. False while a drain or a flush is pending,
    /// which the session may not survive.
    pub(crate) fn takes_input(&self) -> bool {
        let draining = self.drains_asked > self.drains_done.max(self.drains_void);
        !(self.spent || self.closing || self.flushing || draining)
    }

    pub(crate) fn has_room(&self) -> bool {
        self.takes_input() && self.inbox.len() < self.queue
    }

    /// Whether to wake a streaming thread that waits for room. At half the queue: some
    /// inputs are left, so that the worker need not wait for it, and a wake-up serves
    /// several inputs.
    pub(crate) fn runs_low(&self) -> bool {
        self.inbox.len() <= self.queue / 2
    }

    /// Whether downstream has taken everything that came out so far.
    pub(crate) fn flowed(&self) -> bool {
        self.machine.downstream() == (0, false)
    }

    /// Until when the next output waits for what the session has told before it; `None`
    /// if it need not.
    pub(crate) fn output_waits_until(&self, now: Instant) -> Option<Instant> {
        self.telling.awaited(self.outbox.front()?.told, now)
    }

    /// Whether there is an output, and what was told before it is over.
    pub(crate) fn next_output_is_free(&self) -> bool {
        let next = self.outbox.front();
        next.is_some_and(|next| self.telling.are_over(next.told))
    }

    /// Empties the inbox. The caller must drop the result without the lock.
    pub(crate) fn take_inbox(&mut self, now: Instant) -> VecDeque<Command<I, O>> {
        self.machine.handle(now, Event::InboxDropped);
        std::mem::take(&mut self.inbox)
    }

    /// The worker takes nothing more. The inputs of a run that ended with a fault stay
    /// for [`Run::take_untaken`]; the caller must drop the rest without the lock.
    pub(crate) fn release_inbox(&mut self, now: Instant) -> VecDeque<Command<I, O>> {
        let all = self.take_inbox(now);
        if self.closing || self.outcome.as_ref().and_then(Outcome::fault).is_none() {
            return all;
        }
        let (inputs, rest) = all.into_iter().partition(Command::is_input);
        self.inbox = inputs;
        rest
    }

    /// Empties both queues. The caller must drop the result without the lock.
    pub(crate) fn take_queues(&mut self, now: Instant) -> Queues<I, O> {
        self.machine.handle(now, Event::OutboxDropped);
        (self.take_inbox(now), std::mem::take(&mut self.outbox))
    }

    /// All threads of the session have ended.
    pub(crate) fn closed(&self) -> bool {
        self.lanes == 0
    }

    /// No thread has to wait for it any more.
    pub(crate) fn over(&self) -> bool {
        self.closed() || self.abandoned
    }

    /// Whether its native open has begun, so that resources can leak.
    pub(crate) fn holds_codec(&self) -> bool {
        self.witness.is_some()
    }

    /// Whether the sleeping output task would miss the machine's deadline.
    fn oversleeps(&self) -> bool {
        match (self.sleeping, self.machine.deadline()) {
            (Some(None), Some(_)) => true,
            (Some(Some(until)), Some((deadline, _))) => deadline < until,
            _ => false,
        }
    }
}

pub(crate) struct Shared<I, O> {
    pub(crate) library: Library,
    /// Sessions with the same key open one at a time: that of the library, or of the
    /// session alone.
    pub(crate) permit: Name,
    /// How long it waits for the permit before it opens without.
    pub(crate) patience: Option<Duration>,
    /// Unique in the process.
    pub(crate) id: u64,
    /// Name of the worker's thread.
    pub(crate) name: String,
    /// Counts for the codec, beyond this session.
    pub(crate) meter: Arc<Meter>,
    /// The session's threads, its witness by default.
    pub(crate) threads: Arc<NamedThreads>,
    /// The session has to close: readable without the lock.
    pub(crate) told_to_close: AtomicBool,
    state: Mutex<State<I, O>>,
    /// The worker waits for commands.
    pub(crate) command: Condvar,
    /// Lanes wait for room in the outbox.
    pub(crate) outlet: Condvar,
    /// The output task waits for output or for a deadline.
    pub(crate) output: Condvar,
    /// Returns the amount of an input.
    pub(crate) weigh: fn(&I) -> Amount,
    pub(crate) trace: Option<Trace<I, O>>,
    /// Gets what the session tells.
    pub(crate) listener: Option<Listener<O>>,
    /// For the listener's thread.
    pub(crate) this: Weak<Self>,
    /// The streaming thread waits for room.
    pub(crate) room: Condvar,
    /// The streaming thread waits for a drain, or the thread that changes the element's
    /// state for the close.
    pub(crate) element: Condvar,
}

/// What a run's owner wants to see of its session.
pub(crate) struct Hooks<I, O> {
    pub(crate) trace: Option<Trace<I, O>>,
    pub(crate) listener: Option<Listener<O>>,
}

impl<I, O> Shared<I, O> {
    pub(crate) fn new<C>(
        codec: &C,
        library: Library,
        budgets: Budgets,
        hooks: Hooks<I, O>,
        this: Weak<Self>,
    ) -> Self
    where
        C: Codec<Session: Session<Input = I, Output = O>>,
    {
        let id = ledger().next_session();
        let name: String = library
            .name
            .chars()
            .filter(|c| !c.is_whitespace())
            .take(9)
            .collect();
        let name = format!("{name}#{id}");
        let permit = if codec.opens_freely() {
            name.clone().into()
        } else {
            library.name.clone()
        };
        Self {
            id,
            permit,
            patience: codec.opens_beside_after(),
            meter: meter(&library.name),
            threads: Arc::new(NamedThreads::new(&name, library.thread_names.clone())),
            library,
            name,
            told_to_close: AtomicBool::new(false),
            weigh: C::Session::weigh,
            trace: hooks.trace,
            listener: hooks.listener,
            this,
            state: Mutex::new(State {
                machine: Machine::new(now(), budgets),
                call_times: CallTimes::default(),
                inbox: VecDeque::new(),
                queue: C::Session::QUEUE,
                outbox: VecDeque::new(),
                questions: Questions::new(),
                telling: Telling::new(),
                kill_hook: None,
                signalled: false,
                cancelled: false,
                closing: false,
                flushing: false,
                predecessor: None,
                abandoned: false,
                retiring: false,
                in_retirement: false,
                stuck_close: None,
                reporting: None,
                awaits_room: false,
                spent: false,
                outcome: None,
                drains_asked: 0,
                drains_done: 0,
                drains_void: 0,
                lanes: 1,
                lanes_begun: 1,
                side_lanes_busy: 0,
                side_lanes_free: Vec::new(),
                witness: None,
                sleeping: None,
            }),
            command: Condvar::new(),
            outlet: Condvar::new(),
            output: Condvar::new(),
            room: Condvar::new(),
            element: Condvar::new(),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State<I, O>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn wait<'a>(
        &self,
        condition: &Condvar,
        state: MutexGuard<'a, State<I, O>>,
    ) -> MutexGuard<'a, State<I, O>> {
        condition
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `until`, or without bound.
    pub(crate) fn wait_until<'a>(
        &self,
        condition: &Condvar,
        state: MutexGuard<'a, State<I, O>>,
        until: Option<Instant>,
    ) -> MutexGuard<'a, State<I, O>> {
        match until {
            None => self.wait(condition, state),
            Some(until) => {
                let left = until.saturating_duration_since(now());
                condition
                    .wait_timeout(state, left)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
        }
    }

    pub(crate) fn wake_all(&self) {
        self.command.notify_all();
        self.outlet.notify_all();
        self.output.notify_all();
        self.wake_element();
    }

    /// Wakes the streaming thread from any of its waits.
    pub(crate) fn wake_element(&self) {
        self.room.notify_all();
        self.element.notify_all();
    }

    /// Passes an event to the machine, and wakes the output task if it would oversleep.
    pub(crate) fn note(&self, state: &mut State<I, O>, event: Event) {
        state.machine.handle(now(), event);
        if state.oversleeps() {
            self.output.notify_all();
        }
    }

    /// Ends the run with a fault, unless it has ended already or has no more output: a
    /// fault of the close does not change the outcome.
    pub(crate) fn fail(&self, state: &mut State<I, O>, cause: FaultCause) {
        if state.outcome.is_none() && !state.closing && !state.spent {
            let fault = self.fault(state, cause, Account::of(&self.library.name));
            self.conclude(state, Outcome::of(fault));
        }
        self.spend(state);
    }

    /// Sets the outcome. Called once.
    pub(crate) fn conclude(&self, state: &mut State<I, O>, outcome: Outcome) {
        if let Some(change) = Change::of(&outcome) {
            ledger().change(&self.library.name, change);
        }
        state.outcome = Some(outcome);
    }

    /// From now on the session takes no input and closes by itself. Starts its close
    /// budget, even if the worker does not reach the close.
    pub(crate) fn spend(&self, state: &mut State<I, O>) {
        state.spent = true;
        self.note(state, Event::CloseBegan);
        self.wake_all();
    }

    pub(crate) fn fault(&self, state: &State<I, O>, cause: FaultCause, account: Account) -> Fault {
        Fault {
            library: self.library.name.clone(),
            id: self.id,
            cause,
            at: state.machine.snapshot(now()),
            abandoned: account.unreclaimed(),
            process: state.witness.as_ref().and_then(|witness| witness.process()),
        }
    }
}

// SPDX-License-Identifier: MPL-2.0
//! A run: one session from its first input to its outcome, as an element holds it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::clock::now;
use crate::ledger::Account;
use crate::machine::{Action, Event, Snapshot};
use crate::open_lane;
use crate::outcome::{Fault, Outcome};
use crate::session::{Codec, Session};
use crate::state::{Command, Shared, State};
use crate::{Budgets, Evidence, Library, Phase, worker};

/// Inputs that wait for the worker. Enough that it need not wait for the
/// streaming thread; few, since each holds a buffer of upstream's pool.
const INBOX: usize = 4;

/// How to start a run.
#[derive(Debug)]
pub struct Options<I, O> {
    /// The budgets.
    pub budgets: Budgets,
    /// Abandoned workers of the library at which no new session is opened;
    /// 0 = no limit.
    pub max_abandoned: usize,
    /// The run before this one, which has been told to close. The new worker
    /// waits for it (within its close budget) before it opens.
    pub predecessor: Option<Run<I, O>>,
}

/// Why a run did not start. Nothing was opened.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The leak budget is used up.
    #[error(
        "{outstanding} abandoned workers of {library} still hold memory and threads, and \
         max-abandoned allows {max}: restart the process, or raise max-abandoned"
    )]
    LeakBudget {
        /// The library.
        library: &'static str,
        /// Abandoned workers that have not come back.
        outstanding: usize,
        /// The limit.
        max: usize,
    },
    /// The system gave no thread.
    #[error("no thread for the worker: {0}")]
    Thread(#[from] std::io::Error),
}

/// What the output task gets next.
#[derive(Debug)]
pub enum Next<O> {
    /// Push this downstream; the next call of [`Run::next`] says that it is done.
    Output(O),
    /// The session is slow, not wedged: tell the application.
    Slow(Slow),
    /// The run has its outcome and nothing more will come.
    Ended,
    /// The wait was cancelled.
    Cancelled,
}

/// A session that outlasts its budget and demonstrably works.
#[derive(Debug, Clone)]
pub struct Slow {
    /// What it was seen doing.
    pub evidence: Evidence,
    /// Where it stands.
    pub at: Snapshot,
}

/// How a wait of the streaming thread ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// What was waited for is there.
    Ready,
    /// The session takes nothing any more, but nothing is wrong: it was
    /// completed, or flushed and needs a successor.
    Spent,
    /// The run ended with a fault.
    Failed,
    /// The wait was cancelled.
    Cancelled,
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Everything that went in came out and was taken by downstream.
    Complete,
    /// The run ended with a fault.
    Failed,
    /// The wait was cancelled.
    Cancelled,
}

/// How a close ended.
#[must_use]
#[derive(Debug, Clone)]
pub enum CloseResult {
    /// The session is closed and its threads have ended.
    Closed,
    /// It did not close in time and was given up (now or before).
    Abandoned(Option<Box<Fault>>),
}

/// Numbers of a run, for `stats`.
#[derive(Debug, Clone)]
pub struct Stats {
    /// The session.
    pub session: Snapshot,
    /// Its library's account.
    pub account: Account,
    /// How the run ended, if it has.
    pub outcome: Option<&'static str>,
}

/// One session from its first input to its outcome. Clones share it.
///
/// Three kinds of threads meet here: the streaming thread (submit, drain,
/// flush), the output task ([`next`](Self::next), which also is what wakes at
/// the machine's deadline), and whoever changes the element's state
/// ([`cancel`](Self::cancel), [`close`](Self::close)). None of them ever enters
/// the codec.
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
    /// [`Refused`], before anything was opened.
    pub fn start<C>(codec: C, options: Options<I, O>) -> Result<Self, Refused>
    where
        C: Codec,
        C::Session: Session<Input = I, Output = O>,
    {
        static IDS: AtomicU64 = AtomicU64::new(1);
        let library = codec.library();
        admit(library, options.max_abandoned)?;
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        let shared = Arc::new(Shared::new(library, id, options.budgets));
        let run = Self {
            shared: shared.clone(),
        };
        std::thread::Builder::new()
            .name(shared.name.clone())
            .spawn(move || worker::work(codec, &shared, options.predecessor))?;
        Ok(run)
    }

    /// Whether both are the same run.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Whether [`wait_for_room`](Self::wait_for_room) would have to wait.
    pub fn is_full(&self) -> bool {
        let state = self.shared.lock();
        !state.spent && (state.flushing || state.inbox.len() >= INBOX)
    }

    /// Waits until there is room for an input. The watchdog bounds it: what
    /// takes no input owes progress, unless downstream holds it up.
    pub fn wait_for_room(&self) -> Waited {
        let mut state = self.shared.lock();
        loop {
            if state.cancelled {
                return Waited::Cancelled;
            }
            if state.spent {
                return match &state.outcome {
                    None | Some(Outcome::Completed) => Waited::Spent,
                    Some(_) => Waited::Failed,
                };
            }
            if !state.flushing && state.inbox.len() < INBOX {
                return Waited::Ready;
            }
            state = self.shared.wait(&self.shared.element, state);
        }
    }

    /// Hands an input to the worker. Never waits; it is for the caller, the only
    /// one that submits, to have waited for room.
    ///
    /// # Errors
    /// Gives the input back when the session takes nothing any more.
    pub fn submit(&self, input: I) -> Result<(), I> {
        let mut state = self.shared.lock();
        if state.spent || state.closing {
            return Err(input);
        }
        self.push(&mut state, Command::Input(input));
        Ok(())
    }

    fn push(&self, state: &mut State<I, O>, command: Command<I>) {
        let frames = command.frames();
        state.inbox.push_back(command);
        self.shared.note(state, Event::Queued { frames });
        self.shared.command.notify_all();
    }

    /// Waits for the next thing that the output task has to do, and drives the
    /// machine meanwhile. Says, by being called, that downstream has taken the
    /// previous output.
    pub fn next(&self) -> Next<O> {
        let shared = &*self.shared;
        let mut state = shared.lock();
        if state.machine.downstream().1 {
            state.machine.handle(now(), Event::PushEnded);
            shared.element.notify_all();
        }
        loop {
            if state.cancelled {
                return Next::Cancelled;
            }
            if let Some(output) = state.outbox.pop_front() {
                state.machine.handle(now(), Event::OutputTaken);
                shared.outlet.notify_all();
                return Next::Output(output);
            }
            if state.outcome.is_some() {
                return Next::Ended;
            }
            state.machine.handle(now(), Event::Tick);
            match state.machine.poll() {
                Some(Action::TakeSample) => {
                    let threads = state.threads.clone();
                    drop(state);
                    let sample = sample(threads.as_ref());
                    state = shared.lock();
                    state.machine.handle(now(), Event::Sampled(sample));
                    continue;
                }
                Some(Action::ReportSlow(evidence)) => {
                    return Next::Slow(Slow {
                        evidence,
                        at: state.machine.snapshot(now()),
                    });
                }
                Some(Action::Abandon(reason)) => {
                    shared.abandon(state, reason);
                    state = shared.lock();
                    continue;
                }
                None => {}
            }
            let until = self.sleep_until(&state);
            state.sleeping = Some(until);
            state = shared.wait_until(&shared.output, state, until);
            state.sleeping = None;
        }
    }

    /// Until when the output task may sleep. With nothing owed it sleeps no
    /// longer than the soonest deadline that a new debt could have, the first
    /// time; so that in a steady flow no input has to wake it, and in a standing
    /// pipeline nothing does.
    fn sleep_until(&self, state: &State<I, O>) -> Option<Instant> {
        if let Some((deadline, _)) = state.machine.deadline() {
            return Some(deadline);
        }
        state.machine.soonest(now())
    }

    /// Asks the session to give everything out. Does not wait.
    ///
    /// `last`: nothing comes afterwards, the session ends with it and, when all
    /// is out, the outcome is [`Outcome::Completed`].
    pub fn request_drain(&self, last: bool) -> u64 {
        let mut state = self.shared.lock();
        if !state.spent {
            self.push(&mut state, Command::Drain { last });
        }
        state.drains + 1
    }

    /// Waits until the drain with this ticket is done and downstream has taken
    /// everything. The watchdog bounds it.
    pub fn wait_drained(&self, ticket: u64) -> Settled {
        let mut state = self.shared.lock();
        loop {
            if state.cancelled {
                return Settled::Cancelled;
            }
            match &state.outcome {
                Some(Outcome::Completed) | None => {}
                Some(_) => return Settled::Failed,
            }
            let (waiting, pushing) = state.machine.downstream();
            let flowed = waiting == 0 && !pushing;
            if flowed && (state.drains >= ticket || state.spent) {
                return Settled::Complete;
            }
            state = self.shared.wait(&self.shared.element, state);
        }
    }

    /// Drops what is queued and inside. Does not wait: the next
    /// [`wait_for_room`](Self::wait_for_room) does, and says whether the session
    /// goes on or is [`Waited::Spent`].
    pub fn flush(&self) {
        let mut state = self.shared.lock();
        if state.spent {
            return;
        }
        state.flushing = true;
        let left = (
            std::mem::take(&mut state.inbox),
            std::mem::take(&mut state.outbox),
        );
        state.machine.handle(now(), Event::InboxDropped);
        state.machine.handle(now(), Event::OutboxDropped);
        self.push(&mut state, Command::Flush);
        self.shared.outlet.notify_all();
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

    /// Tells the session to close. Does not wait.
    pub fn request_close(&self) {
        let mut state = self.shared.lock();
        if state.closed() || state.closing {
            return;
        }
        state.closing = true;
        let left = (
            std::mem::take(&mut state.inbox),
            std::mem::take(&mut state.outbox),
        );
        state.machine.handle(now(), Event::InboxDropped);
        state.machine.handle(now(), Event::OutboxDropped);
        self.shared.note(&mut state, Event::CloseBegan);
        self.shared.wake_all();
        drop(state);
        drop(left);
        open_lane::wake();
    }

    /// Closes the session in whatever it does, and waits for the end of its
    /// threads: for the close budget at most, counted from the moment it was
    /// told to close. After that it is abandoned.
    pub fn close(&self) -> CloseResult {
        self.request_close();
        self.wait_closed()
    }

    /// Waits until a session that closes has done so, within its close budget;
    /// after that it is abandoned.
    pub fn wait_closed(&self) -> CloseResult {
        let shared = &*self.shared;
        let mut state = shared.lock();
        loop {
            if state.closed() {
                return CloseResult::Closed;
            }
            if state.abandoned {
                return CloseResult::Abandoned(state.stuck_close.take());
            }
            if state.machine.phase() != Phase::Closing {
                // Spent, and the worker is about to close it.
                shared.note(&mut state, Event::CloseBegan);
            }
            state.machine.handle(now(), Event::Tick);
            // Closing asks for nothing else; a report from before it is moot.
            let verdict = std::iter::from_fn(|| state.machine.poll()).last();
            if let Some(Action::Abandon(reason)) = verdict {
                shared.abandon(state, reason);
                state = shared.lock();
                continue;
            }
            let until = state.machine.deadline().map(|(at, _)| at);
            state = shared.wait_until(&shared.element, state, until);
        }
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
    }

    /// The numbers of this moment. Never waits for the codec.
    pub fn stats(&self) -> Stats {
        let (session, outcome) = {
            let state = self.shared.lock();
            (
                state.machine.snapshot(now()),
                state.outcome.as_ref().map(Outcome::name),
            )
        };
        Stats {
            session,
            account: Account::of(self.shared.library.name),
            outcome,
        }
    }
}

fn admit(library: Library, max: usize) -> Result<(), Refused> {
    let outstanding = Account::of(library.name).outstanding();
    if max > 0 && outstanding >= max {
        return Err(Refused::LeakBudget {
            library: library.name,
            outstanding,
            max,
        });
    }
    Ok(())
}

fn sample(threads: Option<&crate::procfs::ThreadSet>) -> crate::Sample {
    threads.map_or(
        crate::Sample {
            source: crate::Source::Unavailable,
            threads: Vec::new(),
        },
        crate::procfs::ThreadSet::sample,
    )
}

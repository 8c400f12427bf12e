// SPDX-License-Identifier: MPL-2.0
//! A run: one session from its first input to its outcome, as an element holds it.

mod asking;
mod beside;
mod closing;
mod drain_and_flush;
mod fetching;
mod options;
mod results;
mod submitting;

use std::sync::Arc;

pub use self::options::Options;
pub use self::results::{AskResult, CloseResult, DrainResult, Next, Slow, Stats, WaitResult};
use crate::admission::{Admission, StartError};
use crate::clock::now;
use crate::host::OUTBOX;
use crate::outcome::Outcome;
use crate::session::{Codec, Session};
use crate::state::{Hooks, Shared};
use crate::sync::thread;
use crate::{Account, Budgets, Meter, Name, Phase, Witness, retirement, worker};

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
    pub fn start<C>(codec: C, options: Options<I, O>) -> Result<Self, StartError>
    where
        C: Codec,
        C::Session: Session<Input = I, Output = O>,
    {
        // Otherwise there would never be room for an input.
        const { assert!(C::Session::QUEUE > 0) };
        let library = codec.library();
        let Options {
            budgets,
            max_abandoned,
            predecessor,
            trace,
            listener,
        } = options;
        if let Admission::Refused(refusal) = Admission::of(&library, max_abandoned) {
            return Err(refusal);
        }
        let hooks = Hooks { trace, listener };
        let shared =
            Arc::new_cyclic(|this| Shared::new(&codec, library, budgets, hooks, this.clone()));
        shared.meter.set_limit(max_abandoned);
        shared.lock().predecessor = predecessor.map(|run| run.shared);
        let run = Self {
            shared: shared.clone(),
        };
        thread::Builder::new()
            .name(shared.name.clone())
            .spawn(move || worker::work(codec, &shared, max_abandoned))?;
        Ok(run)
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

    /// Changes the budgets of a session that runs.
    pub fn set_budgets(&self, budgets: Budgets) {
        let mut state = self.shared.lock();
        state.machine.set_budgets(now(), budgets);
        self.shared.output.notify_all();
        self.shared.wake_element();
        if state.in_retirement {
            retirement::wake();
        }
    }

    /// The session's number, unique in the process.
    pub fn id(&self) -> u64 {
        self.shared.id
    }

    /// The name of its codec.
    pub fn library(&self) -> &Name {
        &self.shared.library.name
    }

    /// What the sessions of its codec have done, this one included.
    pub fn meter(&self) -> &Meter {
        &self.shared.meter
    }

    /// Whether both are the same run.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Whether the running session waits for something outside that may in turn wait for
    /// it: downstream, which does not take its output, or an answer of others.
    pub fn is_blocked(&self) -> bool {
        let state = self.shared.lock();
        let runs = state.machine.phase() == Phase::Running;
        runs && (state.outbox.len() >= OUTBOX || state.machine.awaits_others())
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
    pub fn is_abandoned(&self) -> bool {
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

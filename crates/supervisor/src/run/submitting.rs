// SPDX-License-Identifier: MPL-2.0
//! Queues inputs for the worker of a run.

use super::{Run, WaitResult};
use crate::clock::now;
use crate::machine::Event;
use crate::outcome::Outcome;
use crate::state::{Command, State};

impl<I: Send + 'static, O: Send + 'static> Run<I, O> {
    /// Whether [`wait_for_room`](Self::wait_for_room) would have to wait.
    pub fn is_full(&self) -> bool {
        let state = self.shared.lock();
        !(state.spent || state.closing || state.has_room())
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

    /// Waits until downstream has taken everything that has come out, which may be never.
    /// [`cancel`](Self::cancel) and a close end the wait.
    pub fn wait_delivered(&self) {
        let mut state = self.shared.lock();
        while !(state.flowed() || state.cancelled || state.closing) {
            state = self.shared.wait(&self.shared.element, state);
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

    /// Submits inputs that go before all that wait, even without room.
    ///
    /// # Errors
    /// Returns them if the session takes no more input.
    pub fn submit_first(&self, inputs: Vec<I>) -> Result<(), Vec<I>> {
        let mut state = self.shared.lock();
        if !state.takes_input() {
            return Err(inputs);
        }
        for input in inputs.into_iter().rev() {
            let amount = (self.shared.weigh)(&input);
            state.inbox.push_front(Command::Input(input, amount));
            self.shared.note(&mut state, Event::Submitted { amount });
        }
        self.shared.command.notify_all();
        Ok(())
    }

    /// The inputs that a run which ended with a fault had not passed to its codec, in
    /// order. Those of another run, or of one that was requested to close, are none.
    pub fn take_untaken(&self) -> Vec<I> {
        let (inputs, rest) = {
            let mut state = self.shared.lock();
            if state.outcome.as_ref().and_then(Outcome::fault).is_none() {
                return Vec::new();
            }
            let rest = state.release_inbox(now());
            (std::mem::take(&mut state.inbox), rest)
        };
        drop(rest);
        let inputs = inputs.into_iter().filter_map(|command| match command {
            Command::Input(input, _) => Some(input),
            _ => None,
        });
        inputs.collect()
    }

    /// Queues a command, an input or another, and wakes the worker.
    pub(super) fn push(&self, state: &mut State<I, O>, command: Command<I, O>) {
        let amount = command.amount();
        let waits_in_line = state.awaits_room && matches!(command, Command::Input(..));
        state.inbox.push_back(command);
        self.shared.note(state, Event::Submitted { amount });
        if !waits_in_line {
            self.shared.command.notify_all();
        }
    }
}

// SPDX-License-Identifier: MPL-2.0
//! Empties a run: a drain outputs everything inside, a flush drops it.

use super::{DrainResult, Run};
use crate::Phase;
use crate::clock::now;
use crate::outcome::Outcome;
use crate::state::Command;

impl<I: Send + 'static, O: Send + 'static> Run<I, O> {
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

    /// Waits until the drain with this ticket is done, downstream has taken everything,
    /// and the listener has handled what was told, or takes more than a second for one
    /// thing. The watchdog bounds the drain. A flush or a close after
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
                let told = state.telling.told();
                let Some(until) = state.telling.awaited(told, now()) else {
                    return DrainResult::Complete;
                };
                state = self
                    .shared
                    .wait_until(&self.shared.element, state, Some(until));
                continue;
            }
            state = self.shared.wait(&self.shared.element, state);
        }
    }

    /// Drops everything queued, inside, and not yet fetched by the output task. Does
    /// not wait: the next [`wait_for_room`](Self::wait_for_room) does, and returns
    /// whether the session goes on or is [`Spent`](super::WaitResult::Spent). A session that still
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
        // Who has asked in order learns that there is no answer when the question is
        // dropped.
        let _state = self.shared.lock();
        self.shared.element.notify_all();
    }
}

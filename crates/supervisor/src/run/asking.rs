// SPDX-License-Identifier: MPL-2.0
//! Information about a session: from the facts that it has published, or from a
//! question on its worker.

use std::any::Any;
use std::sync::Arc;
use std::sync::mpsc::{self, TryRecvError};
use std::time::Duration;

use super::{AskResult, Run};
use crate::clock::now;
use crate::{Lane, Session};

impl<I: Send + 'static, O: Send + 'static> Run<I, O> {
    /// The latest facts that the session has published; `None` if there are none yet,
    /// or if they are of another type. Never waits and never enters the codec: facts
    /// are also available while it is wedged, and after its end.
    pub fn facts<F: Any + Send + Sync>(&self) -> Option<Arc<F>> {
        let facts = self.shared.lock().telling.facts();
        facts?.downcast().ok()
    }

    /// Runs a question on the session's worker: after the command in progress, ahead of
    /// waiting inputs, at most one question between two of them. Waits for the answer
    /// for `bound` at most; [`cancel`](Self::cancel) and the end of the session end the
    /// wait. Must not be called on the session's own threads.
    ///
    /// A question is no frame and needs no room. While it waits, the session owes
    /// nothing for it; while the session answers, it owes progress as in any native
    /// call, even if the caller no longer waits. A panic ends the run. An answer
    /// without a waiting caller is dropped, without a lock.
    pub fn ask<S, R>(
        &self,
        bound: Duration,
        question: impl FnOnce(&mut S, &Lane<O>) -> R + Send + 'static,
    ) -> AskResult<R>
    where
        S: Session<Input = I, Output = O>,
        R: Send + 'static,
    {
        let shared = &*self.shared;
        // A time limit beyond the range of the clock is no limit.
        let until = now().checked_add(bound);
        let (sender, answer) = mpsc::channel();
        let mut state = shared.lock();
        let number = state.questions.push(move |session: &mut S, lane| {
            // If the caller no longer waits, `send` returns the answer, which is dropped here.
            drop(sender.send(question(session, lane)));
        });
        shared.command.notify_all();
        let why_not = loop {
            match answer.try_recv() {
                Ok(answer) => return AskResult::Answered(answer),
                Err(TryRecvError::Disconnected) => break AskResult::NoSession,
                Err(TryRecvError::Empty) => {}
            }
            if state.cancelled {
                break AskResult::Cancelled;
            }
            if state.spent || state.closing {
                break AskResult::NoSession;
            }
            if until.is_some_and(|until| until <= now()) {
                break AskResult::TimedOut;
            }
            state = shared.wait_until(&shared.element, state, until);
        };
        let withdrawn = state.questions.withdraw(number);
        drop(state);
        drop(withdrawn);
        // The answer may have come meanwhile.
        answer.try_recv().map_or(why_not, AskResult::Answered)
    }
}

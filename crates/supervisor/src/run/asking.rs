// SPDX-License-Identifier: MPL-2.0
//! What a run says of its session: from the facts that it has published, or by
//! asking it on its worker.

use std::any::Any;
use std::sync::Arc;
use std::sync::mpsc::{self, TryRecvError};
use std::time::Duration;

use super::{AskResult, Run};
use crate::clock::now;
use crate::{Lane, Session};

impl<I: Send + 'static, O: Send + 'static> Run<I, O> {
    /// The latest facts that the session has published; `None` before there are any,
    /// or where they are of another type. Never waits and never enters the codec:
    /// they are there while it is wedged, too, and after its end.
    pub fn facts<F: Any + Send + Sync>(&self) -> Option<Arc<F>> {
        let facts = self.shared.lock().telling.facts();
        facts?.downcast().ok()
    }

    /// Asks the session itself, on its worker: as soon as that has done what it is at,
    /// ahead of inputs that wait, at most one question between two of them. Waits for
    /// the answer for `bound` at most; [`cancel`](Self::cancel) and the end of the
    /// session end the wait. Not to be called on the session's own threads.
    ///
    /// A question is no frame and needs no room. While it waits the session owes
    /// nothing for it; while the session answers, it owes progress as in any native
    /// call, whether or not anybody still waits. A panic ends the run. An answer that
    /// nobody waits for is dropped, without a lock.
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
        // A bound beyond the end of time is none.
        let until = now().checked_add(bound);
        let (sender, answer) = mpsc::channel();
        let mut state = shared.lock();
        let number = state.questions.push(move |session: &mut S, lane| {
            // Where nobody waits any more the answer comes back, and is dropped here.
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
        // It may have come at the last moment.
        answer.try_recv().map_or(why_not, AskResult::Answered)
    }
}

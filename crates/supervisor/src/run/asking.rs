// SPDX-License-Identifier: MPL-2.0
//! Information about a session: from the facts that it has published, or from a
//! question on its worker.

use std::any::Any;
use std::sync::Arc;
use std::sync::mpsc::{self, TryRecvError};
use std::time::{Duration, Instant};

use super::{AskResult, Run};
use crate::clock::now;
use crate::question::Question;
use crate::state::{Command, State};
use crate::sync::MutexGuard;
use crate::{Lane, Session};

/// Why there is no answer, and the lock.
type Unanswered<'a, I, O, R> = (AskResult<R>, MutexGuard<'a, State<I, O>>);

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
        // A time limit beyond the range of the clock is no limit.
        let until = now().checked_add(bound);
        let (sender, answer) = mpsc::channel();
        let ask = move |session: &mut S, lane: &Lane<O>| {
            // If the caller no longer waits, `send` returns the answer, which is dropped here.
            drop(sender.send(question(session, lane)));
        };
        let mut state = self.shared.lock();
        let number = state.questions.push(ask);
        self.shared.command.notify_all();
        let (why_not, mut state) = match self.wait_for_answer(state, &answer, until) {
            Ok(answer) => return AskResult::Answered(answer),
            Err(ended) => ended,
        };
        let withdrawn = state.questions.withdraw(number);
        drop(state);
        drop(withdrawn);
        // The answer may have come meanwhile.
        answer.try_recv().map_or(why_not, AskResult::Answered)
    }

    /// Runs a question on the session's worker, in order: after the inputs and drains
    /// that were submitted before it, ahead of those that follow. It needs no room in
    /// the inbox. Otherwise as [`ask`](Self::ask), but without a time limit: as for an
    /// input that waits, the watchdog bounds the wait unless downstream blocks the
    /// session. A flush drops the question.
    pub fn ask_in_order<S, R>(
        &self,
        question: impl FnOnce(&mut S, &Lane<O>) -> R + Send + 'static,
    ) -> AskResult<R>
    where
        S: Session<Input = I, Output = O>,
        R: Send + 'static,
    {
        let (sender, answer) = mpsc::channel();
        let question = Question::new(move |session: &mut S, lane: &Lane<O>| {
            drop(sender.send(question(session, lane)));
        });
        let mut state = self.shared.lock();
        if state.spent || state.closing || state.cancelled {
            let cancelled = state.cancelled;
            drop(state);
            drop(question);
            return if cancelled {
                AskResult::Cancelled
            } else {
                AskResult::NoSession
            };
        }
        self.push(&mut state, Command::Ask(question));
        let (why_not, state) = match self.wait_for_answer(state, &answer, None) {
            Ok(answer) => return AskResult::Answered(answer),
            Err(ended) => ended,
        };
        drop(state);
        answer.try_recv().map_or(why_not, AskResult::Answered)
    }

    /// Passes something to the session that needs no answer, such as a notification
    /// from downstream: it runs on the worker, as a question does. Never waits. False
    /// if the session takes no more of them, or too many (64) wait.
    pub fn notify<S>(&self, notification: impl FnOnce(&mut S, &Lane<O>) + Send + 'static) -> bool
    where
        S: Session<Input = I, Output = O>,
    {
        self.put_notification(Question::new(notification))
    }

    /// The same. If the session ends before it gets the notification, `told` is told
    /// instead, as if the session had told it.
    pub fn notify_or_tell<S>(
        &self,
        notification: impl FnOnce(&mut S, &Lane<O>) + Send + 'static,
        told: O,
    ) -> bool
    where
        S: Session<Input = I, Output = O>,
    {
        self.put_notification(Question::new(notification).or_tell(told))
    }

    fn put_notification(&self, question: Question<O>) -> bool {
        let mut state = self.shared.lock();
        let refused = if state.spent || state.closing {
            Err(question)
        } else {
            state.questions.notify(question)
        };
        self.shared.command.notify_all();
        drop(state);
        refused.is_ok()
    }

    /// Waits until the listener has handled what the session has told so far, for `bound`
    /// at most; also if the element's waits are [cancelled](Self::cancel).
    pub fn wait_told(&self, bound: Duration) {
        self.wait_told_unless(bound, |_| false);
    }

    /// The same, but [`cancel`](Self::cancel) ends the wait.
    pub fn wait_told_until_cancelled(&self, bound: Duration) {
        self.wait_told_unless(bound, |state| state.cancelled);
    }

    fn wait_told_unless(&self, bound: Duration, ends: impl Fn(&State<I, O>) -> bool) {
        let mut state = self.shared.lock();
        let (told, last) = (state.telling.told(), now() + bound);
        while let Some(until) = state.telling.awaited(told, now())
            && now() < last
            && !ends(&state)
        {
            let until = Some(until.min(last));
            state = self.shared.wait_until(&self.shared.element, state, until);
        }
    }

    /// From now on the listener gets nothing: what waits for it and what the session tells
    /// later is dropped.
    pub fn stop_telling(&self) {
        let mut state = self.shared.lock();
        let waiting = state.telling.silence();
        self.shared.outlet.notify_all();
        self.shared.output.notify_all();
        self.shared.element.notify_all();
        drop(state);
        drop(waiting);
    }

    fn wait_for_answer<'a, R>(
        &'a self,
        mut state: MutexGuard<'a, State<I, O>>,
        answer: &mpsc::Receiver<R>,
        until: Option<Instant>,
    ) -> Result<R, Unanswered<'a, I, O, R>> {
        let why_not = loop {
            match answer.try_recv() {
                Ok(answer) => return Ok(answer),
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
            state = self.shared.wait_until(&self.shared.element, state, until);
        };
        Err((why_not, state))
    }
}

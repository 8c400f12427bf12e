// SPDX-License-Identifier: MPL-2.0
//! A question to a session, on its way to the worker.

use std::any::Any;
use std::collections::VecDeque;

use crate::{Lane, Session};

type Ask<O> = Box<dyn FnOnce(&mut dyn Any, &Lane<O>) + Send>;

/// A run has the types of inputs and outputs, but not of its session, so that is erased
/// here. A session of another type does not answer.
pub(crate) struct Question<O> {
    /// `None` if no caller waits for an answer.
    number: Option<u64>,
    /// What to tell instead if it is never put.
    told: Option<O>,
    ask: Ask<O>,
}

/// Questions without a caller that may wait for the worker.
const NOTIFICATIONS: usize = 64;

impl<O> Question<O> {
    /// A question that no caller waits for, or one that keeps its order among the
    /// inputs.
    pub(crate) fn new<S: Session<Output = O>>(
        ask: impl FnOnce(&mut S, &Lane<O>) + Send + 'static,
    ) -> Self {
        let ask = move |session: &mut dyn Any, lane: &Lane<O>| {
            if let Some(session) = session.downcast_mut() {
                ask(session, lane);
            }
        };
        Self {
            number: None,
            told: None,
            ask: Box::new(ask),
        }
    }

    /// The same; `told` is told instead if it is never put.
    pub(crate) fn or_tell(self, told: O) -> Self {
        Self {
            told: Some(told),
            ..self
        }
    }

    /// What to tell instead.
    pub(crate) fn into_told(self) -> Option<O> {
        self.told
    }

    /// Runs the question on the session's worker.
    pub(crate) fn put_to<S: Session<Output = O>>(self, session: &mut S, lane: &Lane<O>) {
        (self.ask)(session, lane);
    }
}

/// Questions that wait for the worker. A caller withdraws its question when it stops
/// waiting: so there are never more of them than waiting threads, and none is left when
/// a session ends. Those without a caller have a limit, and end with the run.
pub(crate) struct Questions<O> {
    waiting: VecDeque<Question<O>>,
    asked: u64,
}

impl<O> Questions<O> {
    pub(crate) fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            asked: 0,
        }
    }

    /// Adds a question, and returns its number.
    pub(crate) fn push<S: Session<Output = O>>(
        &mut self,
        ask: impl FnOnce(&mut S, &Lane<O>) + Send + 'static,
    ) -> u64 {
        self.asked += 1;
        self.waiting.push_back(Question {
            number: Some(self.asked),
            ..Question::new(ask)
        });
        self.asked
    }

    /// Adds a question that no caller waits for.
    ///
    /// # Errors
    /// Returns it if too many wait already.
    pub(crate) fn notify(&mut self, question: Question<O>) -> Result<(), Question<O>> {
        let notifications = self.waiting.iter().filter(|q| q.number.is_none());
        if notifications.count() >= NOTIFICATIONS {
            return Err(question);
        }
        self.waiting.push_back(question);
        Ok(())
    }

    /// Removes the questions without a caller. The caller must drop them without the lock.
    pub(crate) fn take_notifications(&mut self) -> Vec<Question<O>> {
        let all = std::mem::take(&mut self.waiting);
        let (taken, waiting) = all.into_iter().partition(|q| q.number.is_none());
        self.waiting = waiting;
        taken.into()
    }

    pub(crate) fn pop(&mut self) -> Option<Question<O>> {
        self.waiting.pop_front()
    }

    /// Removes this question, if it still waits. The caller must drop it without the
    /// lock.
    pub(crate) fn withdraw(&mut self, number: u64) -> Option<Question<O>> {
        let at = self
            .waiting
            .iter()
            .position(|question| question.number == Some(number))?;
        self.waiting.remove(at)
    }
}

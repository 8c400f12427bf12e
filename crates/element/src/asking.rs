// SPDX-License-Identifier: MPL-2.0
//! What an element asks of its session, and what it notifies it of.

use std::time::Duration;

use codecwatch_supervisor::{AskResult, Codec, Lane, Run};

use crate::{Supervised, Supervision, output_task};

/// The session of an element.
type SessionOf<T> = <<T as Supervised>::Codec as Codec>::Session;

impl<I: Send + 'static, O: Send + 'static> Supervision<I, O> {
    /// Asks the session that takes input, ahead of the inputs that wait; see
    /// [`Run::ask`](codecwatch_supervisor::Run::ask). `None` if there is none, or none
    /// that answers within `bound`; at once on the output task, which must not wait for
    /// the session.
    pub fn ask<T, R>(
        &self,
        _imp: &T,
        bound: Duration,
        question: impl FnOnce(&mut SessionOf<T>, &Lane<O>) -> R + Send + 'static,
    ) -> Option<R>
    where
        T: Supervised<Input = I, Output = O>,
        R: Send + 'static,
    {
        if output_task::is_this_thread(self) {
            return None;
        }
        answered(self.taking()?.ask(bound, question))
    }

    /// Asks the session that takes input, in order with the inputs; see
    /// [`Run::ask_in_order`](codecwatch_supervisor::Run::ask_in_order). `None` if there
    /// is none, or none that answers.
    pub fn ask_in_order<T, R>(
        &self,
        _imp: &T,
        question: impl FnOnce(&mut SessionOf<T>, &Lane<O>) -> R + Send + 'static,
    ) -> Option<R>
    where
        T: Supervised<Input = I, Output = O>,
        R: Send + 'static,
    {
        answered(self.taking()?.ask_in_order(question))
    }

    /// Notifies the session that takes input; see
    /// [`Run::notify`](codecwatch_supervisor::Run::notify). False if none takes it.
    pub fn notify<T>(
        &self,
        _imp: &T,
        notification: impl FnOnce(&mut SessionOf<T>, &Lane<O>) + Send + 'static,
    ) -> bool
    where
        T: Supervised<Input = I, Output = O>,
    {
        let run = self.taking();
        run.is_some_and(|run| run.notify(notification))
    }

    /// The same. If the session ends before it gets the notification, the element gets
    /// `told` instead, as if the session had told it.
    pub fn notify_or_tell<T>(
        &self,
        _imp: &T,
        notification: impl FnOnce(&mut SessionOf<T>, &Lane<O>) + Send + 'static,
        told: O,
    ) -> bool
    where
        T: Supervised<Input = I, Output = O>,
    {
        let run = self.taking();
        run.is_some_and(|run| run.notify_or_tell(notification, told))
    }

    /// Enters that session's codec beside its worker; see
    /// [`Run::beside`](codecwatch_supervisor::Run::beside). False if that is not
    /// possible, and on the output task, for which the codec may be waiting.
    pub fn beside(&self, name: &str, body: impl FnOnce(&Lane<O>) + Send + 'static) -> bool {
        !output_task::is_this_thread(self)
            && self.taking().is_some_and(|run| run.beside(name, body))
    }

    /// Whether that session waits for something outside, which may in turn wait for it;
    /// see [`Run::is_blocked`](codecwatch_supervisor::Run::is_blocked).
    pub fn is_blocked(&self) -> bool {
        self.taking().is_some_and(|run| run.is_blocked())
    }

    fn taking(&self) -> Option<Run<I, O>> {
        self.lock().back().cloned()
    }
}

fn answered<R>(result: AskResult<R>) -> Option<R> {
    match result {
        AskResult::Answered(answer) => Some(answer),
        AskResult::TimedOut | AskResult::Cancelled | AskResult::NoSession => None,
    }
}

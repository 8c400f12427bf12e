// SPDX-License-Identifier: MPL-2.0
//! Questions to a child beside its session's worker.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use super::shared::Shared;
use crate::message::ToChild;
use crate::remote::{AnswerOf, QuestionOf, Remote};

/// Asks an open session on other threads than its worker. Clones share it.
pub struct Beside<R: Remote> {
    shared: Arc<Shared<R>>,
}

impl<R: Remote> Clone for Beside<R> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl<R: Remote> std::fmt::Debug for Beside<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Beside").finish_non_exhaustive()
    }
}

impl<R: Remote> Beside<R> {
    pub(super) fn new(shared: Arc<Shared<R>>) -> Self {
        Self { shared }
    }

    /// Asks, and waits for the answer as long as the child lives: to be called on a lane
    /// of the session. `None` if the child is gone.
    pub fn ask(&self, question: QuestionOf<R>) -> Option<AnswerOf<R>> {
        let (number, answer) = self.shared.besides.begin()?;
        self.shared.send(&ToChild::Beside { number, question });
        answer.recv().ok()
    }
}

/// Questions whose answers are awaited.
pub(super) struct Besides<A>(Mutex<Awaited<A>>);

struct Awaited<A> {
    next: u32,
    /// `None` when the child is gone.
    senders: Option<HashMap<u32, mpsc::Sender<A>>>,
}

impl<A> Default for Besides<A> {
    fn default() -> Self {
        Self(Mutex::new(Awaited {
            next: 0,
            senders: Some(HashMap::new()),
        }))
    }
}

impl<A> Besides<A> {
    fn lock(&self) -> MutexGuard<'_, Awaited<A>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) -> Option<(u32, mpsc::Receiver<A>)> {
        let (sender, answer) = mpsc::channel();
        let mut awaited = self.lock();
        let number = awaited.next;
        awaited.next = number.wrapping_add(1);
        awaited.senders.as_mut()?.insert(number, sender);
        Some((number, answer))
    }

    /// An answer has come. False if none was awaited.
    pub(super) fn answered(&self, number: u32, answer: A) -> bool {
        let mut awaited = self.lock();
        let sender = awaited
            .senders
            .as_mut()
            .and_then(|senders| senders.remove(&number));
        drop(awaited);
        // Who has asked waits for it, or its lane has ended.
        let Some(sender) = sender else { return false };
        let _ = sender.send(answer);
        true
    }

    /// The child is gone: nobody waits any more.
    pub(super) fn end(&self) {
        let senders = self.lock().senders.take();
        drop(senders);
    }
}

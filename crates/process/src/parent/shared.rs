// SPDX-License-Identifier: MPL-2.0
//! What the threads of a session share: the way to the child, and what it has to answer.

use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, PoisonError};

use codecwatch_supervisor::CodecError;

use super::beside::Besides;
use super::conversation::Conversation;
use super::status::ChildStatus;
use crate::link::{Outgoing, SendError};
use crate::memory::{BlockId, Returns};
use crate::message::{ToChild, ToChildOf};
use crate::remote::{AnswerOf, OutputOf, Remote};

/// What the reader and the session share.
pub(super) struct Shared<R: Remote> {
    pub(super) conversation: Arc<Conversation<OutputOf<R>>>,
    pub(super) outgoing: Mutex<Outgoing>,
    pub(super) returns: Arc<Mutex<Returns>>,
    pub(super) released: Arc<Mutex<Vec<BlockId>>>,
    pub(super) besides: Besides<AnswerOf<R>>,
    /// The answer to the latest question.
    pub(super) answer: Mutex<Option<AnswerOf<R>>>,
    pub(super) process: u32,
    pub(super) status: Arc<ChildStatus>,
}

impl<R: Remote> Shared<R> {
    /// Sends a message; a child that is gone is the reader's to notice.
    pub(super) fn send(&self, message: &ToChildOf<R>) {
        let _ = self.send_with(message, None);
    }

    /// Sends a message, with a descriptor if one is given.
    ///
    /// # Errors
    /// What the session fails with: the message is too large, or the descriptor one too
    /// many.
    pub(super) fn send_with(
        &self,
        message: &ToChildOf<R>,
        fd: Option<BorrowedFd<'_>>,
    ) -> Result<(), CodecError> {
        let outgoing = self.outgoing.lock();
        let mut outgoing = outgoing.unwrap_or_else(PoisonError::into_inner);
        outgoing.send(message, fd).or_else(SendError::into_failure)
    }

    /// Tells the child that an output was taken: with the next message, or at once if that
    /// is the second. So it never waits for room while there is some.
    pub(super) fn taken(&self) {
        let released = {
            let released = self.released.lock();
            std::mem::take(&mut *released.unwrap_or_else(PoisonError::into_inner))
        };
        let message: ToChildOf<R> = ToChild::Taken {
            outputs: 1,
            released,
        };
        let outgoing = self.outgoing.lock();
        let mut outgoing = outgoing.unwrap_or_else(PoisonError::into_inner);
        if outgoing.send_later(&message) != Ok(1) {
            let _ = outgoing.flush();
        }
    }
}

// SPDX-License-Identifier: MPL-2.0
//! What the outputs of a child are unpacked with, and answers to what it inquires.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::reader::Shared;
use crate::memory::Given;
use crate::message::ToChild;
use crate::remote::{FindingOf, InquiryOf, ParentOf, Remote};
use crate::talk::Talk;
use crate::wire::Broken;

/// The most inquiries of a child that are answered at a time.
const MOST_INQUIRIES: usize = 32;

/// The parent's side of a child.
pub struct ParentContext<R: Remote> {
    /// The blocks that outputs lie in.
    pub given: Given,
    /// What the element lends.
    pub parent: ParentOf<R>,
    pub(super) shared: Arc<Shared<R>>,
    /// Threads that answer.
    answering: Arc<AtomicUsize>,
}

impl<R: Remote> std::fmt::Debug for ParentContext<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParentContext").finish_non_exhaustive()
    }
}

impl<R: Remote> ParentContext<R> {
    pub(super) fn new(given: Given, parent: ParentOf<R>, shared: Arc<Shared<R>>) -> Self {
        Self {
            given,
            parent,
            shared,
            answering: Arc::default(),
        }
    }

    /// Answers an inquiry of the child on a thread of its own.
    pub(super) fn answer(&self, number: u32, inquiry: InquiryOf<R>) -> Result<(), Broken> {
        let parent = self.parent.clone();
        self.on_a_thread(number, move || Some(R::Talk::inquire(&parent, inquiry)))
    }

    /// Sends the answer to inquiry `number`, which came with an output. Called on any
    /// thread: it does not block.
    pub fn finding(&self, number: u32) -> impl FnOnce(Option<FindingOf<R>>) + Send + 'static {
        let (shared, answering) = (self.shared.clone(), self.answering.clone());
        move |finding| {
            if answering.fetch_add(1, Ordering::Relaxed) >= MOST_INQUIRIES {
                // So many threads already wait for a child that does not read.
                answering.fetch_sub(1, Ordering::Relaxed);
                return;
            }
            // A child that does not read would block the thread.
            let thread = std::thread::Builder::new().name("cw-finding".to_owned());
            let in_thread = answering.clone();
            let begun = thread.spawn(move || {
                shared.send(&ToChild::Found { number, finding });
                in_thread.fetch_sub(1, Ordering::Relaxed);
            });
            if begun.is_err() {
                // The answer is lost; a flush or the end of the session ends the wait.
                answering.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    fn on_a_thread(
        &self,
        number: u32,
        find: impl FnOnce() -> Option<FindingOf<R>> + Send + 'static,
    ) -> Result<(), Broken> {
        if self.answering.fetch_add(1, Ordering::Relaxed) >= MOST_INQUIRIES {
            return Err(Broken::new("it inquires too much at a time"));
        }
        let (shared, answering) = (self.shared.clone(), self.answering.clone());
        let thread = std::thread::Builder::new().name("cw-outside".to_owned());
        let begun = thread.spawn(move || {
            let finding = find();
            answering.fetch_sub(1, Ordering::Relaxed);
            shared.send(&ToChild::Found { number, finding });
        });
        if begun.is_err() {
            self.answering.fetch_sub(1, Ordering::Relaxed);
            let finding = None;
            self.shared.send(&ToChild::Found { number, finding });
        }
        Ok(())
    }
}

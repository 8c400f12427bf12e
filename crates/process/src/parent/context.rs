// SPDX-License-Identifier: MPL-2.0
//! What the outputs of a child are unpacked with, and answers to what it inquires.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::shared::Shared;
use super::status::Copies;
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

    /// Where copies of its outputs are counted.
    pub fn copies(&self) -> Copies {
        Copies {
            status: self.shared.status.clone(),
            process: self.shared.process,
        }
    }

    /// Answers an inquiry of the child on a thread of its own.
    pub(super) fn answer(&self, number: u32, inquiry: InquiryOf<R>) -> Result<(), Broken> {
        let parent = self.parent.clone();
        let asked = self.shared.conversation.asked();
        let find = move || {
            let found = R::Talk::inquire(&parent, inquiry);
            drop(asked);
            Some(found)
        };
        if on_a_thread("cw-outside", &self.shared, &self.answering, number, find) {
            Ok(())
        } else {
            Err(Broken::new("it inquires too much at a time"))
        }
    }

    /// Sends the answer to inquiry `number`, which came with an output. Called on any
    /// thread: it does not block.
    pub fn finding(&self, number: u32) -> impl FnOnce(Option<FindingOf<R>>) + Send + 'static {
        let (shared, answering) = (self.shared.clone(), self.answering.clone());
        let asked = shared.conversation.asked();
        move |finding| {
            drop(asked);
            // If so many threads already wait for a child that does not read, the answer is
            // lost; a flush or the end of the session ends its wait.
            on_a_thread("cw-finding", &shared, &answering, number, move || finding);
        }
    }
}

/// Finds an answer and sends it on a thread of its own, which a child that does not read
/// blocks. Returns whether it is not one too many. (If no thread can be had, the answer is
/// lost; waits for one have a bound.)
fn on_a_thread<R: Remote>(
    name: &str,
    shared: &Arc<Shared<R>>,
    answering: &Arc<AtomicUsize>,
    number: u32,
    find: impl FnOnce() -> Option<FindingOf<R>> + Send + 'static,
) -> bool {
    struct Place(Arc<AtomicUsize>);
    impl Drop for Place {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
    let before = answering.fetch_add(1, Ordering::Relaxed);
    let place = Place(answering.clone());
    if before >= MOST_INQUIRIES {
        return false;
    }
    let shared = shared.clone();
    let thread = std::thread::Builder::new().name(name.to_owned());
    let begun = thread.spawn(move || {
        let _place = place;
        let finding = find();
        shared.send(&ToChild::Found { number, finding });
    });
    drop(begun);
    true
}

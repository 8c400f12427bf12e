// SPDX-License-Identifier: MPL-2.0
//! What a child's session is made with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use super::supervisor::{ChildLog, ToParent};
use crate::memory::Received;
use crate::message::FromChild;
use crate::remote::{ChildOf, FindingOf, InquiryOf, Remote};

/// The child's side. Clones share it.
pub struct ChildContext<R: Remote> {
    /// Memory that the parent has given.
    pub memory: Arc<Received>,
    /// The codec's log.
    pub log: ChildLog,
    /// What the child's threads share.
    pub child: Arc<ChildOf<R>>,
    inquiries: Arc<Mutex<Inquiries<FindingOf<R>>>>,
}

impl<R: Remote> Clone for ChildContext<R> {
    fn clone(&self) -> Self {
        Self {
            memory: self.memory.clone(),
            log: self.log.clone(),
            child: self.child.clone(),
            inquiries: self.inquiries.clone(),
        }
    }
}

impl<R: Remote> std::fmt::Debug for ChildContext<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChildContext").finish_non_exhaustive()
    }
}

/// Inquiries whose findings are awaited.
struct Inquiries<F> {
    next: u32,
    awaited: HashMap<u32, Found<F>>,
}

type Found<F> = Box<dyn FnOnce(Option<F>) + Send>;

impl<R: Remote> ChildContext<R> {
    pub(super) fn new(memory: Arc<Received>, parent: Arc<ToParent>) -> Self {
        Self {
            memory,
            log: ChildLog(parent),
            child: Arc::default(),
            inquiries: Arc::new(Mutex::new(Inquiries {
                next: 0,
                awaited: HashMap::new(),
            })),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inquiries<FindingOf<R>>> {
        self.inquiries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for an inquiry that goes with an output; `found` is called with what is
    /// found, on the thread that reads: it must not block.
    pub fn begin_inquiry(&self, found: impl FnOnce(Option<FindingOf<R>>) + Send + 'static) -> u32 {
        let mut inquiries = self.lock();
        let number = inquiries.next;
        inquiries.next = number.wrapping_add(1);
        inquiries.awaited.insert(number, Box::new(found));
        number
    }

    /// Asks the pipeline around the element, and waits for the answer. `None` if there is
    /// none.
    pub fn inquire(&self, inquiry: InquiryOf<R>) -> Option<FindingOf<R>> {
        let (sender, finding) = mpsc::channel();
        let number = self.begin_inquiry(move |found| {
            let _ = sender.send(found);
        });
        let message = FromChild::<(), (), (), _>::Inquires { number, inquiry };
        self.log.0.send(&message);
        finding.recv().ok().flatten()
    }

    /// The parent has found an answer, or none.
    pub(super) fn found(&self, number: u32, finding: Option<FindingOf<R>>) {
        let awaited = self.lock().awaited.remove(&number);
        if let Some(found) = awaited {
            found(finding);
        }
    }
}

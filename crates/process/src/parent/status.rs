// SPDX-License-Identifier: MPL-2.0
//! What is known of the latest child of an element, for its `stats`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::sandbox::Report;

/// Shared by an element and its sessions. Nobody holds its lock across anything.
#[derive(Debug, Default)]
pub struct ChildStatus(Mutex<Option<Seen>>);

/// What is known of a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its process.
    pub process: u32,
    /// Its sandbox; `None` before it is closed.
    pub sandbox: Option<Report>,
    /// How many inputs were copied into shared memory, because they did not lie there, and
    /// how many outputs were copied out of it, because the child could still change them.
    pub copies: u64,
}

impl ChildStatus {
    fn lock(&self) -> MutexGuard<'_, Option<Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The latest child; `None` before the first.
    pub fn seen(&self) -> Option<Seen> {
        self.lock().clone()
    }

    pub(super) fn begin(&self, process: u32) {
        *self.lock() = Some(Seen {
            process,
            sandbox: None,
            copies: 0,
        });
    }

    pub(super) fn note_sandbox(&self, process: u32, report: Report) {
        if let Some(seen) = &mut *self.lock()
            && seen.process == process
        {
            seen.sandbox = Some(report);
        }
    }

    pub(super) fn note_copies(&self, process: u32, more: u64) {
        if let Some(seen) = &mut *self.lock()
            && seen.process == process
        {
            seen.copies += more;
        }
    }
}

/// Where copies of a child's outputs are counted.
#[derive(Debug, Clone)]
pub struct Copies {
    pub(super) status: Arc<ChildStatus>,
    pub(super) process: u32,
}

impl Copies {
    /// Counts one.
    pub fn note(&self) {
        self.status.note_copies(self.process, 1);
    }
}

// SPDX-License-Identifier: MPL-2.0
//! Threads of this process that a session has adopted, one by one.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Witness;
use crate::Sample;
use crate::procfs::Tasks;

/// Threads by their kernel ids: for a session that is notified of its threads' start
/// and end, such as by a framework.
#[derive(Debug, Default)]
pub struct AdoptedThreads {
    ids: Mutex<BTreeSet<u32>>,
}

impl AdoptedThreads {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a thread that works for the session from now on. A thread that has ended
    /// must be [released](Self::release): the kernel reuses its id.
    pub fn adopt(&self, thread: u32) {
        self.ids().insert(thread);
    }

    /// Removes a thread that has ended, or that works for something else.
    pub fn release(&self, thread: u32) {
        self.ids().remove(&thread);
    }

    /// The kernel id of the calling thread; `None` if the system does not provide it.
    pub fn this_thread() -> Option<u32> {
        let path = std::fs::read_link("/proc/thread-self").ok()?;
        path.file_name()?.to_str()?.parse().ok()
    }

    fn ids(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Witness for AdoptedThreads {
    fn sample(&self) -> Sample {
        let ids: Vec<u32> = self.ids().iter().copied().collect();
        Tasks::of_this_process().sample_of(&ids)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::Source;

    #[test]
    fn a_thread_is_seen_from_its_adoption_to_its_release() {
        let threads = AdoptedThreads::new();
        assert_eq!(threads.sample().source, Source::Unavailable);
        let this = AdoptedThreads::this_thread().unwrap();
        threads.adopt(this);
        let sample = threads.sample();
        assert_eq!(sample.threads.len(), 1);
        assert_eq!(sample.threads[0].tid, this);
        assert!(sample.threads[0].runnable, "it is looking");
        threads.release(this);
        assert!(threads.sample().threads.is_empty());
    }
}

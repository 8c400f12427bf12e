// SPDX-License-Identifier: MPL-2.0
//! Threads that work for no codec, whatever they are called and whenever they have
//! started: those that watch sessions. Names are no help: the kernel keeps 15 bytes of
//! them, and the name of an element may be longer.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::AdoptedThreads;

static ASIDE: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

thread_local! {
    /// The kernel id of this thread, once it has been asked for.
    static ID: Cell<Option<u32>> = const { Cell::new(None) };
}

fn aside() -> MutexGuard<'static, BTreeSet<u32>> {
    ASIDE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn this_thread() -> Option<u32> {
    let id = ID.get().or_else(AdoptedThreads::this_thread);
    ID.set(id);
    id
}

/// Keeps the thread that has made it apart from every session's threads.
#[derive(Debug)]
#[must_use = "the thread is set aside as long as this lives"]
pub struct SetAside {
    id: Option<u32>,
    /// It ends on the thread that has made it.
    _this_thread: std::marker::PhantomData<*const ()>,
}

/// Sets this thread aside: it delivers output and watches sessions, so it is no
/// evidence of a codec's work.
pub fn set_aside() -> SetAside {
    let id = this_thread().filter(|id| aside().insert(*id));
    SetAside {
        id,
        _this_thread: std::marker::PhantomData,
    }
}

impl Drop for SetAside {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            aside().remove(&id);
        }
    }
}

/// The threads that work for no codec, the one that is looking included.
pub(super) fn threads() -> BTreeSet<u32> {
    let mut threads = aside().clone();
    threads.extend(this_thread());
    threads
}

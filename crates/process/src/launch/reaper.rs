// SPDX-License-Identifier: MPL-2.0
//! Waits in the background for children that nobody waits for any more.

use std::os::fd::OwnedFd;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Builder};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::{Errno, read, write};

use super::child::Held;

/// Killed children that have not ended yet, and what wakes the thread that waits for
/// them. There is such a thread only while there are any.
struct Reaper {
    waiting: Vec<Arc<Held>>,
    wake: Option<Arc<OwnedFd>>,
    /// A fork has a copy of this, and neither the thread nor the children.
    process: u32,
}

static REAPER: Mutex<Reaper> = Mutex::new(Reaper {
    waiting: Vec::new(),
    wake: None,
    process: 0,
});

fn reaper() -> MutexGuard<'static, Reaper> {
    let mut reaper = REAPER.lock().unwrap_or_else(PoisonError::into_inner);
    let here = process::id();
    if reaper.process != here {
        *reaper = Reaper {
            waiting: Vec::new(),
            wake: None,
            process: here,
        };
    }
    reaper
}

/// How many children of this process were killed and have not ended yet: those of the
/// last milliseconds, those that a driver holds in the kernel, and those that this process
/// may not kill any more.
pub fn unreaped() -> usize {
    reaper().waiting.len()
}

/// Sees to it that the child becomes no zombie. Does not block.
pub(super) fn wait_in_background(held: Arc<Held>) {
    let mut reaper = reaper();
    if !reaper.waiting.iter().any(|other| Arc::ptr_eq(other, &held)) {
        reaper.waiting.push(held);
    }
    match &reaper.wake {
        Some(wake) => {
            let _ = write(wake, &1u64.to_ne_bytes());
        }
        // If there is no descriptor or no thread to be had, the next child tries again.
        None => reaper.wake = start(),
    }
}

fn start() -> Option<Arc<OwnedFd>> {
    let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok()?);
    let theirs = Arc::clone(&wake);
    Builder::new()
        .name("child-reaper".into())
        .stack_size(64 * 1024)
        .spawn(move || run(&theirs))
        .ok()?;
    Some(wake)
}

fn run(wake: &OwnedFd) {
    loop {
        let waiting = {
            let mut reaper = reaper();
            reaper.waiting.retain(|held| held.try_wait().is_none());
            if reaper.waiting.is_empty() {
                reaper.wake = None;
                return;
            }
            reaper.waiting.clone()
        };
        let mut ends = vec![PollFd::new(wake, PollFlags::IN)];
        ends.extend(
            waiting
                .iter()
                .map(|held| PollFd::from_borrowed_fd(held.pidfd(), PollFlags::IN)),
        );
        match poll(&mut ends, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
        let _ = read(wake, &mut [0; 8]);
    }
}

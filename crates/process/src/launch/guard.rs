// SPDX-License-Identifier: MPL-2.0
//! Ends the child when its parent is gone.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, mpsc};
use std::thread::{Builder, JoinHandle};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::{Errno, write};
use rustix::process::{Signal, getpid, kill_process};
use rustix::thread::gettid;

/// A thread that waits for the parent's end and then kills its own process with
/// SIGKILL, which needs no help of any other thread: exit handlers and destructors of
/// libraries could hang. It runs for as long as the process, also when this handle is
/// dropped.
#[derive(Debug)]
pub struct Guard {
    parent: Arc<OwnedFd>,
    watch: Watch,
}

#[derive(Debug)]
struct Watch {
    dismiss: Arc<OwnedFd>,
    /// The kernel's id of the thread.
    id: i32,
    thread: JoinHandle<()>,
}

impl Guard {
    /// Starts it, with a pidfd of the parent.
    pub(super) fn start(parent: OwnedFd) -> io::Result<Self> {
        let parent = Arc::new(parent);
        let watch = Watch::start(&parent)?;
        Ok(Self { parent, watch })
    }

    /// Puts a new thread in the place of the old one, under the restrictions of the
    /// calling thread: threads inherit what their creator has restricted for itself.
    ///
    /// # Errors
    /// If no thread could be started. The old one goes on then.
    pub(crate) fn renew(&mut self) -> io::Result<()> {
        let old = std::mem::replace(&mut self.watch, Watch::start(&self.parent)?);
        write(&*old.dismiss, &1u64.to_ne_bytes())?;
        // Its poll returns now, and nothing comes after it.
        let _ = old.thread.join();
        Ok(())
    }

    /// The kernel's id of its thread.
    pub(crate) fn thread_id(&self) -> i32 {
        self.watch.id
    }
}

impl Watch {
    /// Returns when the thread runs.
    fn start(parent: &Arc<OwnedFd>) -> io::Result<Self> {
        let dismiss = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        let (says, hears) = mpsc::sync_channel(1);
        let theirs = (Arc::clone(parent), Arc::clone(&dismiss));
        let thread = Builder::new()
            .name("parent-guard".into())
            .stack_size(64 * 1024)
            .spawn(move || {
                let (parent, dismiss) = theirs;
                let _ = says.send(gettid().as_raw_pid());
                watch(&parent, &dismiss);
            })?;
        Ok(Self {
            dismiss,
            id: hears.recv().map_err(io::Error::other)?,
            thread,
        })
    }
}

/// Returns only when it is dismissed.
fn watch(parent: &OwnedFd, dismiss: &OwnedFd) {
    loop {
        let mut ends = [
            PollFd::new(parent, PollFlags::IN),
            PollFd::new(dismiss, PollFlags::IN),
        ];
        match poll(&mut ends, None) {
            Err(Errno::INTR) => continue,
            Ok(_) if ends[0].revents().is_empty() => return,
            // The parent is gone; or the kernel has no memory for a poll, and the
            // parent's end could not be seen any more.
            _ => {}
        }
        let _ = kill_process(getpid(), Signal::KILL);
    }
}

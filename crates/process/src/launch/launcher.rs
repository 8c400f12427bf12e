// SPDX-License-Identifier: MPL-2.0
//! The thread that starts all children of this process.
//!
//! The kernel ends a child by PR_SET_PDEATHSIG when the *thread* that started it ends.
//! A session's worker ends sooner than its process, so children are started by a thread
//! that lives for as long as the process.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::Builder;

type Job = Box<dyn FnOnce() + Send>;

struct Launcher {
    jobs: mpsc::Sender<Job>,
    /// A fork has a copy of this and no such thread.
    process: u32,
}

static LAUNCHER: Mutex<Option<Launcher>> = Mutex::new(None);

/// Does the work on that thread, and waits for it: in turn with others, for as long as
/// the work takes.
///
/// # Errors
/// If there is no such thread and none can be started.
pub(super) fn run_there<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (says, hears) = mpsc::sync_channel(1);
    let job: Job = Box::new(move || drop(says.send(work())));
    {
        let mut launcher = LAUNCHER.lock().unwrap_or_else(PoisonError::into_inner);
        let here = process::id();
        let launcher = match &mut *launcher {
            Some(started) if started.process == here => started,
            none => none.insert(start(here)?),
        };
        // A job that cannot be sent is dropped, and its answer with it.
        let _ = launcher.jobs.send(job);
    }
    hears.recv().map_err(io::Error::other)
}

fn start(process: u32) -> io::Result<Launcher> {
    let (jobs, todo) = mpsc::channel::<Job>();
    Builder::new()
        .name("child-launcher".into())
        .stack_size(256 * 1024)
        .spawn(move || {
            for job in todo {
                // A panic would end this thread, and with it every child.
                let _ = catch_unwind(AssertUnwindSafe(job));
            }
        })?;
    Ok(Launcher { jobs, process })
}

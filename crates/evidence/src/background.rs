// SPDX-License-Identifier: MPL-2.0
//! The thread that writes, of which a process has one (for each copy of this crate: each
//! plugin file has its own). It runs only while there is something to write, and nobody
//! waits for it but the [end of the process](crate::at_exit).

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::at_exit;

/// What has to be written may hold samples of
/// [`MOST_SAMPLE_BYTES`](crate::MOST_SAMPLE_BYTES) each, for as long as a disk hangs.
const MOST_WAITING: usize = 4;

type Job = Box<dyn FnOnce() + Send>;

static DESK: Mutex<Desk> = Mutex::new(Desk {
    waiting: VecDeque::new(),
    running: false,
    process: 0,
});
static DONE: Condvar = Condvar::new();

struct Desk {
    waiting: VecDeque<Job>,
    running: bool,
    /// A fork has a copy of this and no such thread.
    process: u32,
}

/// Nothing more is written at the moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Busy {
    /// The disk does not keep up.
    #[error("{MOST_WAITING} faults before this one wait to be written: the disk is slow or hangs")]
    Behind,
    /// There is no thread.
    #[error("no thread could be started to write it: {0}")]
    NoThread(String),
}

fn desk() -> MutexGuard<'static, Desk> {
    let mut desk = DESK.lock().unwrap_or_else(PoisonError::into_inner);
    let here = process::id();
    if desk.process != here {
        desk.process = here;
        desk.running = false;
        // The process that it was forked from writes them. What they hold is not dropped:
        // it may need locks that a thread of that process has.
        std::mem::forget(std::mem::take(&mut desk.waiting));
    }
    desk
}

/// Runs `job` on the thread that writes, after those before it. Does not wait.
///
/// # Errors
/// [`Busy`]; the job is dropped.
pub fn write_in_background(job: impl FnOnce() + Send + 'static) -> Result<(), Busy> {
    at_exit::register();
    let mut desk = desk();
    if desk.waiting.len() >= MOST_WAITING {
        drop(desk);
        return Err(Busy::Behind);
    }
    desk.waiting.push_back(Box::new(job));
    if desk.running {
        return Ok(());
    }
    let thread = thread::Builder::new().name("cw-evidence".to_owned());
    match thread.spawn(work) {
        Ok(_detached) => desk.running = true,
        Err(error) => {
            let left = std::mem::take(&mut desk.waiting);
            drop(desk);
            drop(left);
            return Err(Busy::NoThread(error.to_string()));
        }
    }
    Ok(())
}

fn work() {
    loop {
        let job = {
            let mut desk = desk();
            let job = desk.waiting.pop_front();
            desk.running = job.is_some();
            job
        };
        let Some(job) = job else {
            DONE.notify_all();
            return;
        };
        // The panic hook has reported it; the next fault is written all the same.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

/// Waits until everything is written, for `limit` at most.
pub(crate) fn wait_done(limit: Duration) {
    let desk = desk();
    drop(DONE.wait_timeout_while(desk, limit, |desk| desk.running));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const LONG: Duration = Duration::from_secs(20);

    /// Whether a fork of this process, whose thread is busy, writes what is its own.
    fn fork_writes() -> bool {
        // SAFETY: the copy uses nothing that another thread may have locked but the
        // memory allocator, which the C library unlocks in it.
        let copy = unsafe { libc::fork() };
        if copy == 0 {
            let (tell, told) = mpsc::channel();
            let begun = write_in_background(move || tell.send(()).unwrap());
            let written = begun.is_ok() && told.recv_timeout(LONG / 2).is_ok();
            // SAFETY: ends the copy, without the handlers of the test's process.
            unsafe { libc::_exit(i32::from(!written)) };
        }
        let mut status = 0;
        // SAFETY: the copy is a child of this process, and nobody else waits for it.
        let waited = unsafe { libc::waitpid(copy, &mut status, 0) };
        waited == copy && status == 0
    }

    /// One test: the thread is the process's.
    #[test]
    fn a_job_that_hangs_delays_nobody_and_those_behind_it_are_limited() {
        let (go_on, hangs) = mpsc::channel::<()>();
        let (began, begins) = mpsc::channel();
        let hanging = move || {
            began.send(()).unwrap();
            let _ = hangs.recv();
            panic!("it failed");
        };
        write_in_background(hanging).unwrap();
        begins.recv_timeout(LONG).unwrap();
        assert!(
            fork_writes(),
            "a fork has no thread that writes, and starts one"
        );
        let (tell, told) = mpsc::channel();
        for number in 0..MOST_WAITING {
            let tell = tell.clone();
            write_in_background(move || tell.send(number).unwrap()).unwrap();
        }
        assert_eq!(write_in_background(|| {}), Err(Busy::Behind));
        wait_done(Duration::from_millis(10));
        assert!(told.try_recv().is_err(), "one at a time");
        drop(go_on);
        let order: Vec<_> = (0..MOST_WAITING)
            .map(|_| told.recv_timeout(LONG).unwrap())
            .collect();
        assert_eq!(order, (0..MOST_WAITING).collect::<Vec<_>>());
        wait_done(LONG);
        assert!(!desk().running);
    }
}

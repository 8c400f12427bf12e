// SPDX-License-Identifier: MPL-2.0
//! The parent's hold on a child: kill it, wait for it, never confuse it with another.

use std::fs;
use std::io::PipeReader;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open,
    pidfd_send_signal, waitid,
};

use super::{Ending, LaunchError, reaper};

/// A started child. Its parts are independent, so that each can go to the thread that
/// needs it.
#[derive(Debug)]
pub struct Child {
    /// The parent's end of the socket pair; blocking. Its EOF says that the child has
    /// closed its end or is gone.
    pub socket: UnixStream,
    /// What the child writes to its stderr; reading does not block (`WouldBlock`).
    pub stderr: PipeReader,
    /// The process.
    pub process: Process,
}

/// A child process that its parent owns. If it is dropped before it was waited for, it
/// is killed, and a thread in the background waits for it ([`unreaped`](super::unreaped)).
#[derive(Debug)]
pub struct Process {
    held: Arc<Held>,
}

/// Kills a child, from any thread, at any time.
#[derive(Clone, Debug)]
pub struct Killer {
    held: Arc<Held>,
}

/// What is shared by all who hold the process.
#[derive(Debug)]
pub(super) struct Held {
    id: Pid,
    pidfd: OwnedFd,
    /// Set in the same critical section in which the process is reaped. While it is
    /// `None` the id is this process's (and its group's), because it is at least a
    /// zombie. Not so if the application ignores SIGCHLD: the kernel reaps then, and a
    /// group is signalled only right after the pidfd has shown that its leader exists.
    ending: Mutex<Option<Ending>>,
}

/// How long to wait before the kernel is asked again about a process of which its pidfd
/// says that it has ended, and `waitid` does not (a debugger has not let it go yet).
const ASK_AGAIN: Duration = Duration::from_millis(1);

impl Process {
    /// Takes over a process that was just started.
    pub(super) fn adopt(mut started: process::Child, program: &Path) -> Result<Self, LaunchError> {
        let gone = || LaunchError::Gone(program.to_owned());
        let id = i32::try_from(started.id())
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(gone)?;
        let pidfd = match pidfd_open(id, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(Errno::SRCH) => return Err(gone()),
            Err(errno) => {
                // Out of descriptors, perhaps. The id is still the child's here.
                let _ = started.kill();
                let _ = thread::Builder::new().spawn(move || started.wait());
                return Err(LaunchError::Means {
                    program: program.to_owned(),
                    what: "pidfd",
                    source: errno.into(),
                });
            }
        };
        // If something else in this process has reaped it already, its id may have been
        // another process's when the pidfd was opened.
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if let Err(Errno::CHILD) = waitid(WaitId::PidFd(pidfd.as_fd()), ended) {
            return Err(gone());
        }
        Ok(Self {
            held: Arc::new(Held {
                id,
                pidfd,
                ending: Mutex::new(None),
            }),
        })
    }

    /// Its process id, which is also the id of its group. Valid until it was waited for.
    pub fn id(&self) -> u32 {
        self.held.id()
    }

    /// Readable (`POLLIN`) when the process has ended.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.held.pidfd()
    }

    /// How many threads it has. `None` if that cannot be read now. Does not block.
    pub fn threads(&self) -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).ok()?;
        // The name, in parentheses, may contain any character.
        let (_, fields) = stat.rsplit_once(')')?;
        fields.split_ascii_whitespace().nth(17)?.parse().ok()
    }

    /// Something that can kill it, for as long as wanted.
    pub fn killer(&self) -> Killer {
        Killer {
            held: Arc::clone(&self.held),
        }
    }

    /// How it ended, if it has. Takes the zombie away, and kills what is left of its
    /// group before. Does not block; can be asked again.
    pub fn try_wait(&self) -> Option<Ending> {
        self.held.try_wait()
    }

    /// Waits until it has ended, at most for so long. `None`: it lives. (Also after a
    /// kill: a process that a driver holds in the kernel does not die.)
    pub fn wait_for(&self, limit: Duration) -> Option<Ending> {
        let started = Instant::now();
        loop {
            if let Some(ending) = self.try_wait() {
                return Some(ending);
            }
            let left = limit.saturating_sub(started.elapsed());
            if left.is_zero() {
                return None;
            }
            if self.held.has_ended_within(left) && self.try_wait().is_none() {
                thread::sleep(ASK_AGAIN);
            }
        }
    }

    /// Waits until it has ended, for however long that takes.
    pub fn wait(&self) -> Ending {
        loop {
            if let Some(ending) = self.wait_for(Duration::MAX) {
                return ending;
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.held.kill();
        if self.held.try_wait().is_none() {
            reaper::wait_in_background(Arc::clone(&self.held));
        }
    }
}

impl Killer {
    /// The id of the process.
    pub fn id(&self) -> u32 {
        self.held.id()
    }

    /// Sends SIGKILL to the child and to its process group. Nothing happens if it has
    /// been waited for. Does not block, and does not wait for its death.
    pub fn kill(&self) {
        let _ = self.held.kill();
    }

    /// The same.
    ///
    /// # Errors
    /// EPERM: this process has changed its user since it started the child.
    pub fn try_kill(&self) -> Result<(), Errno> {
        self.held.kill()
    }

    /// Waits until it has ended, at most for so long, and returns whether it has.
    pub fn has_ended_within(&self, limit: Duration) -> bool {
        self.held.has_ended_within(limit)
    }

    /// Counts it as [`unreaped`](super::unreaped) until it has ended.
    pub fn count_as_unreaped(&self) {
        reaper::wait_in_background(Arc::clone(&self.held));
    }
}

impl Held {
    pub(super) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Held for as long as three system calls take that do not wait.
    fn lock(&self) -> MutexGuard<'_, Option<Ending>> {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn id(&self) -> u32 {
        self.id.as_raw_pid().unsigned_abs()
    }

    fn kill(&self) -> Result<(), Errno> {
        let ending = self.lock();
        if ending.is_some() {
            return Ok(());
        }
        match pidfd_send_signal(&self.pidfd, Signal::KILL) {
            Ok(()) => {
                // The rest of its group. Nobody is left in it: ESRCH.
                let _ = kill_process_group(self.id, Signal::KILL);
                Ok(())
            }
            Err(Errno::SRCH) => Ok(()),
            Err(refused) => Err(refused),
        }
    }

    pub(super) fn try_wait(&self) -> Option<Ending> {
        let mut ending = self.lock();
        if ending.is_none() {
            *ending = self.reap();
        }
        *ending
    }

    fn reap(&self) -> Option<Ending> {
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        match waitid(WaitId::PidFd(self.pidfd()), ended | WaitIdOptions::NOWAIT) {
            Ok(None) => return None,
            // The zombie keeps the id. Whoever is still in the group goes with it.
            Ok(Some(_)) => drop(kill_process_group(self.id, Signal::KILL)),
            // Reaped by the kernel (SIGCHLD is ignored) or by somebody else here.
            Err(_) => {
                return self
                    .has_ended_within(Duration::ZERO)
                    .then_some(Ending::Unknown);
            }
        }
        match waitid(WaitId::PidFd(self.pidfd()), ended) {
            Ok(Some(status)) => Some(Ending::of(&status)),
            Ok(None) | Err(_) => Some(Ending::Unknown),
        }
    }

    fn has_ended_within(&self, limit: Duration) -> bool {
        // A time that the kernel's type cannot hold: without a limit.
        let limit = Timespec::try_from(limit).ok();
        let mut pidfd = [PollFd::new(&self.pidfd, PollFlags::IN)];
        matches!(poll(&mut pidfd, limit.as_ref()), Ok(1..))
    }
}

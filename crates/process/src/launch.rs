// SPDX-License-Identifier: MPL-2.0
//! A child process: how it is started, entered, ended and outlived.
//!
//! Parent: [`Launch::start`] gives a [`Child`]. It uses `posix_spawn`, which copies no
//! page tables, so starting takes as long for a parent of 20 GB as for a small one.
//! Therefore nothing runs between fork and exec, and what has to be set in the new
//! process, it sets itself: [`enter`] is the first call of its `main`.
//!
//! # What a child inherits
//!
//! | | |
//! |---|---|
//! | descriptor 0 | its end of a socket pair (unix, stream); [`enter`] moves it away and puts `/dev/null` in its place |
//! | descriptor 1 | `/dev/null` |
//! | descriptor 2 | the writing end of a pipe that does not block: what finds no room is lost, and the child goes on. (`eprintln!` panics if it cannot write; `writeln!(stderr(), ..)` reports) |
//! | all others | closed by [`enter`] |
//! | variables | those of a list ([`inherited_variables`]) and those of [`Launch::variables`] |
//! | working directory | kept: relative paths in the variables mean the same |
//! | signals | none blocked; those that the parent ignores are ignored |
//!
//! It is the leader of a process group of its own, so a Ctrl-C in the terminal reaches
//! the parent only.
//!
//! # When the parent ends
//!
//! The kernel kills the child (PR_SET_PDEATHSIG, which [`enter`] sets): also when the
//! parent was killed with SIGKILL or has executed another program, when a fork of it
//! keeps the socket open, and whatever the child's threads do. It does so when the
//! *thread* that started the child ends, so all children are started by one thread that
//! lives for as long as the process.
//!
//! The parent may have ended before the child could ask for this. Therefore it sends a
//! pidfd of itself over the socket before it starts the child, and the child looks at it
//! afterwards; a process id could mean another process by then.
//!
//! Needs Linux 5.4 (pidfds that can be waited for).

mod child;
mod ending;
mod entry;
mod environment;
mod handover;
mod launcher;
mod limits;
mod reaper;
mod tail;

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{PidfdFlags, getpid, pidfd_open};

pub use self::child::{Child, Killer, Process};
pub use self::ending::Ending;
pub use self::entry::{EnterError, Entered, enter};
pub use self::environment::inherited_variables;
use self::handover::Handover;
pub use self::limits::Limits;
pub(crate) use self::limits::lower;
pub use self::reaper::unreaped;
pub use self::tail::{Tail, printable};

/// A program to be started as a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// An absolute path. No shell and no PATH is involved.
    pub program: PathBuf,
    /// Its arguments, without the program's name.
    pub arguments: Vec<OsString>,
    /// What `ps` shows instead of the program's path; its first 15 bytes also become
    /// the name of the child's main thread, which `top` shows.
    pub name: String,
    /// Set in addition to those on the list, and instead of them.
    pub variables: Vec<(OsString, OsString)>,
    /// What the child may use.
    pub limits: Limits,
}

/// Why a child was not started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The path could mean different files at different times.
    #[error("{} is not an absolute path: the program of a child process needs one", .0.display())]
    Relative(PathBuf),
    /// The program could not be executed.
    #[error("cannot start {}: {source}", .program.display())]
    Program {
        /// What was to be started.
        program: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// What a child needs could not be made.
    #[error("cannot start {}: no {what}: {source}", .program.display())]
    Means {
        /// What was to be started.
        program: PathBuf,
        /// What could not be made.
        what: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// It was gone before it could be taken hold of: in an application that ignores
    /// SIGCHLD, or that waits for children that are not its own.
    #[error("{} ended as soon as it was started", .0.display())]
    Gone(PathBuf),
}

impl Launch {
    /// Starts the child. Returns when the program has been executed, not when its
    /// `main` runs: what goes wrong then, a missing library included, shows on stderr
    /// and in how the child ends. Waits for others that start a child at the same time,
    /// and not for the child.
    ///
    /// # Errors
    /// [`LaunchError`]; nothing is left running then.
    pub fn start(&self) -> Result<Child, LaunchError> {
        if !self.program.is_absolute() {
            return Err(LaunchError::Relative(self.program.clone()));
        }
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(|errno| self.lacks("socket pair", errno))?;
        let (stderr, writing) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)
            .map_err(|errno| self.lacks("pipe", errno))?;
        let handover = Handover {
            name: self.name.clone(),
            limits: self.limits,
        };
        let parent = pidfd_open(getpid(), PidfdFlags::empty())
            .map_err(|errno| self.lacks("pidfd (Linux 5.4)", errno))?;
        handover
            .send(&ours, &parent)
            .map_err(|source| self.lacks("handover", source))?;
        drop(parent);

        let mut command = self.command(theirs, writing);
        let started = launcher::run_there(move || command.spawn())
            .map_err(|source| self.lacks("thread", source))?
            .map_err(|source| LaunchError::Program {
                program: self.program.clone(),
                source,
            })?;
        Ok(Child {
            socket: UnixStream::from(ours),
            stderr: stderr.into(),
            process: Process::adopt(started, &self.program)?,
        })
    }

    /// Only what `posix_spawn` can do: no `pre_exec`, no change of user. It owns the
    /// child's ends of socket and pipe, and closes them when it is dropped.
    fn command(&self, socket: OwnedFd, stderr: OwnedFd) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg0(&self.name)
            .args(&self.arguments)
            .env_clear()
            .envs(inherited_variables())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .process_group(0)
            .stdin(Stdio::from(socket))
            .stdout(Stdio::null())
            .stderr(Stdio::from(stderr));
        command
    }

    fn lacks(&self, what: &'static str, source: impl Into<io::Error>) -> LaunchError {
        LaunchError::Means {
            program: self.program.clone(),
            what,
            source: source.into(),
        }
    }
}

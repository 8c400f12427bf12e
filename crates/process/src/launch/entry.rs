// SPDX-License-Identifier: MPL-2.0
//! The child's first steps.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::stdio::dup2_stdin;

use super::handover::Handover;

/// A child that has entered.
#[derive(Debug)]
pub struct Entered {
    /// Its end of the socket pair; blocking. Nothing has been read from it but what
    /// [`Launch::start`](super::Launch::start) had put there.
    pub socket: UnixStream,
    /// [`Launch::name`](super::Launch::name).
    pub name: String,
}

/// Why a child cannot enter. It should say so on stderr and exit.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// Somebody started the program by hand, or a parent of another version did.
    #[error(
        "this program is of no use by itself: a codec element of the same version starts it ({0})"
    )]
    NotLaunched(io::Error),
    /// There are other threads already, and the descriptors may be theirs.
    #[error("not the first thing that the program does: {0} threads run already")]
    TooLate(usize),
    /// The parent has ended meanwhile.
    #[error("the process that started this one has ended")]
    Orphan,
    /// The system refuses something that the child needs.
    #[error("cannot {what}: {source}")]
    System {
        /// What it refuses.
        what: &'static str,
        /// Its reason.
        source: io::Error,
    },
}

/// Makes a child of this process: closes every descriptor but 0, 1 and 2; reads what
/// the parent has handed over; asks the kernel to end it when the parent ends; gives up
/// the means to gain privileges (no_new_privs); sets limits and name. Must be the first
/// call of `main`. Does not block.
///
/// # Errors
/// [`EnterError`]; the process should exit then, because its state is half way.
pub fn enter() -> Result<Entered, EnterError> {
    let failed = |what| move |source: io::Error| EnterError::System { what, source };
    let threads = fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads > 1 {
        return Err(EnterError::TooLate(threads));
    }
    close_inherited().map_err(failed("close what was inherited"))?;
    let (handover, parent) = Handover::receive(io::stdin()).map_err(EnterError::NotLaunched)?;
    let socket = take_stdin().map_err(failed("move the socket away from descriptor 0"))?;
    end_with_parent(&parent)?;
    rustix::thread::set_no_new_privs(true)
        .map_err(|errno| failed("set no_new_privs")(errno.into()))?;
    let limits = handover.limits.apply();
    limits.map_err(failed("set its limits"))?;
    set_thread_name(&handover.name);
    Ok(Entered {
        socket,
        name: handover.name,
    })
}

/// Closes every descriptor from 3 on. The parent's libraries may have opened some
/// without O_CLOEXEC.
fn close_inherited() -> io::Result<()> {
    // SAFETY: called by `enter` in a process without other threads, as the first thing
    // that its main does: nothing in it owns a descriptor above 2.
    if unsafe { libc::close_range(3, libc::c_uint::MAX, 0) } == 0 {
        return Ok(());
    }
    // Linux before 5.9, or a container that does not know the call. The list contains
    // the descriptor that read it, which is closed by then: EBADF.
    let listed: Vec<i32> = fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&descriptor| descriptor > 2)
        .collect();
    for descriptor in listed {
        // SAFETY: as above.
        unsafe { libc::close(descriptor) };
    }
    Ok(())
}

/// From now on the parent's end ends this process.
fn end_with_parent(parent: &OwnedFd) -> Result<(), EnterError> {
    let failed = |errno: rustix::io::Errno| EnterError::System {
        what: "follow its parent",
        source: errno.into(),
    };
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(failed)?;
    let mut parent = [PollFd::new(parent, PollFlags::IN)];
    match poll(&mut parent, Some(&Timespec::default())).map_err(failed)? {
        0 => Ok(()),
        _ => Err(EnterError::Orphan),
    }
}

/// What a library reads from its stdin, or closes as its stdin, must not be the
/// protocol.
fn take_stdin() -> io::Result<UnixStream> {
    let socket = fcntl_dupfd_cloexec(io::stdin(), 3)?;
    dup2_stdin(File::open("/dev/null")?)?;
    Ok(UnixStream::from(socket))
}

fn set_thread_name(name: &str) {
    let name: Vec<u8> = name.bytes().filter(|&byte| byte != 0).take(15).collect();
    if let Ok(name) = CString::new(name) {
        // Only what `top` shows.
        let _ = rustix::thread::set_name(&name);
    }
}

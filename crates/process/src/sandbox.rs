// SPDX-License-Identifier: MPL-2.0
//! What a child closes behind itself before it touches any input.
//!
//! A codec that reads hostile input may come to run code of an attacker. [`close_door`]
//! restricts the process so that such code can compute, use the descriptors that the
//! process has, and end; and nothing else. It is called on the main thread when the
//! libraries and plugins are loaded, before the codec starts a thread, and cannot be
//! undone. Nobody in the parent depends on it: what the parent reads from a child it
//! checks in any case.
//!
//! # Mechanisms
//!
//! | | restricts | from |
//! |---|---|---|
//! | seccomp | which system calls a thread may make, and with which numbers as arguments | Linux 3.17; x86-64, AArch64, 64-bit RISC-V |
//! | Landlock | which files may be opened for what; TCP; signals and abstract sockets to the outside | Linux 5.13, more in later versions |
//! | capabilities | what root may do beyond others: nothing is left | |
//! | RLIMIT_FSIZE | bytes written to files, and their size (0); shared memory has to be mapped, because `write` to it counts | |
//! | no_new_privs | set-user-id programs; set by [`enter`](crate::launch::enter) | |
//!
//! What is missing is in the [`Report`]; the caller decides whether it goes on.
//!
//! # Policies
//!
//! [`Policy::Strict`], for software codecs: no file can be opened, no socket made, no
//! program and no process started, no other process signalled or looked into.
//!
//! [`Policy::Devices`], for hardware codecs, allows in addition what drivers do while
//! they run: opening device nodes of GPUs and video devices for reading and writing,
//! every `ioctl` but those by which a descriptor signals other processes, and reading libraries, `/sys`, the process's own `/proc` and a few
//! files beside them ([the list](self::Policy::Devices)). A driver in the kernel is a
//! large surface for an attack, so it is for hardware only.
//!
//! # System calls: a list of what is allowed
//!
//! And not of what is refused, because Linux has 380 of them on x86-64 and gets more,
//! because x86-64 has a second number for each (x32), and because codecs need few.
//! A call that is refused fails with EPERM, and the process goes on: codecs try things
//! (a realtime priority, huge pages, a file of settings) and do without. Calls that are
//! newer than the list, and `clone3`, whose arguments a filter cannot see, fail with
//! ENOSYS as on a kernel that does not have them, so that libraries take their older
//! way. The calls of other architectures (`int 0x80`) end the process.
//!
//! Allowed are (the lists are in `sandbox/calls`):
//!
//! - memory: private maps, maps of descriptors (the parent's shared memory), `brk`,
//!   `mremap`, `madvise` but MADV_REMOVE, which would punch holes into memory that is
//!   shared. Not shared anonymous maps, nor maps that grow: RLIMIT_DATA would not count
//!   them. Executable memory for some ([`SessionKind`]).
//! - threads: `clone` of threads, `futex`, robust lists, `rseq`, names; the CPUs of the
//!   calling thread. Not scheduling policies and priorities: the call takes the id of
//!   any thread in the system. (In a process of root, SVT-AV1 1.4 gives its threads
//!   real-time priority; behind the door it does not get it.)
//! - time, random numbers, the process's own ids, `uname`, `sysinfo`.
//! - descriptors: `read`, `write`, `poll` and the like; bytes over sockets, without
//!   addresses, without out-of-band data and without descriptors; pipes, eventfds, timerfds, epoll; pairs of connected
//!   sockets for some. Not `ftruncate` and
//!   `fallocate`: a seal keeps shared memory from becoming shorter, this keeps the child
//!   from making it longer.
//! - signals: handlers and masks, and signals to the process itself (`abort` works).

#[cfg(all(
    target_os = "linux",
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64"
    )
))]
mod calls;
mod files;
mod report;

use std::fs;
use std::io;

use rustix::process::Resource;
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
use serde::{Deserialize, Serialize};

pub use self::report::{Mechanism, Report};
use crate::launch::lower;

/// How much a child may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Policy {
    /// For software codecs: computing, and the descriptors that are there.
    Strict,
    /// For hardware codecs: device nodes, too, and what drivers read. If they exist:
    ///
    /// - for reading and writing and `ioctl`: `/dev/dri`, `/dev/dma_heap`, `/dev/kfd`,
    ///   `/dev/null`, `/dev/zero`, and `/dev/video*`, `media*`, `v4l-subdev*`,
    ///   `nvidia*`, `mali*`, `mpp_service*`, `rga*`
    /// - for reading: `/usr`, `/lib*`, `/opt`, the folders in `LD_LIBRARY_PATH`,
    ///   `LIBVA_DRIVERS_PATH` and GStreamer's plugin paths; `/sys`, `/run/udev`,
    ///   `/proc/self`, `/proc/driver`, `/proc/cpuinfo`, `meminfo`, `stat`, `devices`,
    ///   `modules`, `version`; `/dev/urandom`; `/etc/ld.so.cache`, `libva.conf`,
    ///   `drirc`, `nvidia`, `vulkan`, `OpenCL`
    Devices,
    /// Everything: for tests, and for finding out what a policy breaks.
    Open,
}

/// What runs behind the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionKind {
    /// A library that generates no code: SVT-AV1, dav1d. What was loaded is all that can
    /// be executed.
    Native,
    /// GStreamer elements. Memory may become executable, because orc, which many of
    /// them use, generates code (and ends the process if it may not). It does not change
    /// what code can do that runs already, but it makes it easier to get there. And
    /// `GstPoll`, in every bus and clock, needs a pair of connected unix sockets.
    ///
    /// With [`Policy::Devices`] always: drivers need the same.
    Hosted,
}

/// Restricts this process. To be called on the main thread, after everything is loaded
/// and before the codec has any thread. Does not block.
///
/// Never fails: what could not be put in force is in the report.
pub fn close_door(policy: Policy, kind: SessionKind) -> Report {
    if policy == Policy::Open {
        return Report::open();
    }
    let others = other_threads();
    let privileged = capabilities(None).map_or(true, |now| !now.permitted.is_empty());

    let landlock = files::restrict(policy);
    // Where the kernel restricts all threads at once, none is left out.
    let covers_all = matches!(&landlock, Ok(domain) if domain.all_threads) && !privileged;
    let capabilities = drop_capabilities();
    let file_size = lower(Resource::Fsize, 0).map_err(io::Error::from);
    let seccomp = restrict_calls(policy, kind);

    Report {
        policy,
        landlock: Mechanism::from(landlock.map(|domain| domain.version)),
        seccomp: Mechanism::from(seccomp.map(|()| 1)),
        others: [("capabilities", capabilities), ("file size", file_size)]
            .into_iter()
            .filter_map(|(what, done)| Some(format!("{what}: {}", done.err()?)))
            .collect(),
        uncovered_threads: if covers_all { 0 } else { others },
    }
}

/// Threads other than the calling one.
fn other_threads() -> u32 {
    let own = rustix::thread::gettid().as_raw_pid().to_string();
    let Ok(tasks) = fs::read_dir("/proc/self/task") else {
        return 0;
    };
    let others = tasks
        .filter_map(Result::ok)
        .filter(|task| task.file_name() != own.as_str());
    u32::try_from(others.count()).unwrap_or(u32::MAX)
}

fn drop_capabilities() -> io::Result<()> {
    let none = CapabilitySet::empty();
    let sets = CapabilitySets {
        effective: none,
        permitted: none,
        inheritable: none,
    };
    Ok(set_capabilities(None, sets)?)
}

#[cfg(all(
    target_os = "linux",
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64"
    )
))]
fn restrict_calls(policy: Policy, kind: SessionKind) -> Result<(), String> {
    calls::restrict(policy, kind)
}

#[cfg(not(all(
    target_os = "linux",
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64"
    )
)))]
fn restrict_calls(_policy: Policy, _kind: SessionKind) -> Result<(), String> {
    Err(format!(
        "there is no list of system calls for {}",
        std::env::consts::ARCH
    ))
}

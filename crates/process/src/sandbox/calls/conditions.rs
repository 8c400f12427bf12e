// SPDX-License-Identifier: MPL-2.0
//! System calls that are allowed with certain arguments only.
//!
//! A filter sees numbers, not what they point to. Where the kernel takes 32 bits of an
//! argument, 32 are compared: the upper half is the caller's to choose.

use rustix::process::getpid;
use seccompiler::{
    BackendError, SeccompCmpArgLen as Length, SeccompCmpOp as Operator, SeccompCondition,
    SeccompRule,
};

use super::Rules;

type Result<T> = std::result::Result<T, BackendError>;

/// What holds for every policy.
pub(super) fn base() -> Result<Rules> {
    let own = u64::from(getpid().as_raw_pid().unsigned_abs());
    let rules = [
        // Threads of this process; no processes, no namespaces.
        (
            libc::SYS_clone,
            vec![rule([masked(0, THREAD | NAMESPACES, THREAD)?])?],
        ),
        // Signals to this process: `abort`.
        (libc::SYS_kill, vec![rule([equal(0, own)?])?]),
        (libc::SYS_tgkill, vec![rule([equal(0, own)?])?]),
        // By the id of a thread, it would be any thread in the system.
        (libc::SYS_sched_setaffinity, vec![rule([equal(0, 0)?])?]),
        // Reading limits, not setting them.
        (
            libc::SYS_prlimit64,
            vec![
                rule([equal(0, 0)?, null(2)?])?,
                rule([equal(0, own)?, null(2)?])?,
            ],
        ),
        (libc::SYS_prctl, one_of(0, PRCTL_OPTIONS)?),
        (libc::SYS_fcntl, one_of(1, FCNTL_COMMANDS)?),
        (libc::SYS_ioctl, one_of(1, IOCTL_REQUESTS)?),
        // No notification pipes.
        (
            libc::SYS_pipe2,
            vec![rule([only(1, &[libc::O_CLOEXEC, libc::O_NONBLOCK])?])?],
        ),
        (libc::SYS_madvise, one_of(2, ADVICE)?),
        // The socket that is there, without addresses and out-of-band data. Not sendmsg:
        // descriptors that nobody receives would use up those that the user may have under
        // way, and the parent could send none.
        (libc::SYS_sendto, vec![rule([only(3, SENDING)?, null(4)?])?]),
        (libc::SYS_recvmsg, vec![rule([only(2, RECEIVING)?])?]),
        (libc::SYS_recvfrom, vec![rule([only(3, RECEIVING)?])?]),
        // For the second filter, which then hides it.
        (
            libc::SYS_seccomp,
            vec![rule([equal(0, u64::from(libc::SECCOMP_SET_MODE_FILTER))?])?],
        ),
    ];
    Ok(rules.into())
}

/// Private memory and maps of descriptors, not executable.
pub(super) fn native() -> Result<Rules> {
    let not_executable = || masked(2, libc::PROT_EXEC, 0);
    let rules = [
        (
            libc::SYS_mmap,
            vec![
                rule([private()?, not_executable()?])?,
                rule([of_descriptor()?, not_executable()?])?,
            ],
        ),
        (libc::SYS_mprotect, vec![rule([not_executable()?])?]),
    ];
    Ok(rules.into())
}

/// The same and executable, and pairs of sockets.
pub(super) fn hosted() -> Result<Rules> {
    const FLAGS: i32 = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    let unix = equal(0, u64::from(libc::AF_UNIX.cast_unsigned()))?;
    let stream = masked(1, !FLAGS, libc::SOCK_STREAM)?;
    let rules = [
        (
            libc::SYS_mmap,
            vec![rule([private()?])?, rule([of_descriptor()?])?],
        ),
        (libc::SYS_mprotect, vec![]),
        (libc::SYS_socketpair, vec![rule([unix, stream])?]),
    ];
    Ok(rules.into())
}

fn private() -> Result<SeccompCondition> {
    const KIND: i32 = libc::MAP_TYPE | libc::MAP_GROWSDOWN;
    masked(3, KIND, libc::MAP_PRIVATE)
}

fn of_descriptor() -> Result<SeccompCondition> {
    masked(3, libc::MAP_ANONYMOUS | libc::MAP_GROWSDOWN, 0)
}

/// Opening without creating and without truncating, which Landlock sees from its
/// version 3 only.
pub(super) fn opening() -> Result<Rules> {
    // The bit of O_TMPFILE without O_DIRECTORY.
    const CHANGING: i32 = libc::O_CREAT | libc::O_TRUNC | (libc::O_TMPFILE & !libc::O_DIRECTORY);
    let rules = [
        (libc::SYS_openat, vec![rule([masked(2, CHANGING, 0)?])?]),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_open, vec![rule([masked(1, CHANGING, 0)?])?]),
    ];
    Ok(rules.into_iter().collect())
}

const THREAD: i32 = libc::CLONE_THREAD;
/// CLONE_NEWTIME is among the bits that `clone` takes for a signal.
const NAMESPACES: i32 = libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWUTS;

/// Names of threads and of maps (malloc's), and looking. PR_SET_NO_NEW_PRIVS is set
/// already; filters are added with it.
const PRCTL_OPTIONS: &[i32] = &[
    libc::PR_GET_NAME,
    libc::PR_SET_NAME,
    libc::PR_SET_VMA,
    libc::PR_GET_NO_NEW_PRIVS,
    libc::PR_SET_NO_NEW_PRIVS,
    libc::PR_GET_DUMPABLE,
    libc::PR_GET_SECCOMP,
    libc::PR_GET_TIMERSLACK,
    libc::PR_SET_TIMERSLACK,
];

/// Not F_ADD_SEALS: whoever made a memfd decides on its seals. Not F_SETOWN and
/// F_SETSIG: signals to others.
const FCNTL_COMMANDS: &[i32] = &[
    libc::F_DUPFD,
    libc::F_DUPFD_CLOEXEC,
    libc::F_GETFD,
    libc::F_SETFD,
    libc::F_GETFL,
    libc::F_SETFL,
    libc::F_GET_SEALS,
];

/// Not MADV_REMOVE: memory that is shared with the parent stays.
const ADVICE: &[i32] = &[
    libc::MADV_NORMAL,
    libc::MADV_RANDOM,
    libc::MADV_SEQUENTIAL,
    libc::MADV_WILLNEED,
    libc::MADV_DONTNEED,
    libc::MADV_FREE,
    libc::MADV_HUGEPAGE,
    libc::MADV_NOHUGEPAGE,
    libc::MADV_DONTDUMP,
    libc::MADV_DODUMP,
    libc::MADV_DONTFORK,
    libc::MADV_DOFORK,
    libc::MADV_COLD,
    libc::MADV_PAGEOUT,
];

/// Requests by which a descriptor signals other processes.
const SIGNALLING: &[libc::Ioctl] = &[libc::FIOASYNC, FIOSETOWN, SIOCSPGRP];
/// By the kernel's asm-generic/sockios.h.
const FIOSETOWN: libc::Ioctl = 0x8901;
const SIOCSPGRP: libc::Ioctl = 0x8902;

/// Every request but those. What a driver takes is its own.
pub(super) fn devices() -> Result<Rules> {
    let not = |request: &libc::Ioctl| {
        let request = u64::from(u32::try_from(*request).unwrap_or(u32::MAX));
        SeccompCondition::new(1, Length::Dword, Operator::Ne, request)
    };
    let all: Result<Vec<_>> = SIGNALLING.iter().map(not).collect();
    Ok([(libc::SYS_ioctl, vec![SeccompRule::new(all?)?])].into())
}

/// What standard libraries do to descriptors by `ioctl`.
const IOCTL_REQUESTS: &[libc::Ioctl] = &[
    libc::FIOCLEX,
    libc::FIONBIO,
    libc::FIONCLEX,
    libc::FIONREAD,
    libc::TCGETS,
];

const SENDING: &[i32] = &[libc::MSG_DONTWAIT, libc::MSG_NOSIGNAL];
const RECEIVING: &[i32] = &[
    libc::MSG_CMSG_CLOEXEC,
    libc::MSG_DONTWAIT,
    libc::MSG_PEEK,
    libc::MSG_TRUNC,
    libc::MSG_WAITALL,
];

fn rule<const N: usize>(conditions: [SeccompCondition; N]) -> Result<SeccompRule> {
    SeccompRule::new(conditions.into())
}

/// 32 bits, as they are.
fn equal(argument: u8, value: u64) -> Result<SeccompCondition> {
    SeccompCondition::new(argument, Length::Dword, Operator::Eq, value)
}

/// A pointer to nothing.
fn null(argument: u8) -> Result<SeccompCondition> {
    SeccompCondition::new(argument, Length::Qword, Operator::Eq, 0)
}

/// Of 32 bits those in the mask have these values.
fn masked(argument: u8, mask: i32, value: i32) -> Result<SeccompCondition> {
    let bits = |flags: i32| u64::from(flags.cast_unsigned());
    let operator = Operator::MaskedEq(bits(mask));
    SeccompCondition::new(argument, Length::Dword, operator, bits(value))
}

/// No other bits than these.
fn only(argument: u8, flags: &[i32]) -> Result<SeccompCondition> {
    masked(argument, !flags.iter().fold(0, |all, flag| all | flag), 0)
}

/// One of these values.
fn one_of<T: Copy + TryInto<u32>>(argument: u8, values: &[T]) -> Result<Vec<SeccompRule>> {
    values
        .iter()
        .filter_map(|&value| value.try_into().ok())
        .map(|value| rule([equal(argument, u64::from(value))?]))
        .collect()
}

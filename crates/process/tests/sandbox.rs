// SPDX-License-Identifier: MPL-2.0
//! What a child behind its closed door can and cannot do.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests: a panic is the report"
)]

mod support;

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use support::{answer, answer_of, end, launch, table};

/// As the parent makes it: not shorter, and read-only for others. That it becomes no longer
/// is up to the sandbox.
fn sealed_memory() -> OwnedFd {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let memory = memfd_create("probe", flags).unwrap();
    ftruncate(&memory, 8 * 4096).unwrap();
    let seals = SealFlags::SHRINK | SealFlags::FUTURE_WRITE;
    fcntl_add_seals(&memory, seals).unwrap();
    memory
}

fn send(socket: &UnixStream, memory: &OwnedFd) {
    let descriptors = [memory.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(
        socket,
        &[IoSlice::new(b"m")],
        &mut ancillary,
        SendFlags::empty(),
    )
    .unwrap();
}

/// What the child gets for each thing that it tries, as `name error`.
fn probes(policy: &str) -> BTreeMap<String, String> {
    let mut child = launch(policy, "probes").start().unwrap();
    send(&child.socket, &sealed_memory());
    let answer = answer(&mut child);
    let (complaint, ending) = end(&mut child);
    assert_eq!(
        ending.to_string(),
        "exited with code 0",
        "{answer}{complaint}"
    );
    let table = table(&answer);
    table
        .into_iter()
        .map(|(name, result)| (name.into(), result.into()))
        .collect()
}

/// Everything else is refused with EPERM.
const ALLOWED: &[&str] = &["kill-self", "map-for-reading", "map-private"];
/// What GStreamer needs beyond that.
const HOSTED: &[&str] = &[
    "make-executable",
    "map-descriptor-executable",
    "map-executable",
    "socketpair",
];
/// The kernel without the call answers the same.
const ABSENT: &[&str] = &["openat2", "clone3", "seccomp", "unknown"];
/// Refused by the kernel itself: the process has given it up for good, or the seal.
const BY_THE_KERNEL: &[(&str, &str)] = &[("gain-privileges", "22"), ("make-writable", "EACCES")];

fn assert_refused(mut probes: BTreeMap<String, String>, also_allowed: &[&str]) {
    let mut expect = |names: &[&str], result: &str| {
        for &name in names {
            assert_eq!(probes.remove(name).as_deref(), Some(result), "{name}");
        }
    };
    expect(ALLOWED, "done");
    expect(also_allowed, "done");
    expect(ABSENT, "ENOSYS");
    for &(name, result) in BY_THE_KERNEL {
        expect(&[name], result);
    }
    assert!(probes.len() >= 60, "{}", probes.len());
    probes.retain(|_, result| result != "EPERM");
    assert!(probes.is_empty(), "not refused with EPERM: {probes:?}");
}

#[test]
fn a_strict_child_can_open_start_signal_and_look_into_nothing() {
    assert_refused(probes("strict"), &[]);
}

#[test]
fn a_strict_child_with_elements_can_generate_code_and_pair_sockets_in_addition() {
    assert_refused(probes("hosted"), HOSTED);
}

/// What only Landlock refuses needs a kernel that has it.
fn lacks_landlock() -> bool {
    let lacks = answer_of("devices", "report").contains("missing: Landlock");
    if lacks {
        println!("skipped: this kernel has no Landlock");
    }
    lacks
}

#[test]
fn a_child_with_devices_is_refused_everything_but_looking_and_ioctl() {
    if lacks_landlock() {
        return;
    }
    let mut probes = probes("devices");
    // These calls exist; Landlock or the device refuses what they ask for.
    let opened = ["openat", "open", "own-memory"].map(|name| probes.remove(name));
    for result in opened.into_iter().flatten() {
        assert_eq!(result, "EACCES");
    }
    assert_eq!(probes.remove("own-stdin-ioctl").as_deref(), Some("25"));
    assert!(probes.len() >= 60);
    for (name, result) in probes {
        let name = name.as_str();
        let expected = match name {
            _ if ALLOWED.contains(&name) || HOSTED.contains(&name) => "done",
            _ if ABSENT.contains(&name) => "ENOSYS",
            _ => BY_THE_KERNEL
                .iter()
                .find(|(by, _)| *by == name)
                .map_or("EPERM", |(_, result)| result),
        };
        assert_eq!(result, expected, "{name}");
    }
}

#[test]
fn an_open_child_is_not_restricted_so_the_probes_are_real() {
    let mut child = launch("open", "files").start().unwrap();
    let answer = answer(&mut child);
    let table = table(&answer);
    for name in ["passwd", "own-memory", "create", "first-process"] {
        assert_eq!(table[name], "done", "{name}");
    }
    std::fs::remove_file("/tmp/codecwatch-probe").unwrap();
}

#[test]
fn a_child_with_devices_reads_what_drivers_read_and_writes_nothing() {
    if lacks_landlock() {
        return;
    }
    let answer = answer_of("devices", "files");
    let table = table(&answer);
    let of = |result: &str| {
        let names = table.iter().filter(|(_, found)| **found == result);
        names.map(|(name, _)| *name).collect::<Vec<_>>()
    };
    assert_eq!(
        of("done"),
        ["libraries", "loader", "null", "own-maps", "sys"]
    );
    assert_eq!(of("EPERM"), ["create", "temporary", "truncate-usr"]);
    let refused = of("EACCES");
    for name in ["passwd", "home", "first-process", "write-usr", "own-memory"] {
        assert!(refused.contains(&name), "{table:?}");
    }
}

#[test]
fn what_every_codec_does_works_under_every_policy() {
    for policy in ["open", "strict", "hosted", "devices"] {
        let answer = answer_of(policy, "work");
        let table = table(&answer);
        assert_eq!(answer.lines().last(), Some("ok"), "{policy}: {answer}");
        println!("{policy}: {table:?}");
    }
}

#[test]
fn the_report_says_what_is_in_force() {
    println!("{}", answer_of("strict", "report"));
    println!("{}", answer_of("devices", "report"));
    assert_eq!(answer_of("open", "report"), "open: nothing in force\n");
    let late = answer_of("strict", "thread-before-door");
    // From Landlock 8 on, an older thread without capabilities is restricted, too.
    let covered = !rustix::process::geteuid().is_root() && !late.contains("Landlock 7");
    assert!(covered || late.contains("1 thread is older"), "{late}");
    for policy in ["strict", "devices"] {
        let report = answer_of(policy, "report");
        assert!(
            report.contains("seccomp") && !report.contains("thread"),
            "{report}"
        );
    }
}

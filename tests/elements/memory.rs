// SPDX-License-Identifier: MPL-2.0
//! Memory in a container: what the kernel can reclaim is available. The control
//! groups are files of the test's, in a mount namespace of its own.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ffi::OsStr;
use std::fs::{create_dir, write};

use gst::prelude::*;
use support::{Finished, Launch, media};

/// 2 MB are left of the limit: less than either pipeline needs.
const LIMIT: &str = "2147483648\n";
const USAGE: &str = "2145000000\n";
const PAGE_CACHE: &str = "anon 100000000\ninactive_file 1980000000\nactive_file 0\n";
const NO_PAGE_CACHE: &str = "anon 2100000000\ninactive_file 0\nactive_file 0\n";
const MOUNT: &str = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";

/// What comes after it runs as a process that has these groups.
const CONFINE: &str = "mount --bind \"$0/groups\" /sys/fs/cgroup \
    && mount --bind \"$0/membership\" /proc/$$/cgroup \
    && mount --bind \"$0/mounts\" /proc/$$/mountinfo \
    && exec \"$@\"";

fn encoder() -> String {
    "videotestsrc num-buffers=2 ! video/x-raw,width=640,height=480,framerate=25/1 \
     ! svtav1watchenc preset=12 ! fakesink"
        .to_owned()
}

fn decoder() -> String {
    format!(
        "filesrc location={} ! matroskademux ! av1parse ! dav1dwatchdec ! fakesink",
        media::clip().display()
    )
}

/// Runs a program in a group with these statistics; `None`, and a note, where
/// there can be no such namespace.
fn run(program: Launch, statistics: &str) -> Option<Finished> {
    let folder = tempfile::tempdir().unwrap();
    let groups = folder.path().join("groups");
    create_dir(&groups).unwrap();
    write(groups.join("memory.max"), LIMIT).unwrap();
    write(groups.join("memory.current"), USAGE).unwrap();
    write(groups.join("memory.swap.max"), "0\n").unwrap();
    write(groups.join("memory.swap.current"), "0\n").unwrap();
    write(groups.join("memory.stat"), statistics).unwrap();
    write(folder.path().join("membership"), "0::/\n").unwrap();
    write(folder.path().join("mounts"), MOUNT).unwrap();
    let confined = |program: Launch| {
        let confine = ["--mount", "sh", "-c", CONFINE].map(OsStr::new);
        let args = confine.into_iter().chain([folder.path().as_os_str()]);
        program.under("unshare", args).run()
    };
    if confined(Launch::program("true")).code() != 0 {
        support::skip("memory", "no mounts in a namespace of one's own here");
        return None;
    }
    Some(confined(program))
}

#[test]
fn page_cache_is_available_memory() {
    for pipeline in [encoder(), decoder()] {
        let Some(run) = run(Launch::pipeline(&pipeline), PAGE_CACHE) else {
            return;
        };
        assert_eq!(run.code(), 0, "{}", run.text());
    }
}

#[test]
fn memory_that_is_in_use_is_not() {
    let this = "memory_that_is_in_use_is_not";
    if support::is_child() {
        return refuses_for_want_of_memory();
    }
    let Some(run) = run(Launch::this_test(this), NO_PAGE_CACHE) else {
        return;
    };
    assert_eq!(run.code(), 0, "{}", run.text());
}

/// In a group with no memory left.
fn refuses_for_want_of_memory() {
    support::init();
    for (description, text) in [
        (encoder(), "2 MB are available"),
        (decoder(), "no memory for a 1280x720 picture"),
    ] {
        let pipeline = gst::parse::launch(&description).unwrap();
        let bus = pipeline.bus().unwrap();
        // The answer is on the bus.
        let _ = pipeline.set_state(gst::State::Playing);
        let ends = [gst::MessageType::Eos, gst::MessageType::Error];
        let end = bus.timed_pop_filtered(gst::ClockTime::from_seconds(30), &ends);
        pipeline.set_state(gst::State::Null).unwrap();
        let end = end.expect("an end");
        let gst::MessageView::Error(error) = end.view() else {
            panic!("{end:?}");
        };
        let error = error.error();
        assert!(error.matches(gst::ResourceError::NoSpaceLeft), "{error:?}");
        assert!(error.to_string().contains(text), "{error:?}");
    }
}

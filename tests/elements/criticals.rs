// SPDX-License-Identifier: MPL-2.0
//! A critical message of GLib or GStreamer fails the test that it appears in.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use gst::glib;
use support::{Finished, Launch, is_child};

/// Plays a child that has a critical message written.
fn write_critical(this: &str, launch: impl FnOnce(Launch) -> Launch) -> Finished {
    let run = launch(Launch::this_test(this)).run();
    assert!(run.says("on purpose"), "{}", run.text());
    run
}

#[test]
fn a_critical_message_ends_the_process_of_a_test() {
    let this = "a_critical_message_ends_the_process_of_a_test";
    if is_child() {
        support::init();
        glib::g_critical!("codecwatch-tests", "on purpose");
        return;
    }
    // Without the environment, which a test that is started by hand has not got.
    let run = write_critical(this, |launch| launch.env("G_DEBUG", ""));
    assert!(run.status.code().is_none(), "{}", run.text());
}

#[test]
fn a_critical_message_ends_a_program_that_a_test_starts() {
    let this = "a_critical_message_ends_a_program_that_a_test_starts";
    if is_child() {
        glib::g_critical!("codecwatch-tests", "on purpose");
        return;
    }
    let run = write_critical(this, |launch| launch);
    assert!(run.status.code().is_none(), "{}", run.text());
}

// SPDX-License-Identifier: MPL-2.0
//! The child that is started ahead for a restart.

use gst::prelude::*;
use rustix::process::{Pid, Signal, kill_process};
use support::{Launch, is_child};

use crate::rig::{Element, Rig, children, eventually};

/// A test of a process of its own, whose children are counted.
fn in_a_child(test: &str) -> bool {
    if is_child() {
        return true;
    }
    let run = Launch::this_test(&format!("spare::{test}")).run();
    assert_eq!(run.code(), 0, "{}", run.text());
    false
}

/// An endless stream that comes at its time.
fn rig(properties: &str) -> Rig {
    let rig = Rig::new(Element::Encoder, properties);
    let source = rig.pipeline.by_name("source").unwrap();
    source.set_property("num-buffers", -1);
    source.set_property("is-live", true);
    rig.play();
    flows(&rig);
    rig
}

fn flows(rig: &Rig) {
    let frames = || rig.stats().get::<u64>("frames-out").unwrap_or(0);
    eventually("frames", || frames() > 2);
}

/// The child that has no session.
fn spare(rig: &Rig) -> u32 {
    eventually("a spare child", || children().len() == 2);
    let others = children().into_iter().filter(|&id| id != rig.process());
    let others: Vec<_> = others.collect();
    assert_eq!(others.len(), 1);
    others[0]
}

fn kill_the_codec(rig: &Rig) -> u32 {
    let process = rig.process();
    let id = Pid::from_raw(process.cast_signed()).unwrap();
    kill_process(id, Signal::KILL).unwrap();
    eventually("another child", || rig.process() != process);
    rig.process()
}

#[test]
fn there_is_none_without_a_restart_limit() {
    if !in_a_child("there_is_none_without_a_restart_limit") {
        return;
    }
    let rig = rig("");
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(children(), [rig.process()]);
}

#[test]
fn a_restart_takes_it_and_another_is_started() {
    if !in_a_child("a_restart_takes_it_and_another_is_started") {
        return;
    }
    let rig = rig("restart-limit=5");
    for _ in 0..3 {
        let ahead = spare(&rig);
        assert_eq!(kill_the_codec(&rig), ahead);
        flows(&rig);
    }
    rig.stop();
    eventually("no children", || children().is_empty());
    assert_eq!(rig.ledger("restarts"), 3);
}

#[test]
fn one_that_was_started_for_other_settings_is_not_taken() {
    if !in_a_child("one_that_was_started_for_other_settings_is_not_taken") {
        return;
    }
    let rig = rig("restart-limit=5");
    for (property, value) in [
        ("isolate-policy", "open"),
        ("isolate-max-memory", "900000000"),
    ] {
        let ahead = spare(&rig);
        rig.codec.set_property_from_str(property, value);
        assert_ne!(kill_the_codec(&rig), ahead);
        flows(&rig);
    }
    let sandbox: String = rig.stats().get("sandbox").unwrap();
    assert!(sandbox.starts_with("open"), "{sandbox}");
}

#[test]
fn one_that_has_died_is_not_missed() {
    if !in_a_child("one_that_has_died_is_not_missed") {
        return;
    }
    let rig = rig("restart-limit=5");
    let ahead = spare(&rig);
    let id = Pid::from_raw(ahead.cast_signed()).unwrap();
    kill_process(id, Signal::KILL).unwrap();
    assert_ne!(kill_the_codec(&rig), ahead);
    flows(&rig);
}

#[test]
fn it_ends_when_the_element_stops() {
    if !in_a_child("it_ends_when_the_element_stops") {
        return;
    }
    let rig = rig("restart-limit=5");
    for _ in 0..3 {
        // It may be about to be started.
        rig.pipeline.set_state(gst::State::Ready).unwrap();
        eventually("no children", || children().is_empty());
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(children().is_empty(), "{:?}", children());
        rig.play();
        flows(&rig);
    }
}

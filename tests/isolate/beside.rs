// SPDX-License-Identifier: MPL-2.0
//! Sessions beside each other, elements that have no such session, and a parent that ends.

use std::time::Duration;

use gst::prelude::*;
use support::{Launch, is_child};

use crate::rig::{Element, Rig, eventually, exists};

/// A test of a process of its own.
fn in_a_child(test: &str) -> bool {
    if is_child() {
        return true;
    }
    let run = Launch::this_test(&format!("beside::{test}")).run();
    assert_eq!(run.code(), 0, "{}", run.text());
    false
}

#[test]
fn an_element_without_such_a_session_refuses_the_property() {
    let rig = Rig::of(
        "videotestsrc num-buffers=5 ! video/x-raw,format=I420,width=64,height=64 \
         ! memorywatchenc name=codec isolate=true ! fakesink",
    );
    rig.play();
    let ended = rig.end();
    let error = ended.error();
    assert!(
        error.error.matches(gst::LibraryError::Settings),
        "{error:?}"
    );
    let text = error.text();
    assert!(text.contains("memorywatchenc cannot"), "{text}");
    assert!(text.contains("isolate=false"), "{text}");
    // It works again once that is mended.
    rig.stop();
    rig.codec.set_property("isolate", false);
    rig.play();
    assert!(rig.end().eos);
}

#[test]
fn sixteen_sessions_run_beside_each_other() {
    if !in_a_child("sixteen_sessions_run_beside_each_other") {
        return;
    }
    let rigs: Vec<_> = (0..8)
        .flat_map(|_| Element::ALL.map(|element| Rig::new(element, "")))
        .collect();
    for rig in &rigs {
        rig.play();
    }
    for rig in &rigs {
        let ended = rig.end();
        assert!(ended.eos, "{ended:?}");
    }
    for rig in &rigs {
        rig.stop();
    }
    for rig in &rigs {
        rig.leaves_nothing();
    }
}

#[test]
fn encoders_with_slow_presets_run_beside_each_other_in_children() {
    if !in_a_child("encoders_with_slow_presets_run_beside_each_other_in_children") {
        return;
    }
    let encoder = |frames: i32, isolate: &str| {
        Rig::of(&format!(
            "videotestsrc num-buffers={frames} pattern=ball \
             ! video/x-raw,width=192,height=128,framerate=30/1 \
             ! svtav1watchenc name=codec preset=4 {isolate} ! fakesink sync=false async=false"
        ))
    };
    if support::svtav1_version() < (4, 1) {
        let (first, second) = (encoder(-1, ""), encoder(-1, ""));
        first.play();
        eventually("the first runs", || {
            first.stats().get::<String>("phase").unwrap() == "running"
        });
        second.play();
        let ended = second.end();
        let text = ended.error().text();
        assert!(text.contains("isolate=true"), "{text}");
    }
    let (first, second) = (encoder(30, "isolate=true"), encoder(30, "isolate=true"));
    first.play();
    second.play();
    for rig in [&first, &second] {
        let ended = rig.end();
        assert!(ended.eos, "{ended:?}");
        rig.stop();
    }
}

/// Also where it was killed by SIGKILL, and the codec hangs.
#[test]
fn a_child_ends_with_its_parent() {
    const THIS: &str = "beside::a_child_ends_with_its_parent";
    if is_child() {
        let rig = Rig::new(Element::Encoder, "watchdog-timeout=0");
        rig.play();
        eventually("a child", || rig.process() != 0);
        eventually("frames", || {
            // There is no such field before the session.
            let frames = rig.stats().get::<u64>("frames-in");
            frames.is_ok_and(|frames| frames > 5)
        });
        println!("child {}", rig.process());
        std::thread::sleep(Duration::from_secs(60));
        return;
    }
    for script in [
        "",
        "svt_av1_enc_send_picture:hang@6",
        "svt_av1_enc_send_picture:spin@6",
    ] {
        let mut run = Launch::this_test(THIS).rehearse(script).start();
        run.wait_for("child ");
        run.signal(libc::SIGKILL);
        let ended = run.end();
        let line = ended
            .lines
            .iter()
            .find_map(|line| line.text.strip_prefix("child "));
        let process = line.unwrap().parse().unwrap();
        eventually("the child ends", || !exists(process));
    }
}

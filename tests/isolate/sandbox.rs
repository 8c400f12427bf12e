// SPDX-License-Identifier: MPL-2.0
//! What the child is kept from, as the properties say and `stats` shows.

use std::sync::Mutex;

use gst::prelude::*;
use support::{Launch, is_child};

use crate::rig::{Element, Rig};

fn sandbox(rig: &Rig) -> String {
    rig.stats().get("sandbox").unwrap()
}

#[test]
fn native_sessions_run_under_the_strict_policy_by_themselves() {
    for element in Element::ALL {
        let rig = Rig::new(element, "");
        rig.play();
        let ended = rig.end();
        assert!(ended.eos, "{ended:?}");
        let sandbox = sandbox(&rig);
        assert!(sandbox.starts_with("strict: "), "{sandbox}");
        rig.stop();
    }
}

#[test]
fn every_policy_works_where_the_kernel_has_it() {
    for policy in ["auto", "strict", "devices", "open"] {
        for element in Element::ALL {
            let rig = Rig::new(element, &format!("isolate-policy={policy}"));
            rig.play();
            let ended = rig.end();
            let sandbox = sandbox(&rig);
            if policy == "strict" && sandbox.contains("missing") {
                let error = ended.error();
                assert!(error.error.matches(gst::LibraryError::Settings));
                support::skip("isolate", &sandbox);
                continue;
            }
            assert!(ended.eos, "{policy}: {ended:?}");
            let named = if policy == "auto" { "strict" } else { policy };
            assert!(sandbox.starts_with(&format!("{named}: ")), "{sandbox}");
            rig.stop();
        }
    }
}

#[test]
fn a_policy_that_there_is_none_of_is_refused_in_words() {
    let rig = Rig::new(Element::Encoder, "isolate-policy=loose");
    rig.play();
    let ended = rig.end();
    let error = ended.error();
    assert!(
        error.error.matches(gst::LibraryError::Settings),
        "{error:?}"
    );
    let text = error.text();
    assert!(text.contains("isolate-policy=loose"), "{text}");
    assert!(text.contains("strict"), "{text}");
}

/// Pictures are shared, and count: here nothing downstream gives any back.
#[test]
fn a_decoder_without_memory_for_its_pictures_says_which_property_limits_it() {
    if !is_child() {
        let this =
            "sandbox::a_decoder_without_memory_for_its_pictures_says_which_property_limits_it";
        let run = Launch::this_test(this).run();
        assert_eq!(run.code(), 0, "{}", run.text());
        return;
    }
    let rig = Rig::new(Element::Decoder, "isolate-max-memory=60000000 n-threads=1");
    let kept = Mutex::new(Vec::new());
    let out = rig.pipeline.by_name("out").unwrap();
    let pad = out.static_pad("sink").unwrap();
    support::pictures::take_video_meta(&pad);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let buffer = info.buffer().unwrap().clone();
        kept.lock().unwrap().push(buffer);
        gst::PadProbeReturn::Ok
    });
    rig.play();
    let ended = rig.end();
    let error = ended.error();
    let text = error.text();
    assert!(
        text.contains("isolate-max-memory allows 60000000"),
        "{error:?}"
    );
    assert!(
        error.error.matches(gst::ResourceError::NoSpaceLeft),
        "{error:?}"
    );
    rig.stop();
    rig.leaves_nothing();
}

/// Less than a process needs.
#[test]
fn a_limit_that_no_child_can_live_with_is_an_error() {
    let rig = Rig::new(Element::Decoder, "isolate-max-memory=1000000");
    rig.play();
    let ended = rig.end();
    assert_eq!(ended.error().outcome(), "CodecCrashed", "{ended:?}");
}

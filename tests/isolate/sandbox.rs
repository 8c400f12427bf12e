// SPDX-License-Identifier: MPL-2.0
//! What the child is kept from, as the properties say and `stats` shows.

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

/// Pictures are shared, and count.
#[test]
fn a_decoder_without_memory_for_its_pictures_says_which_property_limits_it() {
    if !is_child() {
        let this =
            "sandbox::a_decoder_without_memory_for_its_pictures_says_which_property_limits_it";
        let run = Launch::this_test(this).run();
        assert_eq!(run.code(), 0, "{}", run.text());
        return;
    }

    let rig = Rig::new(Element::Decoder, "isolate-max-memory=100000000 n-threads=1");
    rig.play();
    let ended = rig.end();
    println!("{ended:?}");
    rig.stop();
    let rig = Rig::new(Element::Decoder, "isolate-max-memory=3500000 n-threads=1");
    rig.play();
    let ended = rig.end();
    assert!(!ended.eos, "{ended:?}");
    assert_eq!(ended.errors.len(), 1, "{ended:?}");
    println!("{ended:?}");
    rig.stop();
    rig.leaves_nothing();
}

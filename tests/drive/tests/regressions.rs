// SPDX-License-Identifier: MPL-2.0
//! What the soak and the matrix have found, each as the scenario that showed it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;

use drive::facts::Life;
use drive::{Runner, Scenario};

/// The last life of a scenario, which has to end by itself.
fn act(scenario: &str) -> Life {
    let runner = Runner::new(PathBuf::from(env!("CARGO_BIN_EXE_drive")));
    let report = runner.run(&scenario.parse::<Scenario>().unwrap());
    assert_eq!(report.hung, None, "{report:#?}");
    assert_eq!(report.code, Some(0), "{report:#?}");
    report.facts.unwrap().lives.pop().unwrap()
}

/// The element was asked to stop while it drained for new caps. It refused them,
/// and the source took that for a stream that cannot be negotiated.
#[test]
fn a_state_change_while_new_caps_wait_for_a_drain_is_no_error() {
    for scenario in [
        "dav1dwatchdec non-live n-threads=1 script=dav1d_get_picture:delay=700ms@armed \
         : play push:9 settle arm caps push:9 await-strike ready play push:9 eos await-end null",
        "svtav1watchenc non-live preset=12 script=svt_av1_enc_get_packet:delay=700ms@armed \
         : play push:9 settle arm caps push:9 await-strike ready play push:9 eos await-end null",
    ] {
        let life = act(scenario);
        assert!(life.errors.is_empty(), "{life:#?}");
        assert!(life.eos(), "{life:#?}");
    }
}

/// The same, with buffers behind the caps that are smaller than those of the format
/// that the element still knew: they were said to be cut short.
#[test]
fn buffers_behind_caps_that_were_passed_over_are_not_held_against_the_old_format() {
    let life = act("svtav1watchenc non-live size=64x64 preset=10 \
         script=svt_av1_enc_get_packet:delay=700ms@armed \
         : play caps push:9 settle arm caps push:9 await-strike ready play push:9 eos await-end null");
    assert!(life.errors.is_empty(), "{life:#?}");
    assert!(life.eos(), "{life:#?}");
}

/// Running time begins anew with a flush; every frame was dropped for lying
/// before the last one of the time before it.
#[test]
fn after_a_flush_no_frame_is_dropped_for_its_time() {
    for flush in ["flush", "seek"] {
        let life = act(&format!(
            "svtav1watchenc non-live preset=12 : play push:30 settle {flush} push:9 eos await-end null"
        ));
        // The first 30 were all inside.
        assert_eq!(life.taken, 9, "{life:#?}");
    }
}

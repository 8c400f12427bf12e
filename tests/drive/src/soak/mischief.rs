// SPDX-License-Identifier: MPL-2.0
//! Random faults, and what has to hold in spite of them.

use fastrand::Rng;

use crate::facts::Life;
use crate::scenario::{Element, Scenario};

/// Gives a scenario a random script.
pub(super) fn add(scenario: &mut Scenario, rng: &mut Rng) {
    let calls: &[&str] = match scenario.element {
        Element::Encoder => &[
            "svt_av1_enc_init_handle",
            "svt_av1_enc_init",
            "svt_av1_enc_send_picture",
            "svt_av1_enc_get_packet",
            "svt_av1_enc_release_out_buffer",
            "svt_av1_enc_deinit",
            "svt_av1_enc_deinit_handle",
        ],
        Element::Decoder => &[
            "dav1d_open",
            "dav1d_send_data",
            "dav1d_get_picture",
            "dav1d_picture_unref",
            "dav1d_flush",
            "dav1d_close",
        ],
    };
    let call = calls[rng.usize(..calls.len())];
    let void = call.ends_with("_close")
        || call.ends_with("_flush")
        || call.ends_with("_unref")
        || call.ends_with("_buffer");
    let fault = match rng.u8(..7) {
        0 => "hang",
        1 => "hang=3s",
        2 => "spin=3s",
        3 => "delay=300ms",
        4 if !void => "fail",
        5 => "slow=x4",
        _ => "panic",
    };
    let number = match rng.u8(..3) {
        0 => 1,
        1 => rng.u32(1..6),
        _ => rng.u32(1..60),
    };
    scenario.script = Some(format!("{call}:{fault}@{number}"));
    if rng.bool() {
        *scenario = scenario.clone().with("restart-limit", rng.u8(1..4));
    }
    scenario.lives = scenario.lives.min(2);
}

/// A session whose opening or closing call was not made at all stays open.
pub(super) fn keeps_a_session_open(scenario: &Scenario) -> bool {
    let not_made = |script: &str| {
        let ends = [
            "_init",
            "_deinit",
            "_deinit_handle",
            "_close",
            "_buffer",
            "_unref",
        ];
        script.split_once(':').is_some_and(|(call, fault)| {
            ends.iter().any(|end| call.ends_with(end))
                && (fault.starts_with("fail") || fault.starts_with("panic"))
        })
    };
    scenario.script.as_deref().is_some_and(not_made)
}

/// Whether it struck is not known; what came of it has to be one of the things
/// that may.
pub(super) fn verdict(life: &Life, wrong: &mut Vec<String>) {
    // A source posts errors of its own.
    let own: Vec<_> = life.errors.iter().filter(|error| error.own).collect();
    if own.len() > 1 {
        wrong.push(format!("{} errors", own.len()));
    }
    if life.eos_after_error {
        wrong.push("EOS after the error".to_owned());
    }
    for error in own {
        let named = error
            .fault
            .as_ref()
            .is_some_and(|fault| fault.is_complete());
        if !named && error.code != "RESOURCE/NO_SPACE_LEFT" {
            wrong.push(format!("incomplete details: {} {}", error.code, error.text));
        }
    }
    for step in &life.vain {
        if step == "await-end" || step == "settle" {
            wrong.push(format!("{step} was in vain"));
        }
    }
}

// SPDX-License-Identifier: MPL-2.0
//! Random faults, and what has to hold in spite of them.

use fastrand::Rng;

use crate::elements::{Call, Failure};
use crate::facts::Life;
use crate::scenario::Scenario;

/// Gives a scenario a random script.
pub(super) fn add(scenario: &mut Scenario, rng: &mut Rng) {
    let calls = scenario.element.calls;
    let call = &calls[rng.usize(..calls.len())];
    let fault = match rng.u8(..7) {
        0 => "hang",
        1 => "hang=3s",
        2 => "spin=3s",
        3 => "delay=300ms",
        4 if call.failure != Failure::Never => "fail",
        5 => "slow=x4",
        // The worker calls the element, and the element the library: nobody panics there.
        _ if scenario.element.is_hosted => "hang",
        _ => "panic",
    };
    let number = match rng.u8(..3) {
        0 => 1,
        1 => rng.u32(1..6),
        _ => rng.u32(1..60),
    };
    scenario.script = Some(format!("{}:{fault}@{number}", call.name));
    if rng.bool() {
        *scenario = scenario.clone().with("restart-limit", rng.u8(1..4));
    }
    scenario.lives = scenario.lives.min(2);
}

/// Makes a close take longer than its budget, busy: which is no fault, and not to
/// be told from none but by the time that it takes.
pub(super) fn slow_close(scenario: &mut Scenario, rng: &mut Rng) {
    let close = scenario.element.calls.iter().find(|call| call.closes);
    if let Some(close) = close {
        let number = rng.u8(1..4);
        scenario.script = Some(format!("{}:spin=2s@{number}", close.name));
    }
}

/// Whether the script makes this call, or one of those that have its name, go wrong like
/// this.
fn strikes(scenario: &Scenario, faults: &[&str], is_it: impl Fn(&Call) -> bool) -> bool {
    let script = scenario.script.as_deref();
    let Some((name, fault)) = script.and_then(|script| script.split_once(':')) else {
        return false;
    };
    let mut calls = scenario.element.calls.iter();
    faults.iter().any(|start| fault.starts_with(start))
        && calls.any(|call| call.name == name && is_it(call))
}

/// A session whose opening or closing call was not made at all stays open.
pub(super) fn keeps_a_session_open(scenario: &Scenario) -> bool {
    strikes(scenario, &["fail", "panic"], |call| call.keeps)
}

/// Frames that may be missing although EOS came: `None` is any number.
fn may_be_missing(scenario: &Scenario, life: &Life) -> Option<u64> {
    let damages = strikes(scenario, &["fail"], |call| call.failure == Failure::Damage);
    let restarts = life.restarts.len() as u64;
    (!damages).then(|| restarts * scenario.element.passed_over())
}

/// Whether it struck is not known; what came of it has to be one of the things
/// that may.
pub(super) fn complaints(scenario: &Scenario, life: &Life, wrong: &mut Vec<String>) {
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
    if let Some(passed_over) = may_be_missing(scenario, life) {
        let streams = life.streams.iter();
        wrong.extend(streams.filter_map(|stream| stream.imbalance(passed_over)));
    }
    for step in &life.vain {
        if step == "await-end" || step == "settle" {
            wrong.push(format!("{step} was in vain"));
        }
    }
}

// SPDX-License-Identifier: MPL-2.0
//! Random scenarios: seed and number decide everything.

use std::time::Duration;

use fastrand::Rng;

use crate::elements::{Element, Input};
use crate::scenario::{Scenario, Source, Step};

/// The budgets of a soak, and what a close may take on a machine that is loaded
/// eightfold.
const BUDGET: Duration = Duration::from_secs(1);
const CLOSE: Duration = Duration::from_secs(20);

/// What the next session may wait for a close that is slow.
const OPEN_BEHIND_SLOW_CLOSE: Duration = Duration::from_secs(20);

/// The scenario with this number.
pub fn scenario(seed: u64, number: u64, faults: bool) -> Scenario {
    let mut rng = Rng::with_seed(
        seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(number),
    );
    let elements: Vec<_> = Element::all().collect();
    let element = pick(&mut rng, &elements);
    let source = pick(&mut rng, &[Source::NonLive, Source::NonLive, Source::Live]);
    let mut scenario = Scenario::new(element, source);
    // A loaded machine takes its time.
    scenario.bound = Duration::from_secs(300);
    scenario.queue = pick(&mut rng, &[1, 2, 5, 200]);
    scenario.slow_sink = rng.u8(..) < 30;
    if source == Source::NonLive && !scenario.slow_sink {
        scenario.lives = pick(&mut rng, &[1, 1, 2, 8]);
    }
    let slow_close = !faults && rng.u8(..) < 30;
    let open = if slow_close {
        OPEN_BEHIND_SLOW_CLOSE
    } else {
        BUDGET
    };
    let close = if faults || slow_close { BUDGET } else { CLOSE };
    for (timeout, budget) in [
        ("watchdog-timeout", BUDGET),
        ("drain-timeout", BUDGET),
        ("open-timeout", open),
        ("close-timeout", close),
    ] {
        scenario = scenario.with(timeout, budget.as_nanos());
    }
    if element.input == Input::Raw {
        scenario.size = pick(&mut rng, &[(64, 64), (128, 96), (176, 144), (320, 240)]);
    }
    for (name, values) in element.varied {
        scenario = scenario.with(name, pick(&mut rng, values));
    }
    steps(&mut scenario, &mut rng);
    if faults {
        super::mischief::add(&mut scenario, &mut rng);
    } else if slow_close {
        super::mischief::slow_close(&mut scenario, &mut rng);
    }
    scenario
}

fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())]
}

fn steps(scenario: &mut Scenario, rng: &mut Rng) {
    begin(scenario, rng);
    for _ in 0..rng.u8(2..12) {
        let frames = rng.u32(1..30);
        match rng.u8(..100) {
            0..30 => scenario.steps.push(Step::Push(frames)),
            30..35 => scenario.steps.push(Step::Burst(frames)),
            35..42 => scenario.steps.push(Step::Seek),
            42..49 => scenario.steps.push(Step::Flush),
            49..53 => scenario.steps.extend([Step::Settle, Step::FlushStop]),
            53..60 => scenario.steps.push(Step::Caps),
            60..66 => gaps(scenario, rng),
            66..72 => keys(scenario, rng),
            72..77 => relink(scenario, rng),
            77..81 if scenario.source == Source::NonLive => {
                scenario.steps.push(Step::Back(rng.u32(1..60)));
            }
            77..84 => scenario.steps.push(Step::Idle(rng.u32(1..1500))),
            84..90 => pause(scenario, rng),
            90..92 => scenario.steps.push(Step::Settle),
            92..94 => scenario.steps.push(Step::Query),
            _ => {
                scenario.steps.push(pick(rng, &[Step::Null, Step::Ready]));
                begin(scenario, rng);
            }
        }
    }
    // A picture has to be among it, which needs a key frame.
    scenario.steps.push(Step::Push(rng.u32(9..20)));
    if rng.u8(..) < 210 {
        scenario.steps.extend([Step::Eos, Step::AwaitEnd]);
    }
    scenario.steps.push(Step::Null);
}

fn begin(scenario: &mut Scenario, rng: &mut Rng) {
    if scenario.source == Source::NonLive && rng.bool() {
        let frames = rng.u32(1..20);
        scenario.steps.extend([Step::Pause, Step::Push(frames)]);
    }
    scenario.steps.push(Step::Play);
}

fn gaps(scenario: &mut Scenario, rng: &mut Rng) {
    for _ in 0..rng.u8(1..5) {
        let frames = rng.u32(0..3);
        scenario.steps.extend([Step::Gap, Step::Push(frames)]);
    }
}

/// Requests in a row, with few frames between them or none.
fn keys(scenario: &mut Scenario, rng: &mut Rng) {
    let frames = rng.u32(0..3);
    for _ in 0..rng.u8(1..6) {
        scenario.steps.extend([Step::Key, Step::Push(frames)]);
    }
}

fn relink(scenario: &mut Scenario, rng: &mut Rng) {
    let while_unlinked = match rng.u8(..6) {
        0..3 => Step::Push(rng.u32(1..20)),
        3 => Step::Flush,
        4 => Step::Caps,
        _ => Step::Idle(rng.u32(1..500)),
    };
    scenario
        .steps
        .extend([Step::Unlink, while_unlinked, Step::Link]);
}

/// Plays on in any case.
fn pause(scenario: &mut Scenario, rng: &mut Rng) {
    let while_paused = match rng.u8(..6) {
        0 => Step::Seek,
        1 => Step::Push(rng.u32(1..20)),
        2 => Step::Flush,
        3 => Step::Caps,
        4 => {
            // Where a push waits for room, so does what comes behind it.
            scenario.steps.push(Step::Settle);
            Step::FlushStop
        }
        _ => Step::Idle(rng.u32(1..1500)),
    };
    scenario
        .steps
        .extend([Step::Pause, while_paused, Step::Play]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_replayed_is_what_was_run() {
        for number in 0..500 {
            for faults in [false, true] {
                let one = scenario(7, number, faults);
                assert_eq!(one, scenario(7, number, faults));
                assert_eq!(one.to_string().parse(), Ok(one));
            }
        }
    }

    #[test]
    fn what_is_unlinked_is_linked_again_before_anything_is_waited_for() {
        let mut relinks = 0;
        for number in 0..500 {
            let steps = scenario(7, number, false).steps;
            for (at, _) in steps
                .iter()
                .enumerate()
                .filter(|(_, step)| **step == Step::Unlink)
            {
                assert_eq!(steps[at + 2], Step::Link);
                relinks += 1;
            }
        }
        assert!(relinks > 50);
    }
}

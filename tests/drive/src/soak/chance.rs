// SPDX-License-Identifier: MPL-2.0
//! Random scenarios: seed and number decide everything.

use std::time::Duration;

use fastrand::Rng;

use crate::scenario::{Element, Scenario, Source, Step};

/// The budgets of a soak. The close has no extension, however busy the codec
/// is; so on a machine that is loaded eightfold it gets more.
const BUDGET: Duration = Duration::from_secs(1);
const CLOSE: Duration = Duration::from_secs(20);

/// The scenario with this number.
pub fn scenario(seed: u64, number: u64, faults: bool) -> Scenario {
    let mut rng = Rng::with_seed(
        seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(number),
    );
    let element = pick(&mut rng, &[Element::Encoder, Element::Decoder]);
    let source = pick(&mut rng, &[Source::NonLive, Source::NonLive, Source::Live]);
    let mut scenario = Scenario::new(element, source);
    // A loaded machine takes its time.
    scenario.bound = Duration::from_secs(300);
    scenario.queue = pick(&mut rng, &[1, 2, 5, 200]);
    scenario.slow_sink = rng.u8(..) < 30;
    if source == Source::NonLive && !scenario.slow_sink {
        scenario.lives = pick(&mut rng, &[1, 1, 2, 8]);
    }
    for timeout in ["watchdog-timeout", "drain-timeout", "open-timeout"] {
        scenario = scenario.with(timeout, BUDGET.as_nanos());
    }
    let close = if faults { BUDGET } else { CLOSE };
    scenario = scenario.with("close-timeout", close.as_nanos());
    scenario = match element {
        Element::Encoder => encoder(scenario, &mut rng),
        Element::Decoder => decoder(scenario, &mut rng),
    };
    steps(&mut scenario, &mut rng);
    if faults {
        super::mischief::add(&mut scenario, &mut rng);
    }
    scenario
}

fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())]
}

fn encoder(mut scenario: Scenario, rng: &mut Rng) -> Scenario {
    scenario.size = pick(rng, &[(64, 64), (128, 96), (176, 144), (320, 240)]);
    scenario
        .with("preset", rng.u8(8..=12))
        .with("low-latency", rng.bool())
        .with("logical-processors", rng.u8(0..=2))
        .with("intra-period-length", pick(rng, &[-1, 7, 30]))
}

fn decoder(scenario: Scenario, rng: &mut Rng) -> Scenario {
    scenario
        .with("n-threads", rng.u8(1..=4))
        .with("max-frame-delay", pick(rng, &[-1, 0, 1, 3]))
}

fn steps(scenario: &mut Scenario, rng: &mut Rng) {
    begin(scenario, rng);
    for _ in 0..rng.u8(2..12) {
        let frames = rng.u32(1..30);
        match rng.u8(..100) {
            0..40 => scenario.steps.push(Step::Push(frames)),
            40..45 => scenario.steps.push(Step::Burst(frames)),
            45..52 => scenario.steps.push(Step::Seek),
            52..59 => scenario.steps.push(Step::Flush),
            59..66 => scenario.steps.push(Step::Caps),
            66..72 => scenario.steps.push(Step::Gap),
            72..78 => scenario.steps.push(Step::Key),
            78..84 => scenario.steps.push(Step::Idle(rng.u32(1..1500))),
            84..90 => pause(scenario, rng),
            90..94 => scenario.steps.push(Step::Settle),
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

/// Plays on in any case.
fn pause(scenario: &mut Scenario, rng: &mut Rng) {
    scenario.steps.push(Step::Pause);
    let while_paused = match rng.u8(..5) {
        0 => Step::Seek,
        1 => Step::Push(rng.u32(1..20)),
        2 => Step::Flush,
        3 => Step::Caps,
        _ => Step::Idle(rng.u32(1..1500)),
    };
    scenario.steps.extend([while_paused, Step::Play]);
}

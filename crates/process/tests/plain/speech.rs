// SPDX-License-Identifier: MPL-2.0
//! What a child might say that follows no rule: messages in any order, with numbers that
//! are near the right ones, and bytes that were changed on the way.

use codecwatch_process::protocol::{self, FromChild, LaneEvent, Reply};
use codecwatch_process::sandbox::{Mechanism, Policy, Report};
use codecwatch_process::{BlockId, Hello, VERSION};
use codecwatch_supervisor::{Amount, CodecError, Name};
use fastrand::Rng;

use crate::plain::PackedOutput;

/// What a child of the kind `plain` says.
type Says = FromChild<PackedOutput, String>;

/// The bytes that belong to this seed: on the socket, and in the ring.
pub(crate) fn speech(seed: u64) -> [Vec<u8>; 2] {
    let mut random = Rng::with_seed(seed);
    let mut bytes = Vec::new();
    let mut events = Vec::new();
    for _ in 0..random.usize(..5) {
        // None is too large.
        let _ = protocol::encode(&mut events, &event(&mut random));
    }
    if random.u8(..) > 8 {
        let hello = Hello {
            version: VERSION.to_owned(),
            kind: "plain".to_owned(),
        };
        say(&mut bytes, &Says::Ready(hello));
        if random.u8(..) > 8 {
            say(&mut bytes, &Says::Sandboxed(report(&mut random)));
        }
    }
    for _ in 0..random.usize(..60) {
        let message = message(&mut random);
        say(&mut bytes, &message);
    }
    if random.bool() {
        for _ in 0..random.usize(1..4) {
            change(&mut random, &mut bytes);
        }
    }
    if random.u8(..) < 20 {
        change(&mut random, &mut events);
    }
    [bytes, events]
}

fn say(bytes: &mut Vec<u8>, message: &Says) {
    // None is too large.
    let _ = protocol::encode(bytes, message);
}

/// A number that may be in use.
fn number(random: &mut Rng) -> u32 {
    match random.u8(..20) {
        0 => u32::MAX,
        1 => random.u32(..),
        _ => random.u32(..6),
    }
}

/// The number of a block that may be in use: the newest are.
fn block(random: &mut Rng) -> BlockId {
    let newest = protocol::blocks();
    protocol::block(newest.wrapping_sub(number(random)))
}

fn len(random: &mut Rng) -> u64 {
    match random.u8(..10) {
        0 => u64::MAX - random.u64(..3),
        1 => random.u64(..),
        2 => 0,
        _ => random.u64(..10_000),
    }
}

fn text(random: &mut Rng) -> String {
    let len = match random.u8(..10) {
        0 => random.usize(..3000),
        _ => random.usize(..8),
    };
    (0..len).map(|_| random.char(..)).collect()
}

fn name(random: &mut Rng) -> Name {
    match random.u8(..4) {
        0 => text(random).into(),
        1 => Name::from_static("plain_send"),
        _ => Name::from_static("plain_open"),
    }
}

fn lane(random: &mut Rng) -> u8 {
    match random.u8(..10) {
        0 => random.u8(..),
        _ => random.u8(..4),
    }
}

fn error(random: &mut Rng) -> CodecError {
    match random.u8(..6) {
        0 => CodecError::Native {
            call: name(random),
            code: random.i64(..),
            reason: text(random),
        },
        1 => CodecError::Reported {
            part: name(random),
            text: text(random),
        },
        2 => CodecError::Settings(text(random)),
        3 => CodecError::Resource(text(random)),
        4 => CodecError::Crashed { what: text(random) },
        _ => CodecError::Panicked(text(random)),
    }
}

fn reply(random: &mut Rng) -> Reply {
    match random.u8(..7) {
        0 | 1 => Reply::Opened {
            delay: random.bool().then(|| number(random)),
        },
        2 => Reply::Sent,
        3 => Reply::Answered,
        4 => Reply::Drained {
            reusable: random.bool(),
        },
        5 => Reply::Flushed {
            done: random.bool(),
        },
        _ => Reply::Closed,
    }
}

fn output(random: &mut Rng) -> PackedOutput {
    PackedOutput {
        block: block(random),
        len: len(random),
        ballast: vec![1; random.usize(..9)],
    }
}

fn mechanism(random: &mut Rng) -> Mechanism {
    match random.u8(..3) {
        0 => Mechanism::Unused,
        1 => Mechanism::InForce(number(random)),
        _ => Mechanism::Missing(text(random)),
    }
}

fn report(random: &mut Rng) -> Report {
    Report {
        policy: Policy::Strict,
        landlock: mechanism(random),
        seccomp: mechanism(random),
        others: (0..random.usize(..4)).map(|_| text(random)).collect(),
        uncovered_threads: number(random),
    }
}

fn event(random: &mut Rng) -> LaneEvent {
    // Most lanes that are spoken of have begun.
    let lane = match random.u8(..20) {
        0 => lane(random),
        _ => 0,
    };
    match random.u8(..8) {
        0 => LaneEvent::Began {
            lane: lane.max(1),
            name: text(random),
        },
        1..=3 => LaneEvent::CallBegan {
            lane,
            name: name(random),
            waits: random.bool(),
        },
        4 => LaneEvent::CallMoved {
            lane,
            name: name(random),
        },
        _ => LaneEvent::CallEnded {
            lane,
            took: match random.bool() {
                true => std::time::Duration::MAX,
                false => std::time::Duration::from_nanos(random.u64(..)),
            },
        },
    }
}

fn message(random: &mut Rng) -> Says {
    match random.u8(..26) {
        0 => Says::Sandboxed(report(random)),
        1 | 2 => Says::Done(Ok(reply(random))),
        3 => Says::Done(Err(error(random))),
        4..=9 => Says::LaneEvents,
        10 => Says::LaneEnded {
            lane: lane(random),
            error: random.bool().then(|| error(random)),
        },
        11 | 12 => Says::Output(output(random), amount(random)),
        13 => Says::Told(output(random)),
        14 => Says::Facts(text(random)),
        15 => Says::Delay(random.bool().then(|| number(random))),
        16 => Says::Failed(error(random)),
        17 => Says::OthersAwaited(random.bool()),
        18 | 19 => Says::NeedsBlock { len: len(random) },
        20 => Says::GivesUp(block(random)),
        21 => Says::Returned {
            lent: number(random),
        },
        22 => Says::Answer(()),
        23 => Says::BesideAnswer {
            number: number(random),
            answer: (),
        },
        24 => Says::Inquires {
            number: number(random),
            inquiry: (),
        },
        _ => Says::Log {
            level: random.u8(..),
            line: text(random),
        },
    }
}

fn amount(random: &mut Rng) -> Amount {
    match random.u8(..4) {
        0 => Amount::NONE,
        1 => Amount {
            frames: number(random),
            time: std::time::Duration::MAX,
        },
        _ => Amount::ONE_FRAME,
    }
}

fn change(random: &mut Rng, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let at = random.usize(..bytes.len());
    let end = (at + random.usize(..20)).min(bytes.len());
    match random.u8(..5) {
        0 => bytes[at] ^= 1 << random.u8(..8),
        1 => bytes[at] = random.u8(..),
        2 => drop(bytes.drain(at..end)),
        3 => {
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
        _ => bytes.truncate(at),
    }
}

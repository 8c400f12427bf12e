// SPDX-License-Identifier: MPL-2.0
//! `./dev fuzz protocol`: whatever a child says, the parent hears it without a panic and
//! without keeping memory.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic is what it looks for"
)]

#[path = "../tests/plain/mod.rs"]
mod plain;
#[path = "../tests/plain/speech.rs"]
mod speech;

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use codecwatch_process::protocol::hear;
use plain::{Bytes, Plain};
use speech::speech;

/// What it may hold more at the end than after its first rounds, in bytes.
const GROWTH: u64 = 64 << 20;
const FIRST: u64 = 20_000;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).map(|word| word.parse::<u64>());
    let mut next = |otherwise| arguments.next().map_or(otherwise, Result::unwrap);
    let seconds = next(600);
    let first = next(std::process::id().into());
    println!("seeds from {first}, for {seconds} s");
    let until = Instant::now() + Duration::from_secs(seconds);
    let (mut before, mut mistakes) = (0, 0_u64);
    let mut rounds = 0;
    while Instant::now() < until {
        let seed = first.wrapping_add(rounds);
        let heard = catch_unwind(|| {
            let inputs = [vec![1; 10], vec![2; 5000]].map(Bytes::Own);
            let [bytes, events] = speech(seed);
            let heard = hear::<Plain>((), inputs, &bytes, &events).unwrap();
            let read: usize = heard
                .outputs
                .iter()
                .map(|it| it.bytes().to_vec().len())
                .sum();
            (heard.mistake.is_some(), read)
        });
        let Ok((is_mistake, _)) = heard else {
            println!(
                "seed {seed}: a panic; again with: cargo run -p codecwatch-process --example fuzz 1 {seed}"
            );
            return ExitCode::FAILURE;
        };
        mistakes += u64::from(is_mistake);
        rounds += 1;
        if rounds == FIRST {
            before = resident();
        }
    }
    println!("{rounds} speeches, {mistakes} of them with a mistake, no panic");
    let grown = resident().saturating_sub(before);
    println!("{} kB more than after {FIRST}", grown / 1000);
    if rounds > FIRST && grown > GROWTH {
        println!("it keeps memory");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
    kilobytes.parse::<u64>().unwrap() * 1000
}

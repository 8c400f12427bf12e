// SPDX-License-Identifier: MPL-2.0
//! The parent hears anything without a panic. `./dev fuzz protocol` does this for long.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests: a panic is the report"
)]

mod plain;
#[path = "plain/speech.rs"]
mod speech;

use codecwatch_process::protocol::hear;
use plain::{Bytes, Plain};
use proptest::prelude::*;
use speech::speech;

/// Two inputs for a child to return.
fn inputs() -> [Bytes; 2] {
    [vec![1; 10], vec![2; 5000]].map(Bytes::Own)
}

fn hears([bytes, events]: &[Vec<u8>; 2]) -> bool {
    let heard = hear::<Plain>((), inputs(), bytes, events).unwrap();
    // Whatever came out can be read.
    let sum: u64 = heard.outputs.iter().map(|output| sum(output.bytes())).sum();
    sum == 0 && heard.mistake.is_none()
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().map(|&byte| u64::from(byte)).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_a_child_says_the_parent_hears_it_without_a_panic(seed: u64) {
        hears(&speech(seed));
    }

    #[test]
    fn any_bytes_are_heard_without_a_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        events in proptest::collection::vec(any::<u8>(), 0..50),
    ) {
        hears(&[bytes, events]);
    }
}

/// Otherwise the two above would show nothing.
#[test]
fn some_of_it_is_no_mistake_and_some_is() {
    let good = (0..300).filter(|&seed| hears(&speech(seed))).count();
    assert!((10..290).contains(&good), "{good}");
}

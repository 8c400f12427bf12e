// SPDX-License-Identifier: MPL-2.0
//! What the tests and examples of this crate share.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "each test uses a part"
)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also used by examples, to which the leave for tests does not extend"
)]

pub mod decode;
pub mod encode;
pub mod ivf;
pub mod mkv;
pub mod mutate;
pub mod set;
pub mod sources;
pub mod surgery;

pub use decode::{Decoded, decode, md5};
pub use encode::{Encoder, tool};

/// Says, in a way that stands out in a log, that a case did not run.
pub fn skip(case: &str, missing: &str) {
    println!("skipped: {case}: there is no {missing}");
}

/// SplitMix64: few lines, and the same numbers everywhere.
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

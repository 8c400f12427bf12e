// SPDX-License-Identifier: MPL-2.0
//! What faults leave behind with `evidence-dir`: folders, samples that play, replays.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod damage;
mod disk;
mod folders;
mod hosted;
mod replays;
mod rig;

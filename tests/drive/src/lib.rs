// SPDX-License-Identifier: MPL-2.0
//! One scenario in one process, and what is made of it: the fault matrix and the
//! soak.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod elements;
pub mod facts;
mod holding;
pub mod machine;
mod material;
pub mod matrix;
mod progress;
mod run;
pub mod scenario;
pub mod soak;
mod stage;
pub mod steps;

pub use run::{FACTS, Report, Runner};
pub use scenario::Scenario;
pub use stage::act;

// SPDX-License-Identifier: MPL-2.0
//! The guard: refuses impossible work before any native call.
//!
//! What is possible passes. So a position is no duration (a pipeline on the
//! epoch's clock has a running time of 56 years), and memory that the kernel can
//! reclaim is available. Pure, but for [`available_memory`].

mod control_group;
mod frame_rate;
mod length;
mod memory;

pub use frame_rate::{MAX_FPS, check_frame_rate, is_plausible_frame_rate};
pub use length::{LONGEST, Length, Limits, Position, announced_end};
pub use memory::{available_memory, check_memory};

/// What the guard refuses, in words for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The stream as described cannot be worked on.
    #[error("{0}")]
    Format(String),
    /// It could, but not with the memory that this machine has.
    #[error("{0}")]
    Memory(String),
}

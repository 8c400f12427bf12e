// SPDX-License-Identifier: MPL-2.0
//! The guard: refuses impossible work before any native call.
//!
//! Possible work passes. So a position is no duration (a pipeline on a clock that
//! counts from the epoch has a running time of 56 years), and memory that the kernel
//! can reclaim is available. Pure, except [`available_memory`].

mod control_group;
mod frame_rate;
mod length;
mod memory;

pub use frame_rate::{MAX_FPS, check_frame_rate, is_plausible_frame_rate};
pub use length::{LONGEST, Length, Limits, Position, announced_end};
pub use memory::{available_memory, check_memory};

/// A refusal of the guard, with the text for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The stream cannot be processed as described.
    #[error("{0}")]
    Format(String),
    /// It could, but not with the memory of this machine.
    #[error("{0}")]
    Memory(String),
}

// SPDX-License-Identifier: MPL-2.0
//! Codec sessions in a child process.

mod memory;
mod message;
pub mod sandbox;
mod wire;

pub use memory::{
    Block, BlockId, Given, GivenBlock, Input, InputMemory, Lender, Lent, MemoryError, OutputMemory,
    Received,
};
pub use message::{Hello, VERSION};
pub use wire::{Broken, Decoder, LARGEST_MESSAGE};

// SPDX-License-Identifier: MPL-2.0
//! Memory that a parent shares with its children, in blocks. The parent makes each block
//! and seals its size, so that no child can end the parent by taking memory away that it
//! reads. A child can only read a block for input: other parts of the pipeline may read
//! it, too. A block for output can be written by its child at any time: what the parent
//! finds there may change while it is read, and is never more than samples of a picture.

mod block;
mod given;
mod lender;
mod mapping;
mod received;
mod registry;

use serde::{Deserialize, Serialize};

pub(crate) use self::block::next_number;
pub use self::block::{Block, InputMemory, MemoryError};
pub use self::given::{Given, GivenBlock};
pub(crate) use self::lender::Returns;
pub use self::lender::{Lender, Lent};
pub(crate) use self::received::Telling;
pub use self::received::{Input, OutputMemory, Received};
pub use self::registry::is_shared;

/// A block's number, unique in the parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BlockId(pub(crate) u32);

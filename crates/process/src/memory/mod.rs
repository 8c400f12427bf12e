// SPDX-License-Identifier: MPL-2.0
//! Memory that a parent shares with its children, in blocks. The parent makes it and
//! seals its size, so that no child can end the parent by taking memory away that it
//! reads. A child can only read a block for input: other parts of the pipeline may read
//! it, too. A block for output can be written by its child at any time: what the parent
//! finds there may change while it is read. So it reads samples there, and copies whatever
//! else an output is before anybody goes by it.

mod arena;
mod block;
mod given;
mod lender;
mod mapping;
mod memfd;
mod received;
mod registry;
mod ring;

use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};

pub use self::block::{InputMemory, MemoryError};
pub(crate) use self::given::NewBlock;
pub use self::given::{Given, GivenBlock};
pub(crate) use self::lender::{Announced, Returns};
pub use self::lender::{Lender, Lent};
pub(crate) use self::received::Telling;
pub use self::received::{Input, OutputMemory, Received};
pub use self::registry::is_shared;
pub(crate) use self::ring::RingReader;
pub use self::ring::{Full, ReaderState, RingWriter};

/// A block's number, unique in the parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BlockId(pub(crate) u32);

static NEXT: AtomicU32 = AtomicU32::new(0);

impl BlockId {
    /// One that comes again, after four thousand million blocks, is that of a block that is
    /// long gone.
    fn next() -> Self {
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The number of the next block.
pub(crate) fn next_number() -> u32 {
    NEXT.load(Ordering::Relaxed)
}

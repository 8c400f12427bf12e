// SPDX-License-Identifier: MPL-2.0
//! Codec sessions in a child process, the program `codecwatch-worker`.
//!
//! A codec crate implements [`Remote`]: what of its config, inputs and outputs goes to the
//! child and comes back. [`Placed`] is then a factory whose sessions run in this process
//! or in a child, and the supervisor tells no difference: the calls that the child's codec
//! makes are in flight here, its process is the witness of its work, and abandoning the
//! session kills it.
//!
//! `parent` and `child` are the two sides of the protocol in `message`; `memory` is what
//! they share; [`launch`] starts and ends a child; [`sandbox`] keeps it from everything
//! else.

mod child;
pub mod launch;
mod link;
mod memory;
mod message;
mod parent;
mod placement;
mod remote;
pub mod sandbox;
mod structure;
mod talk;
mod wire;

pub use child::{ChildContext, ChildLog, Sandbox, UnknownPolicy, serve};
pub use memory::{
    BlockId, Given, GivenBlock, Input, InputMemory, Lender, Lent, MemoryError, OutputMemory,
    Received, is_shared,
};
pub use message::{Hello, INPUTS, PACKETS, VERSION};
pub use parent::{
    Beside, ChildStatus, Copies, Isolation, Log, OnSurvivor, ParentContext, ProcessCodec,
    ProcessSession, Seen, Spare, SpareUse, Survivor,
};
pub use placement::{Placed, PlacedSession};
pub use remote::{
    AnswerOf, ChildOf, FindingOf, InputOf, InquiryOf, OutputOf, ParentOf, QuestionOf, Remote,
    SessionOf,
};
pub use talk::{NoTalk, Talk, Travels};
pub use wire::{Broken, Decoder, LARGEST_MESSAGE};

/// For tests: the protocol itself, so that they can break it.
#[doc(hidden)]
#[allow(missing_docs, reason = "not for users of this crate")]
pub mod protocol {
    pub use crate::link::receive_with_fds;
    pub use crate::memory::{Full, ReaderState, RingWriter};
    pub use crate::message::{FromChild, FromChildOf, LaneEvent, Reply, ToChild, ToChildOf};
    pub use crate::parent::hear;
    pub use crate::wire::encode;

    use crate::{BlockId, Given, Lent};

    /// The number of a block, which may be none.
    pub fn block(number: u32) -> BlockId {
        BlockId(number)
    }

    /// A child that has no block yet.
    pub fn given() -> Given {
        Given::new(0)
    }

    /// The number of the next block of this process.
    pub fn blocks() -> u32 {
        crate::memory::next_number()
    }

    /// The number under which an input is returned.
    pub fn lent(lent: &Lent) -> u32 {
        lent.number
    }
}

// SPDX-License-Identifier: MPL-2.0
//! The parent's side: a session that is a child's.

mod beside;
mod codec;
mod context;
mod conversation;
mod dispatcher;
mod hear;
mod kill;
mod lanes;
mod reader;
mod sandboxed;
mod session;
mod shared;
mod spare;
mod status;

/// Longest text of a child that is shown, in characters.
const LONGEST_TEXT: usize = 1000;

pub use self::beside::Beside;
pub use self::codec::{Isolation, Log, ProcessCodec};
pub use self::context::ParentContext;
pub use self::hear::hear;
pub use self::kill::{OnSurvivor, Survivor};
pub use self::session::ProcessSession;
pub use self::spare::{Spare, SpareUse};
pub use self::status::{ChildStatus, Copies, Seen};

// SPDX-License-Identifier: MPL-2.0
//! The child's side: opens a session and does what the parent asks for, until the parent
//! asks for the close or is gone.

mod context;
mod reader;
mod serve;
mod supervisor;

pub use self::context::ChildContext;
pub use self::serve::{Sandbox, UnknownPolicy, serve};
pub use self::supervisor::ChildLog;

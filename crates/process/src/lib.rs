// SPDX-License-Identifier: MPL-2.0
//! Codec sessions in a child process.
//!
//! [`launch`] starts a child, ends it and survives it; [`sandbox`] is what the child
//! closes behind itself before it touches any input.

pub mod launch;
pub mod sandbox;

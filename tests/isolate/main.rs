// SPDX-License-Identifier: MPL-2.0
//! `isolate=true`: sessions of native codecs in child processes.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../crates/dav1d/tests/common/mod.rs"]
mod streams;

mod beside;
mod ends;
mod hosted;
mod identity;
mod memory;
mod programs;
mod rig;
mod sandbox;
mod spare;
mod wedges;

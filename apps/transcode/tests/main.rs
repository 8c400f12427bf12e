// SPDX-License-Identifier: MPL-2.0
//! The command as a user runs it: a process, its exit code, and the files that are there
//! afterwards.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ends;
mod facts;
mod farm;
mod kept;
mod material;
mod parts;
mod places;
mod plans;
mod rig;

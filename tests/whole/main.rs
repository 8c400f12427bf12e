// SPDX-License-Identifier: MPL-2.0
//! `wholefilesink`: the target is whole, or what it was before.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod errors;
mod faults;
mod killed;
mod muxers;
mod places;
mod rig;
mod stream;

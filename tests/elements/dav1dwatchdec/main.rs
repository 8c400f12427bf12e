// SPDX-License-Identifier: MPL-2.0
//! `dav1dwatchdec` as an element: properties, buffers, streams, damage, life.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../crates/dav1d/tests/common/mod.rs"]
mod streams;

mod buffers;
mod caps;
mod damage;
mod frame_rate;
mod hdr;
mod lifecycle;
mod lost_inputs;
mod memory;
mod properties;
mod seeking;
mod stream;
mod util;

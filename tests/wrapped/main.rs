// SPDX-License-Identifier: MPL-2.0
//! Elements that run one codec and look like it, and the tracer that puts them in the
//! place of their originals.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fallback;
mod interfaces;
mod properties;
#[path = "../hosted/record.rs"]
#[allow(dead_code)]
mod record;
#[path = "../hosted/rig.rs"]
#[allow(dead_code)]
mod rig;
mod signals;
mod tracer;

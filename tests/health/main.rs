// SPDX-License-Identifier: MPL-2.0
//! The health of processes with supervised elements, as the tracer serves it and others
//! see it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod browser;
mod documents;
mod ends;
mod kubernetes;
mod page;
mod probes;
mod publication;
mod rig;
mod tracer;

// SPDX-License-Identifier: MPL-2.0
//! The service as its clients meet it: a process, and `curl` in others.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod clients;
mod complete;
mod crowd;
mod degraded;
mod material;
mod refused;
mod rig;
mod shutdown;

// SPDX-License-Identifier: MPL-2.0
//! `codecwatch`: hosted codecs behave as the bare ones, and cannot hang.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod accounts;
mod beside;
mod children;
mod codecs;
mod deadlocks;
mod ends;
mod events_in_force;
mod faults;
mod identity;
mod links;
mod pipelines;
mod record;
mod restart;
mod rig;
mod settings;
mod told;
mod transparency;
mod va;

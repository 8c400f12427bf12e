// SPDX-License-Identifier: MPL-2.0
//! Test material: a VA-API driver without hardware. The real libva loads it, so
//! GStreamer's `va` plugin runs on it as it does on a GPU.
//!
//! It decodes nothing: a picture shows what it would have been decoded from
//! ([`picture`]). Each of its calls can hang, fail or crash ([`script`]).
//!
//! Unsafe: libva's interface is C. The functions in `calls` read and write through the
//! pointers that libva hands on from its caller, which owns what they point to for the
//! time of the call (`pointers` has the four ways to do so). Everything behind them,
//! `objects` above all, is safe code: pixels are atomics, because a mapped image is read
//! and written by the application while the driver may draw.
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]

mod calls;
mod objects;
pub mod picture;
mod pointers;
mod references;
pub mod script;
mod sys;

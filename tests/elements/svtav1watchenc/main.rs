// SPDX-License-Identifier: MPL-2.0
//! `svtav1watchenc` as an element: properties, formats, streams, life.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod backwards;
mod cancelled;
mod drop_in;
mod formats;
mod input_memory;
mod key_frames;
mod lifecycle;
mod muxing;
mod properties;
mod slow_presets;
mod stream;
mod util;

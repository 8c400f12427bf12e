// SPDX-License-Identifier: MPL-2.0
//! The parts of the AV1 bitstream that codecs and elements need, without a codec:
//! [`obus`] splits a buffer, [`summarize`] finds where decoding can start in it,
//! [`AnnexB`] and [`config_obus`] convert the framings of other containers to the
//! low-overhead format, [`SequenceHeader`] contains what caps and containers need,
//! and [`Color`], [`MasteringDisplay`] and [`ContentLight`] describe the colours of a
//! stream.
//!
//! Everything here is computed from the given bytes: nothing blocks, and no input
//! makes it panic.
#![forbid(unsafe_code)]

mod annexb;
mod av1c;
mod bits;
mod color;
mod leb128;
mod obu;
mod random_access;
mod sequence_header;

pub use annexb::{AnnexB, AnnexBError, LARGEST_TEMPORAL_UNIT};
pub use av1c::{Av1cError, config_obus};
pub use color::{ChromaPosition, Color, ContentLight, MasteringDisplay};
pub use obu::{Obu, ObuError, ObuKind, Obus, obus};
pub use random_access::{Start, Summary, summarize};
pub use sequence_header::SequenceHeader;

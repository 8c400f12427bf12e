// SPDX-License-Identifier: MPL-2.0
//! What codecs and elements need to know of the AV1 bitstream, without a codec:
//! [`obus`] takes a buffer apart, [`summarize`] says where decoding can start in
//! it, [`AnnexB`] and [`config_obus`] bring the framings of other containers into
//! the low-overhead format, [`SequenceHeader`] is what caps and containers
//! need of a stream, and [`Color`], [`MasteringDisplay`] and
//! [`ContentLight`] are what a stream says about its colours.
//!
//! Everything here is computed from the bytes at hand: nothing blocks, and no
//! bytes make it panic.
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

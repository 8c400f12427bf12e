// SPDX-License-Identifier: MPL-2.0
//! What the bitstream says about a picture besides its samples.

use serde::{Deserialize, Serialize};

use codecwatch_av1::{ChromaPosition, Color, ContentLight, MasteringDisplay};

use crate::sys;

/// The colours of a sequence.
pub(crate) fn color(header: &sys::Dav1dSequenceHeader) -> Color {
    Color {
        primaries: header.pri as u8,
        transfer: header.trc as u8,
        matrix: header.mtrx as u8,
        full_range: header.color_range != 0,
        chroma_position: match header.chr {
            sys::DAV1D_CHR_VERTICAL => ChromaPosition::Left,
            sys::DAV1D_CHR_COLOCATED => ChromaPosition::TopLeft,
            _ => ChromaPosition::Unknown,
        },
    }
}

pub(crate) fn mastering_display(native: &sys::Dav1dMasteringDisplay) -> MasteringDisplay {
    MasteringDisplay {
        primaries: native.primaries,
        white_point: native.white_point,
        max_luminance: native.max_luminance,
        min_luminance: native.min_luminance,
    }
}

#[allow(
    clippy::unnecessary_cast,
    reason = "dav1d 1.3 changed the types of these fields"
)]
pub(crate) fn content_light(native: &sys::Dav1dContentLightLevel) -> ContentLight {
    ContentLight {
        max: native.max_content_light_level as u16,
        max_frame_average: native.max_frame_average_light_level as u16,
    }
}

/// A message of ITU-T T.35, such as closed captions or HDR10+.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct T35 {
    /// Country code.
    pub country_code: u8,
    /// What follows a country code of 0xFF, otherwise 0.
    pub country_code_extension: u8,
    /// The rest, beginning with the provider's code.
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
}

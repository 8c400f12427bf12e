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

/// What kind of frame was coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FrameKind {
    /// Refers to nothing; decoding can start here.
    Key,
    /// Refers to other frames.
    Inter,
    /// Refers to nothing, but keeps the references of others.
    IntraOnly,
    /// Lets a decoder switch to another stream.
    Switch,
}

/// Facts of the frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// The kind of frame. For a frame that is shown again: the kind it was
    /// coded as.
    pub kind: FrameKind,
    /// Spatial layer.
    pub spatial_id: u8,
    /// Display size that the encoder recommends, in luma samples: a hint, independent
    /// of the size of the planes.
    pub render_size: (u32, u32),
}

impl Frame {
    #[allow(
        clippy::unnecessary_cast,
        reason = "dav1d 1.3 changed the types of these fields"
    )]
    pub(crate) fn from_native(header: &sys::Dav1dFrameHeader) -> Self {
        Self {
            kind: match header.frame_type {
                sys::DAV1D_FRAME_TYPE_KEY => FrameKind::Key,
                sys::DAV1D_FRAME_TYPE_INTRA => FrameKind::IntraOnly,
                sys::DAV1D_FRAME_TYPE_SWITCH => FrameKind::Switch,
                _ => FrameKind::Inter,
            },
            spatial_id: header.spatial_id as u8,
            render_size: (header.render_width as u32, header.render_height as u32),
        }
    }
}

/// Facts of the sequence header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    /// 0 = main, 1 = high, 2 = professional.
    pub profile: u8,
    /// Largest width and height in the sequence, in luma samples.
    pub max_size: (u32, u32),
}

impl Sequence {
    #[allow(
        clippy::unnecessary_cast,
        reason = "dav1d 1.3 changed the types of these fields"
    )]
    pub(crate) fn from_native(header: &sys::Dav1dSequenceHeader) -> Self {
        Self {
            profile: header.profile as u8,
            max_size: (header.max_width as u32, header.max_height as u32),
        }
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

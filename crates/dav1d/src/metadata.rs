// SPDX-License-Identifier: MPL-2.0
//! What the bitstream says about a picture besides its samples.

use crate::sys;

/// How samples become colours: code points of ITU-T H.273, which AV1 uses as
/// they are. 2 = unspecified in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Color {
    /// Colour primaries.
    pub primaries: u8,
    /// Transfer characteristics.
    pub transfer: u8,
    /// Matrix coefficients.
    pub matrix: u8,
    /// Whether the samples use the full range.
    pub full_range: bool,
    /// Where 4:2:0 chroma samples lie.
    pub chroma_position: ChromaPosition,
}

impl Color {
    /// Unspecified, for each of the code points.
    pub const UNSPECIFIED: u8 = 2;
    /// The matrix of RGB.
    pub const MATRIX_IDENTITY: u8 = 0;

    pub(crate) fn from_native(header: &sys::Dav1dSequenceHeader) -> Self {
        Self {
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
}

impl Default for Color {
    fn default() -> Self {
        Self {
            primaries: Self::UNSPECIFIED,
            transfer: Self::UNSPECIFIED,
            matrix: Self::UNSPECIFIED,
            full_range: false,
            chroma_position: ChromaPosition::Unknown,
        }
    }
}

/// `chroma_sample_position` of the AV1 specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChromaPosition {
    /// Not told, or no 4:2:0.
    Unknown,
    /// On the left luma column, between two rows (`CSP_VERTICAL`).
    Left,
    /// On the top left luma sample (`CSP_COLOCATED`).
    TopLeft,
}

/// What kind of frame was coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// Refers to nothing; decoding can start here.
    Key,
    /// Refers to other frames.
    Inter,
    /// Refers to nothing, but keeps the references of others.
    IntraOnly,
    /// Lets a decoder change over to another stream.
    Switch,
}

/// Facts of the frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// The kind of frame. For a frame that is shown again: the kind it was
    /// coded as.
    pub kind: FrameKind,
    /// Temporal layer.
    pub temporal_id: u8,
    /// Spatial layer.
    pub spatial_id: u8,
    /// Size that the encoder wishes the picture to be shown at, in luma
    /// samples: a hint that says nothing about the size of the planes.
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
            temporal_id: header.temporal_id as u8,
            spatial_id: header.spatial_id as u8,
            render_size: (header.render_width as u32, header.render_height as u32),
        }
    }
}

/// Facts of the sequence header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequence {
    /// 0 = main, 1 = high, 2 = professional.
    pub profile: u8,
    /// Largest width and height in the sequence, in luma samples.
    pub max_size: (u32, u32),
    /// Number of operating points, at least 1.
    pub operating_points: u8,
    /// Whether frames may carry film grain parameters.
    pub film_grain: bool,
    /// Whether the stream is a single picture.
    pub still_picture: bool,
    /// Time scale and units in a tick, when the header gives them.
    pub timing: Option<Timing>,
}

/// The clock of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Time units in a second.
    pub time_scale: u32,
    /// Time units in a tick.
    pub units_in_tick: u32,
    /// Ticks from picture to picture, when it is the same for all.
    pub ticks_per_picture: Option<u32>,
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
            operating_points: header.num_operating_points as u8,
            film_grain: header.film_grain_present != 0,
            still_picture: header.still_picture != 0,
            timing: (header.timing_info_present != 0).then_some(Timing {
                time_scale: header.time_scale as u32,
                units_in_tick: header.num_units_in_tick as u32,
                ticks_per_picture: (header.equal_picture_interval != 0)
                    .then_some(header.num_ticks_per_picture),
            }),
        }
    }
}

/// Colour volume of the display that the picture was mastered on, in the units
/// of the AV1 specification, section 6.7.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MasteringDisplay {
    /// CIE 1931 x and y of red, green and blue; 0.16 fixed point.
    pub primaries: [[u16; 2]; 3],
    /// CIE 1931 x and y of white; 0.16 fixed point.
    pub white_point: [u16; 2],
    /// Candela per square metre; 24.8 fixed point.
    pub max_luminance: u32,
    /// Candela per square metre; 18.14 fixed point.
    pub min_luminance: u32,
}

impl MasteringDisplay {
    pub(crate) fn from_native(native: &sys::Dav1dMasteringDisplay) -> Self {
        Self {
            primaries: native.primaries,
            white_point: native.white_point,
            max_luminance: native.max_luminance,
            min_luminance: native.min_luminance,
        }
    }
}

/// Brightness of the content, in candela per square metre.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentLight {
    /// Brightest pixel (MaxCLL).
    pub max: u16,
    /// Brightest frame, averaged over the frame (MaxFALL).
    pub max_frame_average: u16,
}

impl ContentLight {
    #[allow(
        clippy::unnecessary_cast,
        reason = "dav1d 1.3 changed the types of these fields"
    )]
    pub(crate) fn from_native(native: &sys::Dav1dContentLightLevel) -> Self {
        Self {
            max: native.max_content_light_level as u16,
            max_frame_average: native.max_frame_average_light_level as u16,
        }
    }
}

/// A message of ITU-T T.35, such as closed captions or HDR10+.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct T35 {
    /// Country code.
    pub country_code: u8,
    /// What follows a country code of 0xFF, otherwise 0.
    pub country_code_extension: u8,
    /// The rest, beginning with the provider's code.
    pub payload: Vec<u8>,
}

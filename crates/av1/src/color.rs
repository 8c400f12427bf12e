// SPDX-License-Identifier: MPL-2.0
//! The colour description of a stream.

use serde::{Deserialize, Serialize};

/// Colour description: code points of ITU-T H.273, which AV1 uses unchanged.
/// 2 = unspecified in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ChromaPosition {
    /// Not specified, or not 4:2:0.
    Unknown,
    /// On the left luma column, between two rows (`CSP_VERTICAL`).
    Left,
    /// On the top left luma sample (`CSP_COLOCATED`).
    TopLeft,
}

/// Colour volume of the display that the picture was mastered on, in the units
/// of the AV1 specification, section 6.7.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

/// Brightness of the content, in candela per square metre.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentLight {
    /// Brightest pixel (MaxCLL).
    pub max: u16,
    /// Brightest frame, averaged over the frame (MaxFALL).
    pub max_frame_average: u16,
}

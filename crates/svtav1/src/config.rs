// SPDX-License-Identifier: MPL-2.0
//! The settings of an encoder, in the terms of `svtav1enc`'s properties and of
//! the video format, without the C interface.

use serde::{Deserialize, Serialize};

/// How bits are spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RateControl {
    /// The library's default: constant rate factor at its default quality.
    Library,
    /// Constant rate factor, 0 to 63.
    Crf(u8),
    /// Constant quantiser, 0 to 63.
    Cqp(u8),
    /// Variable bitrate, bits per second. Libraries from 1.8 on refuse a `max`.
    Vbr {
        /// The rate to reach on average.
        target: u32,
        /// The rate not to exceed; `None` for no limit.
        max: Option<u32>,
    },
    /// Constant bitrate, bits per second. Implies low delay: no SVT-AV1 supports
    /// constant bitrate in random access.
    Cbr {
        /// The rate to keep.
        target: u32,
    },
}

impl RateControl {
    /// The rate control that `svtav1enc` selects: bitrates in bits per second,
    /// 0 for none; `crf` and `cqp` from -1 (off). A target bitrate takes precedence
    /// over `crf`, and `crf` over `cqp`; a maximum equal to the target means
    /// constant bitrate; 0 disables `crf` and `cqp` like -1.
    pub fn from_properties(target: u32, max: u32, crf: i32, cqp: i32) -> Self {
        let quantiser = |value: i32| u8::try_from(value).ok().filter(|&value| value > 0);
        if target != 0 {
            if target == max {
                return Self::Cbr { target };
            }
            let max = (max != 0).then_some(max);
            return Self::Vbr { target, max };
        }
        match (quantiser(crf), quantiser(cqp)) {
            (Some(crf), _) => Self::Crf(crf),
            (None, Some(cqp)) => Self::Cqp(cqp),
            (None, None) => Self::Library,
        }
    }
}

/// What starts a new group of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum IntraRefresh {
    /// A forward key frame: open group of pictures (`CRA`).
    Cra,
    /// A key frame: closed group of pictures (`IDR`).
    Idr,
}

/// Bits of a sample. Samples of ten bits take two bytes, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BitDepth {
    /// One byte a sample.
    Eight,
    /// Two bytes a sample.
    Ten,
}

impl BitDepth {
    /// Bytes of a sample.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Eight => 1,
            Self::Ten => 2,
        }
    }
}

/// Frames per second, as a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameRate {
    /// Frames.
    pub numerator: u32,
    /// Seconds.
    pub denominator: u32,
}

/// Colour description: code points of ITU-T H.273. 2 is "unspecified".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Color {
    /// Colour primaries.
    pub primaries: u8,
    /// Transfer characteristics.
    pub transfer: u8,
    /// Matrix coefficients. 0 (identity: RGB) is invalid with 4:2:0.
    pub matrix: u8,
    /// Samples use the full range, not the studio range.
    pub full_range: bool,
}

impl Default for Color {
    fn default() -> Self {
        Self {
            primaries: 2,
            transfer: 2,
            matrix: 2,
            full_range: false,
        }
    }
}

/// Where a chroma sample of 4:2:0 lies among its four luma samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ChromaPosition {
    /// Not known, or one that AV1 cannot express.
    #[default]
    Unknown,
    /// In line with the left column, between the rows (as in MPEG-2, "left").
    Left,
    /// On the top left luma sample.
    TopLeft,
}

/// The display that a video was graded on (SMPTE ST 2086), in the units of
/// HEVC, which are GStreamer's too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasteringDisplay {
    /// x and y of red, green and blue, in steps of 1/50000.
    pub primaries: [(u16, u16); 3],
    /// x and y of white, in steps of 1/50000.
    pub white_point: (u16, u16),
    /// In 1/10000 candela per square metre.
    pub max_luminance: u32,
    /// In 1/10000 candela per square metre.
    pub min_luminance: u32,
}

/// Content light level (CTA-861.3), in candela per square metre.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentLight {
    /// Of the brightest pixel.
    pub max: u16,
    /// Of the brightest frame on average.
    pub max_average: u16,
}

/// The longest intra period that the library accepts; a longer one has the same
/// effect in practice.
pub(crate) const MAX_INTRA_PERIOD: i32 = i32::MAX - 1;

/// The settings of one encoder. [`Config::check`] tests whether the installed
/// library accepts them.
///
/// Plain data: a copy opens the same session, also in another process.
///
/// `parameters` are applied after every other coding setting and before those of
/// the picture (size, frame rate, depth, colour), as in `svtav1enc`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// 0 (slow, good) to 13 (fast).
    pub preset: u8,
    /// Rate control.
    pub rate_control: RateControl,
    /// Quantisers that rate control may use, 0 to 63; used with a bitrate only.
    pub min_qp: u8,
    /// See [`min_qp`](Self::min_qp).
    pub max_qp: u8,
    /// Buffer of the receiver at constant bitrate, in milliseconds.
    pub maximum_buffer_size: u32,
    /// Frames between two key frames, less one; -1 for never, -2 for about five
    /// seconds.
    pub intra_period_length: i32,
    /// What starts a group of pictures.
    pub intra_refresh: IntraRefresh,
    /// Degree of parallelism, 0 (the library's choice) to 6. From 3.0 on.
    pub level_of_parallelism: u32,
    /// Processors to use, 0 for all. Before 3.0.
    pub logical_processors: u32,
    /// Processor socket to use, -1 for all. Before 4.0.
    pub target_socket: i32,
    /// No picture refers to a later one; a frame comes out as soon as it is coded.
    pub low_delay: bool,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Affects rate control and the automatic intra period; the container has the
    /// timing of the stream.
    pub frame_rate: FrameRate,
    /// Of input and output.
    pub bit_depth: BitDepth,
    /// Colour description.
    pub color: Color,
    /// Chroma sample position.
    pub chroma_position: ChromaPosition,
    /// HDR metadata, if known.
    pub mastering_display: Option<MasteringDisplay>,
    /// HDR metadata, if known.
    pub content_light: Option<ContentLight>,
    /// The library's own names and values, applied in this order.
    pub parameters: Vec<(String, String)>,
}

impl Config {
    /// The defaults of `svtav1enc` for pictures of this size and rate.
    pub fn new(width: u32, height: u32, frame_rate: FrameRate) -> Self {
        Self {
            preset: 10,
            rate_control: RateControl::Crf(35),
            min_qp: 1,
            max_qp: 63,
            maximum_buffer_size: 1000,
            intra_period_length: -2,
            intra_refresh: IntraRefresh::Idr,
            level_of_parallelism: 0,
            logical_processors: 0,
            target_socket: -1,
            low_delay: false,
            width,
            height,
            frame_rate,
            bit_depth: BitDepth::Eight,
            color: Color::default(),
            chroma_position: ChromaPosition::Unknown,
            mastering_display: None,
            content_light: None,
            parameters: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_mean_what_they_mean_to_svtav1enc() {
        let from = RateControl::from_properties;
        assert_eq!(from(0, 0, 35, -1), RateControl::Crf(35));
        // With the default crf, cqp alone has no effect.
        assert_eq!(from(0, 0, 35, 20), RateControl::Crf(35));
        assert_eq!(from(0, 0, -1, 20), RateControl::Cqp(20));
        assert_eq!(from(0, 0, 0, 20), RateControl::Cqp(20));
        assert_eq!(from(0, 0, -1, -1), RateControl::Library);
        assert_eq!(
            from(1000, 0, 35, 20),
            RateControl::Vbr {
                target: 1000,
                max: None
            }
        );
        assert_eq!(
            from(1000, 2000, -1, -1),
            RateControl::Vbr {
                target: 1000,
                max: Some(2000)
            }
        );
        assert_eq!(from(1000, 1000, 35, -1), RateControl::Cbr { target: 1000 });
        // A maximum without a target is ignored.
        assert_eq!(from(0, 2000, 35, -1), RateControl::Crf(35));
    }
}

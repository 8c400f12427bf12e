// SPDX-License-Identifier: MPL-2.0
//! The sequence header (AV1 specification, section 5.5) and the record that
//! containers keep of it (AV1 in ISO base media files, section 2.3).

use serde::{Deserialize, Serialize};

use crate::{
    av1c::MARKER_AND_VERSION,
    bits::Bits,
    leb128::put_leb128,
    obu::{HAS_SIZE, ObuKind, obus},
};

/// `obu_type` of a sequence header.
const OBU_SEQUENCE_HEADER: u8 = 1;
/// `seq_level_idx` of a stream without a level.
const LEVEL_MAXIMUM: u8 = 31;

/// The fields of a sequence header that caps and `av1C` need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceHeader {
    /// 0 main, 1 high, 2 professional.
    pub profile: u8,
    /// `seq_level_idx` of the first operating point; see [`level`](Self::level).
    pub level_index: u8,
    /// `seq_tier` of the first operating point: false main, true high.
    pub high_tier: bool,
    /// More than 8 bits.
    pub high_bitdepth: bool,
    /// 12 bits.
    pub twelve_bit: bool,
    /// Luma only.
    pub monochrome: bool,
    /// Chroma has half the columns.
    pub chroma_subsampling_x: bool,
    /// Chroma has half the rows.
    pub chroma_subsampling_y: bool,
    /// 0 unknown, 1 left ("vertical"), 2 top left ("colocated").
    pub chroma_sample_position: u8,
    /// Frames (not packets) to decode before the first is shown, if specified.
    pub initial_display_delay: Option<u8>,
    /// Largest width of a frame, in pixels.
    pub max_frame_width: u32,
    /// Largest height of a frame, in pixels.
    pub max_frame_height: u32,
    /// The OBU's content, without its header.
    payload: Vec<u8>,
}

impl SequenceHeader {
    /// Reads the first sequence header among the OBUs of `data`. `None` when
    /// there is none or it is truncated.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let payload = find(data)?;
        let mut bits = Bits::new(payload);
        let profile = bits.small(3)?;
        let _still_picture = bits.flag()?;
        let reduced = bits.flag()?;
        let point = if reduced {
            OperatingPoint {
                level_index: bits.small(5)?,
                ..OperatingPoint::default()
            }
        } else {
            operating_points(&mut bits)?
        };
        let (max_frame_width, max_frame_height) = frame_size(&mut bits, reduced)?;
        skip_tools(&mut bits, reduced)?;
        let color = color_config(&mut bits, profile)?;
        Some(Self {
            level_index: point.level_index,
            high_tier: point.high_tier,
            initial_display_delay: point.initial_display_delay,
            max_frame_width,
            max_frame_height,
            payload: payload.to_vec(),
            ..color
        })
    }

    /// Major and minor number of the level, such as 4 and 0; `None` when the
    /// stream has none.
    pub fn level(&self) -> Option<(u8, u8)> {
        (self.level_index != LEVEL_MAXIMUM)
            .then_some((2 + self.level_index / 4, self.level_index % 4))
    }

    /// Bits of a sample.
    pub fn bit_depth(&self) -> u8 {
        match (self.high_bitdepth, self.twelve_bit) {
            (false, _) => 8,
            (true, false) => 10,
            (true, true) => 12,
        }
    }

    /// The `AV1CodecConfigurationRecord`, with the sequence header in it.
    ///
    /// It does not contain the initial presentation delay, which counts packets: the
    /// header does not specify how many packets its frames come in.
    pub fn av1c(&self) -> Vec<u8> {
        let mut record = vec![
            MARKER_AND_VERSION,
            self.profile << 5 | self.level_index,
            u8::from(self.high_tier) << 7
                | u8::from(self.high_bitdepth) << 6
                | u8::from(self.twelve_bit) << 5
                | u8::from(self.monochrome) << 4
                | u8::from(self.chroma_subsampling_x) << 3
                | u8::from(self.chroma_subsampling_y) << 2
                | self.chroma_sample_position,
            0,
        ];
        record.extend(self.obu());
        record
    }

    /// The sequence header OBU, including its size.
    pub fn obu(&self) -> Vec<u8> {
        let mut obu = vec![OBU_SEQUENCE_HEADER << 3 | HAS_SIZE];
        put_leb128(self.payload.len(), &mut obu);
        obu.extend_from_slice(&self.payload);
        obu
    }
}

/// The content of the first sequence header OBU.
fn find(data: &[u8]) -> Option<&[u8]> {
    obus(data)
        .map_while(Result::ok)
        .find(|obu| obu.kind == ObuKind::SequenceHeader)
        .map(|obu| obu.payload)
}

#[derive(Debug, Default)]
struct OperatingPoint {
    level_index: u8,
    high_tier: bool,
    initial_display_delay: Option<u8>,
}

/// Timing, decoder model and operating points; returns the first operating point.
fn operating_points(bits: &mut Bits<'_>) -> Option<OperatingPoint> {
    let mut decoder_model = None;
    if bits.flag()? {
        bits.skip(64)?;
        if bits.flag()? {
            bits.skip_uvlc()?;
        }
        if bits.flag()? {
            let delay_bits = bits.number(5)? + 1;
            bits.skip(32 + 5 + 5)?;
            decoder_model = Some(delay_bits);
        }
    }
    let display_delays = bits.flag()?;
    let points = bits.number(5)? + 1;
    let mut first = None;
    for _ in 0..points {
        bits.skip(12)?;
        let level_index = bits.small(5)?;
        let high_tier = level_index > 7 && bits.flag()?;
        if let Some(delay_bits) = decoder_model
            && bits.flag()?
        {
            bits.skip(2 * delay_bits + 1)?;
        }
        let initial_display_delay = if display_delays && bits.flag()? {
            Some(bits.small(4)? + 1)
        } else {
            None
        };
        first.get_or_insert(OperatingPoint {
            level_index,
            high_tier,
            initial_display_delay,
        });
    }
    first
}

fn frame_size(bits: &mut Bits<'_>, reduced: bool) -> Option<(u32, u32)> {
    let width_bits = bits.number(4)? + 1;
    let height_bits = bits.number(4)? + 1;
    let width = bits.number(width_bits)? + 1;
    let height = bits.number(height_bits)? + 1;
    if !reduced && bits.flag()? {
        // Lengths of frame ids.
        bits.skip(4 + 3)?;
    }
    Some((width, height))
}

/// The coding tools, which a container does not need.
fn skip_tools(bits: &mut Bits<'_>, reduced: bool) -> Option<()> {
    // Superblock size, filter intra, intra edge filter.
    bits.skip(3)?;
    if !reduced {
        // Inter-intra and masked compound, warped motion, dual filter.
        bits.skip(4)?;
        let order_hint = bits.flag()?;
        if order_hint {
            bits.skip(2)?;
        }
        let choose_screen_content = bits.flag()?;
        let screen_content = choose_screen_content || bits.flag()?;
        if screen_content {
            let choose_integer_mv = bits.flag()?;
            if !choose_integer_mv {
                bits.skip(1)?;
            }
        }
        if order_hint {
            bits.skip(3)?;
        }
    }
    // Super-resolution, CDEF, restoration.
    bits.skip(3)
}

/// Colour; the other fields of the result are empty.
fn color_config(bits: &mut Bits<'_>, profile: u8) -> Option<SequenceHeader> {
    let high_bitdepth = bits.flag()?;
    let twelve_bit = profile == 2 && high_bitdepth && bits.flag()?;
    let monochrome = profile != 1 && bits.flag()?;
    let description = if bits.flag()? {
        (bits.number(8)?, bits.number(8)?, bits.number(8)?)
    } else {
        (2, 2, 2)
    };
    let (mut subsampling_x, mut subsampling_y, mut position) = (true, true, 0);
    // BT.709 primaries, sRGB transfer, identity matrix: RGB, and full range.
    if !monochrome && description == (1, 13, 0) {
        (subsampling_x, subsampling_y) = (false, false);
    } else {
        let _full_range = bits.flag()?;
        if !monochrome {
            (subsampling_x, subsampling_y) = match profile {
                0 => (true, true),
                1 => (false, false),
                _ if twelve_bit => {
                    let x = bits.flag()?;
                    (x, x && bits.flag()?)
                }
                _ => (true, false),
            };
            if subsampling_x && subsampling_y {
                position = bits.small(2)?;
            }
        }
    }
    Some(SequenceHeader {
        profile,
        level_index: 0,
        high_tier: false,
        high_bitdepth,
        twelve_bit,
        monochrome,
        chroma_subsampling_x: subsampling_x,
        chroma_subsampling_y: subsampling_y,
        chroma_sample_position: position,
        initial_display_delay: None,
        max_frame_width: 0,
        max_frame_height: 0,
        payload: Vec::new(),
    })
}

#[cfg(test)]
#[path = "sequence_header_tests.rs"]
mod tests;

// SPDX-License-Identifier: MPL-2.0
//! Boundaries of open bitstream units. AV1 specification, section 5.3.

use crate::leb128::leb128;

/// In the first byte of an OBU: a size follows the header.
pub(crate) const HAS_SIZE: u8 = 0b10;
/// In the first byte of an OBU: the header has a second byte.
const HAS_EXTENSION: u8 = 0b100;

/// The kinds of OBU that are distinguished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObuKind {
    /// Begins a temporal unit.
    TemporalDelimiter,
    /// Describes the sequence.
    SequenceHeader,
    /// Describes a frame, or shows an earlier one again.
    FrameHeader,
    /// A frame header and tiles.
    Frame,
    /// Tiles.
    TileGroup,
    /// A repeated frame header.
    RedundantFrameHeader,
    /// HDR, T.35, scalability, time code.
    Metadata,
    /// For special decoders only (large scale tile coding).
    TileList,
    /// No content.
    Padding,
    /// Reserved by the specification: decoders skip it.
    Reserved,
}

impl ObuKind {
    fn from_header(byte: u8) -> Self {
        match byte >> 3 & 0b1111 {
            1 => Self::SequenceHeader,
            2 => Self::TemporalDelimiter,
            3 => Self::FrameHeader,
            4 => Self::TileGroup,
            5 => Self::Metadata,
            6 => Self::Frame,
            7 => Self::RedundantFrameHeader,
            8 => Self::TileList,
            15 => Self::Padding,
            _ => Self::Reserved,
        }
    }

    /// Whether it is part of a frame.
    pub fn is_frame(self) -> bool {
        matches!(
            self,
            Self::FrameHeader | Self::Frame | Self::TileGroup | Self::RedundantFrameHeader
        )
    }
}

/// One OBU of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Obu<'a> {
    /// Its kind.
    pub kind: ObuKind,
    /// All of it, header included.
    pub bytes: &'a [u8],
    /// The payload, after header and size.
    pub payload: &'a [u8],
}

/// The bytes are not a sequence of OBUs: one has the forbidden bit set, is longer than
/// the remaining bytes, or is a temporal delimiter that is not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no valid open bitstream unit at byte {offset}")]
pub struct ObuError {
    /// The position of the error.
    pub offset: usize,
}

/// The OBUs of a buffer in the low-overhead format; the last may have no size. Ends
/// after the first error.
pub fn obus(buffer: &[u8]) -> Obus<'_> {
    Obus { buffer, offset: 0 }
}

/// See [`obus`].
#[derive(Debug, Clone)]
pub struct Obus<'a> {
    buffer: &'a [u8],
    offset: usize,
}

impl<'a> Iterator for Obus<'a> {
    type Item = Result<Obu<'a>, ObuError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self
            .buffer
            .get(self.offset..)
            .filter(|rest| !rest.is_empty())?;
        let offset = self.offset;
        match split(rest) {
            Some(obu) => {
                self.offset += obu.bytes.len();
                Some(Ok(obu))
            }
            None => {
                self.offset = self.buffer.len();
                Some(Err(ObuError { offset }))
            }
        }
    }
}

/// Splits off the first OBU.
fn split(bytes: &[u8]) -> Option<Obu<'_>> {
    let first = *bytes.first()?;
    if first >> 7 != 0 {
        return None;
    }
    let header = header_len(first);
    let after_header = bytes.get(header..)?;
    let (start, len) = if first & HAS_SIZE != 0 {
        let (len, field) = leb128(after_header)?;
        (header + field, len)
    } else {
        (header, after_header.len())
    };
    let end = start.checked_add(len)?;
    let kind = ObuKind::from_header(first);
    if kind == ObuKind::TemporalDelimiter && len > 0 {
        return None;
    }
    Some(Obu {
        kind,
        bytes: bytes.get(..end)?,
        payload: bytes.get(start..end)?,
    })
}

/// Bytes of an OBU header that begins with `first`.
pub(crate) fn header_len(first: u8) -> usize {
    if first & HAS_EXTENSION != 0 { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DELIMITER: [u8; 2] = [0x12, 0];

    #[test]
    fn an_extension_is_part_of_the_header() {
        let obu = obus(&[0x36, 0x08, 1, 0x10]).next().unwrap().unwrap();
        assert_eq!((obu.kind, obu.payload), (ObuKind::Frame, &[0x10][..]));
    }

    #[test]
    fn an_obu_without_size_takes_the_rest() {
        let obu = obus(&[0x30, 1, 2, 3]).next().unwrap().unwrap();
        assert_eq!(obu.payload, [1, 2, 3]);
    }

    #[test]
    fn a_size_beyond_the_buffer_is_an_error_and_the_end() {
        let buffer = [&DELIMITER[..], &[0x32, 200, 1]].concat();
        let read: Vec<_> = obus(&buffer).collect();
        assert!(read[0].is_ok());
        assert_eq!(read[1..], [Err(ObuError { offset: 2 })]);
    }

    #[test]
    fn each_kind_has_its_number_and_four_of_them_are_parts_of_a_frame() {
        use ObuKind::{
            Frame, FrameHeader, Metadata, Padding, RedundantFrameHeader, Reserved, SequenceHeader,
            TemporalDelimiter, TileGroup, TileList,
        };
        let kinds = (0..16_u8).map(|number| obus(&[number << 3]).next().unwrap().unwrap().kind);
        let kinds: Vec<_> = kinds.collect();
        let expected = [
            Reserved,
            SequenceHeader,
            TemporalDelimiter,
            FrameHeader,
            TileGroup,
            Metadata,
            Frame,
            RedundantFrameHeader,
            TileList,
        ];
        assert_eq!(kinds[..9], expected);
        assert_eq!(kinds[9..15], [Reserved; 6]);
        assert_eq!(kinds[15], Padding);
        for kind in kinds {
            let parts = [FrameHeader, Frame, TileGroup, RedundantFrameHeader];
            assert_eq!(kind.is_frame(), parts.contains(&kind), "{kind:?}");
        }
    }

    #[test]
    fn the_forbidden_bit_is_an_error_and_the_reserved_bit_is_not() {
        assert_eq!(
            obus(&[0x80 | 0x12, 0]).next(),
            Some(Err(ObuError { offset: 0 }))
        );
        assert!(obus(&[0x12 | 1, 0]).next().unwrap().is_ok());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_split_without_gap_or_panic(buffer: Vec<u8>) {
            let mut at = 0;
            for obu in obus(&buffer).flatten() {
                prop_assert_eq!(obu.bytes, &buffer[at..at + obu.bytes.len()]);
                at += obu.bytes.len();
            }
        }
    }
}

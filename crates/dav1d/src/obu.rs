// SPDX-License-Identifier: MPL-2.0
//! Open bitstream units, as far as a session needs to look into them: where
//! they begin and end, and where decoding can start. AV1 specification,
//! sections 5.3 (OBU syntax), 5.9 (frame header) and 4.10.5 (leb128).

/// The most bytes that a leb128 number takes.
const LEB128_BYTES: usize = 8;

/// In the first byte of an OBU: a size follows the header.
pub(crate) const HAS_SIZE: u8 = 0b10;
/// In the first byte of an OBU: the header has a second byte.
const HAS_EXTENSION: u8 = 0b100;

/// The kinds of OBU that are told apart.
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
    /// A frame header again.
    RedundantFrameHeader,
    /// HDR, T.35, scalability, time code.
    Metadata,
    /// Of use only to special decoders (large scale tile coding).
    TileList,
    /// Nothing.
    Padding,
    /// Reserved by the specification: what decoders pass over.
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

    /// Whether it is a part of a frame.
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
    /// What it is.
    pub kind: ObuKind,
    /// All of it, header included.
    pub bytes: &'a [u8],
    /// What follows header and size.
    pub payload: &'a [u8],
}

/// The bytes are no sequence of OBUs: one has the forbidden bit set, says that it
/// is longer than what there is, or is a temporal delimiter that holds something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no valid open bitstream unit at byte {offset}")]
pub struct ObuError {
    /// Where.
    pub offset: usize,
}

/// The OBUs of a buffer in the low-overhead format; the last may go without a
/// size. Ends after the first error.
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

/// Takes the first OBU off.
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

/// The leb128 number that `bytes` begins with, and how many bytes it takes.
pub(crate) fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(LEB128_BYTES).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            // Conformant numbers fit into 32 bits.
            let value = u32::try_from(value).ok()?;
            return Some((usize::try_from(value).ok()?, index + 1));
        }
    }
    None
}

/// Appends `value` as leb128, in as few bytes as possible.
pub(crate) fn put_leb128(mut value: usize, out: &mut Vec<u8>) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// How a decoder can start at a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// It holds a key frame that is shown: everything from here on is good.
    Here,
    /// It holds a key frame that is not shown yet: what comes before it is
    /// shown may refer to earlier frames ("delayed random access point").
    Later,
}

/// What a buffer holds, as far as it can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary<'a> {
    /// The last sequence header, as a whole OBU.
    pub sequence_header: Option<&'a [u8]>,
    /// Whether a part of a frame is in it.
    pub has_frames: bool,
    /// Whether decoding can start with it.
    pub start: Option<Start>,
    /// It is no sequence of OBUs, or it has no frame where something that is
    /// none of the known OBUs may have been one. dav1d passes over much of this.
    pub is_damaged: bool,
}

/// Looks through a buffer. `known_header`: the sequence header in force before
/// it, as an OBU.
pub fn summarize<'a>(buffer: &'a [u8], known_header: &[u8]) -> Summary<'a> {
    let mut summary = Summary::default();
    let mut reduced = obus(known_header)
        .flatten()
        .any(|obu| is_reduced_still_picture(&obu));
    let mut has_reserved = false;
    for obu in obus(buffer) {
        let Ok(obu) = obu else {
            summary.is_damaged = true;
            break;
        };
        match obu.kind {
            ObuKind::SequenceHeader => {
                summary.sequence_header = Some(obu.bytes);
                reduced = is_reduced_still_picture(&obu);
            }
            ObuKind::Frame | ObuKind::FrameHeader => {
                summary.has_frames = true;
                let start = if reduced {
                    Some(Start::Here)
                } else {
                    start(obu.payload)
                };
                // A key frame that is shown makes every reference good, also
                // for a hidden one beside it.
                if summary.start != Some(Start::Here) {
                    summary.start = start.or(summary.start);
                }
            }
            ObuKind::Reserved => has_reserved = true,
            // It repeats a header that has to come before it.
            ObuKind::RedundantFrameHeader if !summary.has_frames => {
                summary.is_damaged = true;
                break;
            }
            kind => summary.has_frames |= kind.is_frame(),
        }
    }
    summary.is_damaged |= has_reserved && !summary.has_frames;
    summary
}

/// `reduced_still_picture_header`: then there is one frame, and its header
/// does not say that it is a key frame.
fn is_reduced_still_picture(obu: &Obu<'_>) -> bool {
    // seq_profile (3 bits), still_picture, reduced_still_picture_header
    obu.kind == ObuKind::SequenceHeader
        && obu.payload.first().is_some_and(|byte| byte & 0b1000 != 0)
}

/// Reads the beginning of an uncompressed frame header: show_existing_frame
/// (1 bit), frame_type (2 bits, 0 = key), show_frame (1 bit).
fn start(header: &[u8]) -> Option<Start> {
    match header.first()? >> 4 {
        0b0001 => Some(Start::Here),
        0b0000 => Some(Start::Later),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DELIMITER: [u8; 2] = [0x12, 0];
    const SEQUENCE: [u8; 3] = [0x0a, 1, 0];
    const STILL: [u8; 3] = [0x0a, 1, 0b0001_1000];
    const SHOWN_KEY: [u8; 3] = [0x32, 1, 0x10];
    const HIDDEN_KEY: [u8; 3] = [0x32, 1, 0x00];
    const INTER: [u8; 3] = [0x32, 1, 0x30];

    fn start_of(parts: &[&[u8]]) -> Option<Start> {
        summarize(&parts.concat(), &[]).start
    }

    #[test]
    fn a_shown_key_frame_is_a_start() {
        assert_eq!(
            start_of(&[&DELIMITER, &SEQUENCE, &SHOWN_KEY]),
            Some(Start::Here)
        );
        assert_eq!(
            start_of(&[&DELIMITER, &HIDDEN_KEY, &INTER]),
            Some(Start::Later)
        );
        assert_eq!(
            start_of(&[&HIDDEN_KEY, &SHOWN_KEY, &HIDDEN_KEY]),
            Some(Start::Here)
        );
        assert_eq!(start_of(&[&DELIMITER, &INTER]), None);
    }

    #[test]
    fn a_still_pictures_only_frame_is_a_start() {
        assert_eq!(start_of(&[&STILL, &INTER]), Some(Start::Here));
        assert_eq!(summarize(&INTER, &STILL).start, Some(Start::Here));
    }

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
    fn what_can_be_read_before_an_error_counts() {
        let buffer = [&SEQUENCE[..], &SHOWN_KEY, &[0xff]].concat();
        let summary = summarize(&buffer, &[]);
        assert_eq!(
            (summary.start, summary.is_damaged),
            (Some(Start::Here), true)
        );
    }

    #[test]
    fn a_delimiter_that_swallows_a_frame_is_an_error() {
        assert!(summarize(&[&[0x12, 3][..], &INTER].concat(), &[]).is_damaged);
        assert!(summarize(&[&[0x10][..], &INTER].concat(), &[]).is_damaged);
    }

    #[test]
    fn reserved_units_are_passed_over_unless_there_is_no_frame_beside_them() {
        const RESERVED: [u8; 3] = [0x72, 1, 0x10];
        let summary = |parts: &[&[u8]]| summarize(&parts.concat(), &[]).is_damaged;
        assert!(!summary(&[&DELIMITER, &RESERVED, &INTER]));
        assert!(summary(&[&DELIMITER, &RESERVED]));
        assert!(summary(&[&DELIMITER, &[0x3a, 1, 0x10]]), "repeats nothing");
        assert!(!summary(&[&DELIMITER, &SEQUENCE]));
        assert!(!summary(&[]));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_split_without_gap_or_panic(buffer: Vec<u8>) {
            let mut at = 0;
            for obu in obus(&buffer).flatten() {
                prop_assert_eq!(obu.bytes, &buffer[at..at + obu.bytes.len()]);
                at += obu.bytes.len();
            }
            summarize(&buffer, &buffer);
        }

        #[test]
        fn leb128_round_trips(value in 0..=u32::MAX as usize) {
            let mut bytes = Vec::new();
            put_leb128(value, &mut bytes);
            prop_assert_eq!(leb128(&bytes), Some((value, bytes.len())));
        }
    }
}

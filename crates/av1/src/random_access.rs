// SPDX-License-Identifier: MPL-2.0
//! Where decoding can start: random access points, AV1 specification, section 7.6.

use crate::obu::{ObuKind, obus};

/// How a decoder can start at a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// It holds a key frame that is shown: everything from here on is good.
    Here,
    /// It holds a key frame that is not shown yet: until it is shown, frames may refer
    /// to earlier ones ("delayed random access point").
    Later,
}

/// The content of a buffer, as far as it can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary<'a> {
    /// The last sequence header, as a whole OBU.
    pub sequence_header: Option<&'a [u8]>,
    /// According to the sequence header in force after it, there is only one frame,
    /// whose header does not contain that it is a key frame
    /// (`reduced_still_picture_header`).
    pub is_reduced: bool,
    /// Whether it contains part of a frame.
    pub has_frames: bool,
    /// Whether decoding can start with it.
    pub start: Option<Start>,
    /// It is not a sequence of OBUs, or it has no frame but an unknown OBU that may have
    /// been one. A decoder may skip it without an error.
    pub is_damaged: bool,
}

/// Analyses a buffer. `is_reduced`: from the [`Summary`] of the previous buffer; false
/// at the start of a stream.
pub fn summarize(buffer: &[u8], is_reduced: bool) -> Summary<'_> {
    let mut summary = Summary {
        is_reduced,
        ..Summary::default()
    };
    let mut has_reserved = false;
    for obu in obus(buffer) {
        let Ok(obu) = obu else {
            summary.is_damaged = true;
            break;
        };
        match obu.kind {
            ObuKind::SequenceHeader => {
                summary.sequence_header = Some(obu.bytes);
                summary.is_reduced = is_reduced_still_picture(obu.payload);
            }
            ObuKind::Frame | ObuKind::FrameHeader => {
                summary.has_frames = true;
                let start = if summary.is_reduced {
                    Some(Start::Here)
                } else {
                    start(obu.payload)
                };
                // A key frame that is shown makes every reference good, including those
                // of a hidden one in the same buffer.
                if summary.start != Some(Start::Here) {
                    summary.start = start.or(summary.start);
                }
            }
            ObuKind::Reserved => has_reserved = true,
            // It repeats an earlier header, which must be present.
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

/// Reads the beginning of a sequence header: seq_profile (3 bits), still_picture,
/// reduced_still_picture_header.
fn is_reduced_still_picture(header: &[u8]) -> bool {
    header.first().is_some_and(|byte| byte & 0b1000 != 0)
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
    use proptest::prelude::*;

    use super::*;

    const DELIMITER: [u8; 2] = [0x12, 0];
    const SEQUENCE: [u8; 3] = [0x0a, 1, 0];
    const STILL: [u8; 3] = [0x0a, 1, 0b0001_1000];
    const SHOWN_KEY: [u8; 3] = [0x32, 1, 0x10];
    const HIDDEN_KEY: [u8; 3] = [0x32, 1, 0x00];
    const INTER: [u8; 3] = [0x32, 1, 0x30];

    fn start_of(parts: &[&[u8]]) -> Option<Start> {
        summarize(&parts.concat(), false).start
    }

    /// All fields except for those borrowed from the buffer.
    fn summarize_all(parts: &[&[u8]]) -> Summary<'static> {
        Summary {
            sequence_header: None,
            ..summarize(&parts.concat(), false)
        }
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
        assert!(summarize(&STILL, false).is_reduced);
        assert!(!summarize(&SEQUENCE, true).is_reduced);
        assert_eq!(summarize(&INTER, true).start, Some(Start::Here));
    }

    #[test]
    fn what_can_be_read_before_an_error_counts() {
        let buffer = [&SEQUENCE[..], &SHOWN_KEY, &[0xff]].concat();
        let summary = summarize(&buffer, false);
        assert_eq!(
            (summary.start, summary.is_damaged),
            (Some(Start::Here), true)
        );
    }

    #[test]
    fn a_delimiter_that_swallows_a_frame_is_an_error() {
        assert!(summarize(&[&[0x12, 3][..], &INTER].concat(), false).is_damaged);
        assert!(summarize(&[&[0x10][..], &INTER].concat(), false).is_damaged);
    }

    #[test]
    fn reserved_units_are_passed_over_unless_there_is_no_frame_beside_them() {
        const RESERVED: [u8; 3] = [0x72, 1, 0x10];
        let summary = |parts: &[&[u8]]| summarize(&parts.concat(), false).is_damaged;
        assert!(!summary(&[&DELIMITER, &RESERVED, &INTER]));
        assert!(summary(&[&DELIMITER, &RESERVED]));
        assert!(summary(&[&DELIMITER, &[0x3a, 1, 0x10]]), "repeats nothing");
        assert!(!summary(&[&DELIMITER, &SEQUENCE]));
        assert!(!summary(&[]));
    }

    #[test]
    fn a_header_is_repeated_behind_a_frame_and_nothing_takes_the_frame_back() {
        const REDUNDANT: [u8; 3] = [0x3a, 1, 0x10];
        const TILES: [u8; 3] = [0x22, 1, 0];
        const METADATA: [u8; 3] = [0x2a, 1, 0];
        let summary = summarize_all(&[&INTER, &REDUNDANT, &METADATA]);
        assert_eq!((summary.has_frames, summary.is_damaged), (true, false));
        assert!(summarize_all(&[&TILES]).has_frames);
        assert!(!summarize_all(&[&METADATA]).has_frames);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(buffer: Vec<u8>, is_reduced: bool) {
            summarize(&buffer, is_reduced);
        }
    }
}

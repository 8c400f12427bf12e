// SPDX-License-Identifier: MPL-2.0
//! Tests of the sequence header.

use proptest::prelude::*;

use super::*;

/// The header that SVT-AV1 1.4.1, 2.3.0 and 4.2.0 produce for 96x64 pixels, preset 10.
const OLD: &[u8] = &[
    0x0a, 0x0a, 0x00, 0x00, 0x00, 0x03, 0x2d, 0xff, 0xcf, 0xbf, 0x90, 0x04,
];
const NEW: &[u8] = &[
    0x0a, 0x0b, 0x02, 0x00, 0x00, 0x05, 0x19, 0x6f, 0xfe, 0x25, 0x7c, 0x80, 0x20,
];

#[test]
fn the_librarys_headers_are_read() {
    let header = SequenceHeader::parse(OLD).unwrap();
    assert_eq!((header.profile, header.bit_depth()), (0, 8));
    assert_eq!(header.level(), Some((2, 0)));
    assert_eq!((header.max_frame_width, header.max_frame_height), (96, 64));
    assert_eq!(header.initial_display_delay, None);
    let header = SequenceHeader::parse(NEW).unwrap();
    assert_eq!((header.max_frame_width, header.max_frame_height), (96, 64));
    assert_eq!(header.initial_display_delay, Some(5));
}

#[test]
fn a_header_is_found_among_other_obus() {
    let mut stream = vec![0x12, 0x00, 0x2a, 0x02, 1, 2];
    stream.extend_from_slice(OLD);
    stream.extend_from_slice(&[0x32, 0x01, 0]);
    assert_eq!(SequenceHeader::parse(&stream), SequenceHeader::parse(OLD));
    // With an extension, and without a size.
    let mut bare = vec![0x0c, 0x00];
    bare.extend_from_slice(&OLD[2..]);
    assert_eq!(SequenceHeader::parse(&bare), SequenceHeader::parse(OLD));
    assert_eq!(SequenceHeader::parse(&[0x12, 0x00]), None);
}

#[test]
fn the_record_holds_the_header() {
    let record = SequenceHeader::parse(OLD).unwrap().av1c();
    // Version 1; main profile, level 2.0; 4:2:0 at 8 bits; no delay specified.
    assert_eq!(record[..4], [0x81, 0x00, 0x0c, 0x00]);
    assert_eq!(record[4..], *OLD);
}

/// Writes bit fields.
#[derive(Default)]
struct Writer(Vec<bool>);

impl Writer {
    fn put(&mut self, bits: u32, value: u32) -> &mut Self {
        self.0
            .extend((0..bits).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    fn obu(&self) -> Vec<u8> {
        let payload = self.0.chunks(8).map(|bits| {
            bits.iter()
                .enumerate()
                .fold(0, |byte, (at, bit)| byte | u8::from(*bit) << (7 - at))
        });
        [0x08].into_iter().chain(payload).collect()
    }
}

#[test]
fn every_optional_part_is_passed_over() {
    let mut bits = Writer::default();
    // Professional profile; timing with uvlc(5), decoder model, 2 operating points.
    bits.put(3, 2).put(2, 0).put(1, 1).put(32, 1).put(32, 25);
    bits.put(1, 1).put(5, 0b00110);
    bits.put(1, 1).put(5, 9).put(32, 1).put(5, 3).put(5, 4);
    bits.put(1, 1).put(5, 1);
    bits.put(12, 0x103).put(5, 13).put(1, 1);
    bits.put(1, 1).put(10, 7).put(10, 8).put(1, 0);
    bits.put(1, 1).put(4, 9);
    // The highest level that has no tier.
    bits.put(12, 0x101).put(5, 7).put(1, 0).put(1, 0);
    // 1920x1080, frame ids.
    bits.put(4, 10).put(4, 10).put(11, 1919).put(11, 1079);
    bits.put(1, 1).put(4, 2).put(3, 1);
    // Tools: order hints, screen content chosen per frame, integer vectors forced.
    bits.put(3, 0).put(4, 0).put(1, 1).put(2, 3);
    bits.put(1, 1).put(1, 0).put(1, 1).put(3, 6).put(3, 7);
    // 12 bits, described colour, full range, 4:2:0, colocated.
    bits.put(2, 3)
        .put(1, 0)
        .put(1, 1)
        .put(8, 9)
        .put(8, 16)
        .put(8, 9);
    bits.put(1, 1).put(2, 3).put(2, 2).put(1, 0).put(1, 0);
    let header = SequenceHeader::parse(&bits.obu()).unwrap();
    assert_eq!((header.profile, header.bit_depth()), (2, 12));
    assert_eq!((header.level(), header.high_tier), (Some((5, 1)), true));
    assert_eq!(header.initial_display_delay, Some(10));
    assert_eq!(
        (header.max_frame_width, header.max_frame_height),
        (1920, 1080)
    );
    assert!(header.chroma_subsampling_x && header.chroma_subsampling_y);
    assert_eq!(header.chroma_sample_position, 2);
    assert_eq!(header.av1c()[1..3], [2 << 5 | 13, 0b1110_1110]);
}

#[test]
fn still_pictures_in_rgb_and_grey_are_read() {
    let start = |bits: &mut Writer, profile| {
        bits.put(3, profile).put(2, 3).put(5, 31);
        bits.put(4, 0).put(4, 0).put(1, 0).put(1, 1);
        bits.put(3, 0).put(3, 0);
    };
    let mut rgb = Writer::default();
    start(&mut rgb, 1);
    rgb.put(1, 0)
        .put(1, 1)
        .put(8, 1)
        .put(8, 13)
        .put(8, 0)
        .put(2, 0);
    let header = SequenceHeader::parse(&rgb.obu()).unwrap();
    assert!(!header.chroma_subsampling_x && !header.chroma_subsampling_y);
    assert_eq!((header.max_frame_width, header.max_frame_height), (1, 2));
    assert_eq!(header.level(), None);
    let mut grey = Writer::default();
    start(&mut grey, 0);
    grey.put(1, 1).put(1, 1).put(1, 0).put(1, 1).put(1, 0);
    let header = SequenceHeader::parse(&grey.obu()).unwrap();
    assert!(header.monochrome);
    assert_eq!(header.bit_depth(), 10);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(data: Vec<u8>) {
        let _ = SequenceHeader::parse(&data);
    }

    #[test]
    fn nor_do_damaged_headers(at in 0..NEW.len(), with: u8, length in 0..=NEW.len()) {
        let mut data = NEW.to_vec();
        data[at] = with;
        if let Some(header) = SequenceHeader::parse(&data[..length]) {
            let record = header.av1c();
            prop_assert_eq!(SequenceHeader::parse(&record[4..]), Some(header));
        }
    }
}

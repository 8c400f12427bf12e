// SPDX-License-Identifier: MPL-2.0
//! HDR metadata reaches the stream.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

mod support;

use std::time::Duration;

use codecwatch_svtav1::{BitDepth, Color, Config, ContentLight, MasteringDisplay};
use support::{RATE, encode, one_at_a_time, within};

const OBU_METADATA: u8 = 5;
const CONTENT_LIGHT: u8 = 1;
const MASTERING_DISPLAY: u8 = 2;

/// The metadata of this type in a temporal unit. All OBUs of SVT-AV1 have a size
/// and no extension.
fn metadata(mut unit: &[u8], kind: u8) -> Option<Vec<u8>> {
    while let [header, rest @ ..] = unit {
        assert_eq!(header & 0b110, 0b010);
        let length = rest.iter().position(|byte| byte & 0x80 == 0)? + 1;
        let size = rest[..length]
            .iter()
            .rev()
            .fold(0, |size, byte| size << 7 | usize::from(byte & 0x7f));
        let (payload, next) = rest[length..].split_at(size);
        if header >> 3 & 0xf == OBU_METADATA && payload[0] == kind {
            return Some(payload[1..].to_vec());
        }
        unit = next;
    }
    None
}

fn first_unit(config: Config) -> Vec<u8> {
    let packets = within(Duration::from_secs(60), move || encode(&config, 1));
    packets[0].data.clone()
}

fn config() -> Config {
    Config {
        bit_depth: BitDepth::Ten,
        color: Color {
            primaries: 9,
            transfer: 16,
            matrix: 9,
            full_range: false,
        },
        ..Config::new(64, 64, RATE)
    }
}

#[test]
fn without_hdr_metadata_there_is_none() {
    let _turn = one_at_a_time();
    let unit = first_unit(config());
    assert_eq!(metadata(&unit, CONTENT_LIGHT), None);
    assert_eq!(metadata(&unit, MASTERING_DISPLAY), None);
}

#[test]
fn mastering_display_and_content_light_are_in_the_first_unit() {
    let _turn = one_at_a_time();
    let unit = first_unit(Config {
        mastering_display: Some(MasteringDisplay {
            primaries: [(35_400, 14_600), (8_500, 39_850), (6_550, 2_300)],
            white_point: (15_635, 16_450),
            max_luminance: 10_000_000,
            min_luminance: 50,
        }),
        content_light: Some(ContentLight {
            max: 1000,
            max_average: 400,
        }),
        ..config()
    });
    let light = metadata(&unit, CONTENT_LIGHT).unwrap();
    assert_eq!(light[..4], [0x03, 0xe8, 0x01, 0x90]);
    let display = metadata(&unit, MASTERING_DISPLAY).unwrap();
    let word = |at: usize| u16::from_be_bytes([display[at], display[at + 1]]);
    let chromaticities: Vec<_> = (0..8).map(|index| word(2 * index)).collect();
    assert_eq!(
        chromaticities,
        [46_399, 19_137, 11_141, 52_232, 8_585, 3_015, 20_493, 21_561]
    );
    let luminance = |at: usize| u32::from_be_bytes(display[at..at + 4].try_into().unwrap());
    // 1000 and 0.005 candela per square metre, with 8 and 14 bits of fraction.
    assert_eq!((luminance(16), luminance(20)), (256_000, 82));
}

#[test]
fn content_light_needs_no_mastering_display() {
    let _turn = one_at_a_time();
    let unit = first_unit(Config {
        content_light: Some(ContentLight {
            max: 600,
            max_average: 200,
        }),
        ..config()
    });
    assert!(metadata(&unit, CONTENT_LIGHT).is_some());
    assert_eq!(metadata(&unit, MASTERING_DISPLAY), None);
}

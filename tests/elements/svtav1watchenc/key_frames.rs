// SPDX-License-Identifier: MPL-2.0
//! How `intra-period-length` places key frames: as the blurb says, and as
//! `svtav1enc` has it.

use codecwatch_av1::{Obu, ObuKind, obus};

use crate::util::{encoder, is_key, pull_all, push};

/// Type of a frame, in a frame header (AV1 specification, 5.9.2).
const KEY_FRAME: u8 = 0;
const INTRA_ONLY_FRAME: u8 = 2;

/// A stream of 60 frames.
fn encode(properties: &str) -> Vec<gst::Buffer> {
    let mut harness = encoder(properties);
    push(&mut harness, 0, 60);
    assert!(harness.push_event(gst::event::Eos::new()));
    let buffers = pull_all(&mut harness);
    assert_eq!(buffers.len(), 60, "{properties}");
    buffers
}

/// The numbers of the buffers of which this holds.
fn numbers(buffers: &[gst::Buffer], holds: impl Fn(&gst::Buffer) -> bool) -> Vec<usize> {
    let buffers = buffers.iter().enumerate();
    buffers
        .filter_map(|(number, buffer)| holds(buffer).then_some(number))
        .collect()
}

/// Whether a frame in this unit refers to no other.
fn has_intra_frame(buffer: &gst::Buffer) -> bool {
    let is_intra = |obu: Obu<'_>| {
        if !matches!(obu.kind, ObuKind::Frame | ObuKind::FrameHeader) {
            return false;
        }
        let shows_an_earlier_one = obu.payload[0] & 0x80 != 0;
        let frame_type = obu.payload[0] >> 5 & 3;
        !shows_an_earlier_one && [KEY_FRAME, INTRA_ONLY_FRAME].contains(&frame_type)
    };
    let map = buffer.map_readable().unwrap();
    obus(&map).any(|obu| is_intra(obu.unwrap()))
}

#[test]
fn intra_period_length_is_how_many_frames_lie_between_two_key_frames() {
    for mode in ["", "low-latency=true"] {
        let keys = |length| {
            let buffers = encode(&format!("{mode} intra-period-length={length}"));
            numbers(&buffers, |buffer| is_key(buffer))
        };
        assert_eq!(keys(25), [0, 26, 52], "{mode}");
        assert_eq!(keys(24), [0, 25, 50], "{mode}");
        assert_eq!(keys(-1), [0], "{mode}");
    }
}

#[test]
fn with_cra_the_same_places_have_frames_that_refer_to_no_other() {
    if support::svtav1_version() >= (2, 0) {
        return support::skip(
            "svtav1watchenc",
            "this was looked at with SVT-AV1 1.4 alone",
        );
    }
    for (length, expected) in [(25, [0, 26, 52]), (24, [0, 25, 50])] {
        let buffers = encode(&format!(
            "intra-refresh-type=CRA intra-period-length={length}"
        ));
        assert_eq!(numbers(&buffers, has_intra_frame), expected);
        // Which are no sync points, but for the first.
        assert_eq!(numbers(&buffers, |buffer| is_key(buffer)), [0]);
    }
}

// SPDX-License-Identifier: MPL-2.0
//! Inputs that never reach dav1d: what refers to them must not come out as a
//! good picture.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use codecwatch_av1::ObuKind;
use gst::prelude::*;
use gst_check::Harness;

use crate::streams::surgery;
use crate::util::{
    FRAME, KEY_EVERY_8, THREADED, buffer, element, encoded, harness, numbers, pull_all,
};

const OBUS: &str = "video/x-av1,stream-format=obu-stream,alignment=tu,framerate=25/1";
const ANNEX_B: &str = "video/x-av1,stream-format=annexb,alignment=tu,framerate=25/1";

/// 32 frames, a key frame every eight.
fn keyed() -> Option<Vec<Vec<u8>>> {
    encoded(32, (160, 96), KEY_EVERY_8)
}

fn decoder(properties: &str, caps: &str) -> Harness {
    let mut harness = harness(properties);
    harness.set_src_caps_str(caps);
    harness
}

fn stat(harness: &Harness, name: &str) -> u64 {
    let stats = element(harness).property::<gst::Structure>("stats");
    stats.get(name).unwrap()
}

/// The sum of the samples of each picture, by the number of its frame.
fn sums(harness: &mut Harness) -> BTreeMap<u64, String> {
    let buffers = pull_all(harness);
    let caps = harness.sinkpad().unwrap().current_caps();
    let sum = |buffer: &gst::Buffer| {
        let caps = caps.as_ref().unwrap();
        let sample = gst::Sample::builder().buffer(buffer).caps(caps).build();
        support::pictures::md5(&[sample], 3)
    };
    numbers(&buffers)
        .into_iter()
        .zip(buffers.iter().map(sum))
        .collect()
}

/// What comes of these buffers, and the harness afterwards.
fn decode(
    properties: &str,
    caps: &str,
    buffers: impl IntoIterator<Item = gst::Buffer>,
) -> (BTreeMap<u64, String>, Harness) {
    let mut harness = decoder(properties, caps);
    for buffer in buffers {
        assert_eq!(harness.push(buffer), Ok(gst::FlowSuccess::Ok));
    }
    harness.push_event(gst::event::Eos::new());
    (sums(&mut harness), harness)
}

fn numbered(units: &[Vec<u8>]) -> Vec<gst::Buffer> {
    support::init();
    let number = units.iter().zip(0..);
    number.map(|(unit, number)| buffer(unit, number)).collect()
}

/// Whether every picture is one of the intact stream's, and what is missing is
/// what was told of.
fn is_honest(
    what: &str,
    intact: &BTreeMap<u64, String>,
    (pictures, harness): &(BTreeMap<u64, String>, Harness),
) {
    for (number, sum) in pictures {
        assert_eq!(
            Some(sum),
            intact.get(number),
            "{what}: picture {number} is another"
        );
    }
    let told = stat(harness, "damaged") + stat(harness, "unreferenced");
    let missing = intact.len() - pictures.len();
    assert_eq!(
        told, missing as u64,
        "{what}: not all that is missing was told of"
    );
}

#[test]
fn damaged_annex_b_framing_costs_the_rest_of_its_group_and_no_picture_is_wrong() {
    let Some(units) = keyed() else { return };
    let (framed, lengths): (Vec<_>, Vec<_>) =
        units.iter().map(|unit| surgery::annex_b(unit)).unzip();
    for properties in ["n-threads=1", THREADED] {
        let (intact, _) = decode(properties, ANNEX_B, numbered(&framed));
        assert_eq!(intact.len(), units.len());
        for unit in [LOST, 16] {
            for &at in &lengths[unit] {
                for flip in [1, 2, 4, 8, 0x10, 0x40, 0x80, 0xff] {
                    let mut damaged = framed.clone();
                    damaged[unit][at] ^= flip;
                    let decoded = decode(properties, ANNEX_B, numbered(&damaged));
                    let what = format!("{properties}, unit {unit}, byte {at} ^ {flip:#x}");
                    is_honest(&what, &intact, &decoded);
                    assert_eq!(
                        decoded.0.len(),
                        32 - (24 - unit) % 8 - 8 * usize::from(unit == 16),
                        "{what}"
                    );
                }
            }
        }
    }
}

/// Without the sizes of frames: what is left of a frame that is cut may pass for
/// the whole, and for something else behind it.
#[test]
fn damaged_obu_headers_make_no_picture_wrong() {
    let Some(units) = keyed() else { return };
    let (intact, _) = decode("n-threads=1", OBUS, numbered(&units));
    for unit in [LOST, 16] {
        let mut at = 0;
        for obu in surgery::split(&units[unit]) {
            let is_delimiter = obu.kind == ObuKind::TemporalDelimiter;
            for byte in at..at + if is_delimiter { 2 } else { 1 } {
                for bit in 0..8 {
                    let mut damaged = units.clone();
                    damaged[unit][byte] ^= 1 << bit;
                    let decoded = decode("n-threads=1", OBUS, numbered(&damaged));
                    let what = format!("unit {unit}, {:?}, byte {byte}, bit {bit}", obu.kind);
                    is_honest(&what, &intact, &decoded);
                }
            }
            at += obu.bytes.len();
        }
    }
}

/// A frame of a group that dav1d does not miss: without it, it gives two wrong
/// pictures before it notices.
const LOST: usize = 12;

/// Of 32 frames, [`LOST`] is lost on its way: everything up to the next key frame
/// is left out and told of, and the rest is right.
fn without_one(lost: impl Fn(&mut Vec<gst::Buffer>)) {
    let Some(units) = keyed() else { return };
    for properties in ["n-threads=1", THREADED] {
        let (intact, _) = decode(properties, OBUS, numbered(&units));
        let mut buffers = numbered(&units);
        lost(&mut buffers);
        // A buffer without data leads to nothing, and is not told of.
        let pushed = buffers.iter().filter(|buffer| !is_nothing(buffer)).count();
        let (pictures, harness) = decode(properties, OBUS, buffers);
        let expected: Vec<u64> = (0..LOST as u64).chain(16..32).collect();
        assert_eq!(
            pictures.keys().copied().collect::<Vec<_>>(),
            expected,
            "{properties}"
        );
        assert!(
            pictures
                .iter()
                .all(|(number, sum)| intact.get(number) == Some(sum))
        );
        let told = stat(&harness, "damaged") + stat(&harness, "unreferenced");
        assert_eq!(told, (pushed - pictures.len()) as u64, "{properties}");
    }
}

fn is_nothing(buffer: &gst::Buffer) -> bool {
    buffer.size() == 0 && !buffer.flags().contains(gst::BufferFlags::CORRUPTED)
}

fn flag(buffer: &mut gst::Buffer, flags: gst::BufferFlags) {
    buffer.get_mut().unwrap().set_flags(flags);
}

#[test]
fn a_corrupted_buffer_is_damage_whatever_is_in_it() {
    without_one(|buffers| flag(&mut buffers[LOST], gst::BufferFlags::CORRUPTED));
    without_one(|buffers| {
        buffers[LOST] = buffer(&[], LOST as u64);
        flag(&mut buffers[LOST], gst::BufferFlags::CORRUPTED);
    });
}

#[test]
fn a_discontinuity_in_the_middle_of_a_group_costs_the_rest_of_it() {
    without_one(|buffers| {
        buffers.remove(LOST);
        flag(&mut buffers[LOST], gst::BufferFlags::DISCONT);
    });
    // The mark may come with a buffer that has no data.
    without_one(|buffers| {
        buffers[LOST] = buffer(&[], LOST as u64);
        flag(&mut buffers[LOST], gst::BufferFlags::DISCONT);
    });
}

#[test]
fn a_discontinuity_at_a_key_frame_costs_nothing() {
    let Some(units) = keyed() else { return };
    for properties in ["n-threads=1", THREADED] {
        let mut buffers = numbered(&units);
        for key in [0, 8, 16, 24] {
            flag(&mut buffers[key], gst::BufferFlags::DISCONT);
        }
        let (pictures, harness) = decode(properties, OBUS, buffers);
        assert_eq!(pictures.len(), 32);
        assert_eq!(stat(&harness, "unreferenced"), 0);
    }
}

/// Downstream has had enough of a segment, and another follows without a flush.
#[test]
fn after_downstream_had_enough_the_next_segment_lacks_nothing() {
    let Some(units) = keyed() else { return };
    let (intact, _) = decode("n-threads=1", OBUS, numbered(&units));
    let mut harness = decoder("n-threads=1", OBUS);
    let pad = harness.sinkpad().unwrap();
    let segments = AtomicUsize::new(0);
    let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    pad.add_probe(kinds, move |_, info| {
        if let Some(event) = info.event() {
            let is_segment = event.type_() == gst::EventType::Segment;
            segments.fetch_add(is_segment.into(), Ordering::SeqCst);
            return gst::PadProbeReturn::Ok;
        }
        let pts = info.buffer().unwrap().pts().unwrap();
        if segments.load(Ordering::SeqCst) > 1 || pts < FRAME * 11 {
            return gst::PadProbeReturn::Ok;
        }
        info.flow_res = Err(gst::FlowError::Eos);
        gst::PadProbeReturn::Handled
    });
    let mut buffers = numbered(&units).into_iter();
    let refused = buffers.by_ref().take(13).position(|buffer| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        harness.push(buffer) == Err(gst::FlowError::Eos)
    });
    assert!(refused.is_some_and(|first| first > 11), "{refused:?}");
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(harness.push_event(gst::event::Segment::new(&segment)));
    for buffer in buffers {
        assert_eq!(harness.push(buffer), Ok(gst::FlowSuccess::Ok));
    }
    harness.push_event(gst::event::Eos::new());
    let pictures = sums(&mut harness);
    let wrong = |(number, sum): &(&u64, &String)| intact.get(number) != Some(sum);
    assert_eq!(pictures.iter().find(wrong), None);
    // Decoding went on meanwhile: what refers to the frames that were not wanted is good.
    let expected: Vec<u64> = (0..11).chain(13..32).collect();
    assert_eq!(pictures.into_keys().collect::<Vec<_>>(), expected);
}

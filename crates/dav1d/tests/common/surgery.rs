// SPDX-License-Identifier: MPL-2.0
//! Streams that no encoder here makes, put together from those that they make.

use codecwatch_av1::{Obu, ObuKind, obus};

const EXTENSION: u8 = 0b100;
const SIZE: u8 = 0b10;

/// An OBU in the low-overhead format. `kind`: `obu_type`; `layer`: spatial.
pub fn obu(kind: u8, layer: Option<u8>, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind << 3 | SIZE];
    if let Some(layer) = layer {
        bytes[0] |= EXTENSION;
        bytes.push(layer << 3);
    }
    let mut len = payload.len();
    while len > 0x7f {
        bytes.push(len as u8 | 0x80);
        len >>= 7;
    }
    bytes.push(len as u8);
    bytes.extend(payload);
    bytes
}

/// A metadata OBU; the trailing bits are added.
pub fn metadata(kind: u8, payload: &[u8]) -> Vec<u8> {
    obu(5, None, &[&[kind], payload, &[0x80]].concat())
}

/// The OBUs of a unit.
pub fn split(unit: &[u8]) -> Vec<Obu<'_>> {
    obus(unit).map(Result::unwrap).collect()
}

/// Puts `extra` behind the sequence header of a unit, or behind its delimiter.
pub fn insert(unit: &[u8], extra: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut extra = Some(extra);
    for obu in split(unit) {
        if obu.kind.is_frame() {
            out.extend(extra.take().unwrap_or_default());
        }
        out.extend(obu.bytes);
    }
    out
}

/// A unit in the format of Annex B, with OBUs without sizes as encoders write
/// them, and where in it the lengths are.
pub fn annex_b(unit: &[u8]) -> (Vec<u8>, Vec<usize>) {
    let mut frame_units = vec![(Vec::new(), Vec::new())];
    for obu in split(unit) {
        let header = if obu.bytes[0] & EXTENSION != 0 { 2 } else { 1 };
        let mut bare = obu.bytes[..header].to_vec();
        bare[0] &= !SIZE;
        bare.extend(obu.payload);
        let (bytes, lengths) = frame_units.last_mut().unwrap();
        append_with_length(bytes, lengths, &bare, &[]);
        if obu.kind == ObuKind::Frame {
            frame_units.push(Default::default());
        }
    }
    let (mut body, mut inner) = (Vec::new(), Vec::new());
    for (bytes, lengths) in frame_units.iter().filter(|(bytes, _)| !bytes.is_empty()) {
        append_with_length(&mut body, &mut inner, bytes, lengths);
    }
    let (mut whole, mut lengths) = (Vec::new(), Vec::new());
    append_with_length(&mut whole, &mut lengths, &body, &inner);
    (whole, lengths)
}

/// Appends a part behind its length. `inner`: where in the part lengths are.
fn append_with_length(out: &mut Vec<u8>, lengths: &mut Vec<usize>, part: &[u8], inner: &[usize]) {
    let mut len = part.len();
    loop {
        lengths.push(out.len());
        let more = len > 0x7f;
        out.push(len as u8 & 0x7f | if more { 0x80 } else { 0 });
        len >>= 7;
        if !more {
            break;
        }
    }
    lengths.extend(inner.iter().map(|at| at + out.len()));
    out.extend(part);
}

/// Takes the sequence headers out of a stream: the first of them, and the rest.
pub fn strip_headers(units: &[Vec<u8>]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let is_header = |obu: &Obu<'_>| obu.kind == ObuKind::SequenceHeader;
    let header = split(&units[0])
        .into_iter()
        .find(is_header)
        .unwrap()
        .bytes
        .to_vec();
    let without = |unit: &Vec<u8>| -> Vec<u8> {
        split(unit)
            .into_iter()
            .filter(|obu| !is_header(obu))
            .flat_map(|obu| obu.bytes)
            .copied()
            .collect()
    };
    (header, units.iter().map(without).collect())
}

/// A stream of two spatial layers, from two streams of key frames alone that
/// have the same sequence header. Operating point 0 is both layers, 1 the lower.
pub fn layers(lower: &[Vec<u8>], upper: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut units = Vec::new();
    for (lower, upper) in lower.iter().zip(upper) {
        let mut unit = Vec::new();
        let (mut header, mut frames) = (None, Vec::new());
        for (layer, source) in [lower, upper].into_iter().enumerate() {
            for obu in split(source) {
                match obu.kind {
                    ObuKind::SequenceHeader => {
                        assert!(
                            header.is_none_or(|header| header == obu.payload),
                            "the headers differ"
                        );
                        header = Some(obu.payload);
                    }
                    ObuKind::Frame => frames.extend(self::obu(6, Some(layer as u8), obu.payload)),
                    ObuKind::TemporalDelimiter => {}
                    kind => panic!("{kind:?} is not provided for"),
                }
            }
        }
        unit.extend(obu(2, None, &[]));
        unit.extend(obu(1, None, &two_operating_points(header.unwrap())));
        unit.extend(frames);
        units.push(unit);
    }
    units
}

/// Gives a sequence header with one operating point two (AV1 specification,
/// section 5.5.1).
fn two_operating_points(header: &[u8]) -> Vec<u8> {
    let bits: Vec<bool> = header
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| byte & 0x80 >> bit != 0))
        .collect();
    let end = bits.iter().rposition(|bit| *bit).unwrap();
    assert!(
        !bits[4] && !bits[5] && !bits[6],
        "reduced, timed or delayed headers are not provided for"
    );
    assert!(
        bits[7..12].iter().all(|bit| !bit),
        "there is one operating point"
    );
    let level = &bits[24..29];
    let number = |value: u32, bits: u32| (0..bits).rev().map(move |bit| value >> bit & 1 != 0);
    let mut out: Vec<bool> = bits[..7].to_vec();
    out.extend(number(1, 5));
    out.extend(number(0x301, 12));
    out.extend(level);
    out.extend(number(0x101, 12));
    out.extend(level);
    out.extend(&bits[29..=end]);
    out.chunks(8)
        .map(|byte| {
            byte.iter()
                .enumerate()
                .fold(0, |sum, (at, bit)| sum | u8::from(*bit) << (7 - at))
        })
        .collect()
}

// SPDX-License-Identifier: MPL-2.0
//! What comes out of a hosted VA decoder: every picture, in order, each decoded from its
//! own input with its own references.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use codecwatch_va_driver::picture::{Hash, Origin};
use gst::prelude::*;
use gst_video::prelude::*;
use support::is_child;

use super::gpu;
use crate::record::{Record, assert_same};
use crate::rig::{Item, Rig, produce};

const PICTURES: usize = 40;
/// The caps of pictures in the device's memory and elsewhere.
pub(super) const DEVICE: &str = "video/x-raw(memory:VAMemory)";
pub(super) const SYSTEM: &str = "video/x-raw";
const SOURCE: &str = "videotestsrc num-buffers=40 ! \
     video/x-raw,format=I420,width=160,height=120,framerate=25/1";

/// H.264 whose pictures are not in the order of display.
pub(super) fn h264() -> Vec<Item> {
    produce(&format!(
        "{SOURCE} ! x264enc key-int-max=15 bframes=3 b-adapt=false b-pyramid=true ! h264parse ! \
         video/x-h264,stream-format=avc,alignment=au"
    ))
}

/// AV1 with one frame in each temporal unit.
pub(super) fn av1() -> Vec<Item> {
    produce(&format!(
        "{SOURCE} ! svtav1watchenc low-latency=true preset=12 ! av1parse ! \
         video/x-av1,stream-format=obu-stream,alignment=tu"
    ))
}

/// The slices of an access unit whose NAL units have lengths of four bytes.
pub(super) fn h264_slices(unit: &[u8]) -> Hash {
    let (mut hash, mut rest) = (Hash::default(), unit);
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (nal, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        if matches!(nal[0] & 0x1f, 1 | 5) {
            hash = hash.with(nal);
        }
        rest = after;
    }
    hash
}

/// The frames of a temporal unit.
pub(super) fn av1_slices(unit: &[u8]) -> Hash {
    codecwatch_av1::obus(unit)
        .map(|obu| obu.unwrap())
        .filter(|obu| obu.kind.is_frame())
        .fold(Hash::default(), |hash, obu| hash.with(obu.payload))
}

/// What was drawn, by time, in the order in which it came.
type Shown = Arc<Mutex<Vec<(gst::ClockTime, Origin)>>>;

/// Reads each picture that comes out. One that is not as the driver has drawn it has no
/// origin.
fn watch(rig: &Rig) -> Shown {
    let shown = Shown::default();
    let seen = shown.clone();
    rig.end
        .add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            let buffer = info.buffer().unwrap();
            let caps = pad.current_caps().unwrap();
            let format = gst_video::VideoInfo::from_caps(&caps).unwrap();
            let frame =
                gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &format).unwrap();
            assert_eq!(frame.format(), gst_video::VideoFormat::Nv12);
            let (mut origin, mut whole) = (None, true);
            for plane in 0..2_usize {
                let stride = frame.plane_stride()[plane] as usize;
                let (width, height) = (160, if plane == 0 { 120 } else { 60 });
                let data = frame.plane_data(plane as u32).unwrap();
                for (row, line) in data.chunks(stride).take(height).enumerate() {
                    let origin = *origin.get_or_insert_with(|| Origin::shown(line).unwrap());
                    let samples = (0..width).map(|column| origin.sample(plane, row, column));
                    whole &= samples.eq(line[..width].iter().copied());
                }
            }
            // A panic here would end the process.
            let origin = origin.filter(|_| whole).unwrap_or_default();
            let time = buffer.pts().unwrap();
            seen.lock().unwrap().push((time, origin));
            gst::PadProbeReturn::Ok
        });
    shown
}

/// Plays the items into a decoder whose pictures have to be in this memory; says what
/// came out, and what it shows.
fn decode(rig: &Rig, items: &[Item], memory: &str) -> (Vec<Record>, Vec<(gst::ClockTime, Origin)>) {
    *rig.downstream.caps.lock().unwrap() = Some(memory.parse().unwrap());
    let shown = watch(rig);
    let records = rig.play(items);
    assert!(rig.errors().is_empty(), "{}", rig.name());
    let shown = shown.lock().unwrap().clone();
    (records, shown)
}

/// A bare decoder and a hosted one give the same pictures, and these are those that went
/// in, in the order of display.
fn compare(codec: &str, items: &[Item], slices: fn(&[u8]) -> Hash, memory: &str) {
    let hosted = || Rig::hosted(codec);
    compare_with(codec, hosted, items, slices, memory);
}

/// The same with a hosted decoder of another kind.
pub(super) fn compare_with(
    codec: &str,
    hosted: impl FnOnce() -> Rig,
    items: &[Item],
    slices: fn(&[u8]) -> Hash,
    memory: &str,
) {
    let mut wanted = BTreeMap::new();
    for item in items {
        if let Item::Buffer(buffer) = item {
            let bytes = buffer.map_readable().unwrap();
            wanted.insert(buffer.pts().unwrap(), slices(&bytes).value());
        }
    }
    let (bare, bare_shown) = decode(&Rig::bare(codec), items, memory);
    let (hosted, hosted_shown) = decode(&hosted(), items, memory);
    assert_same(codec, &bare, &hosted);
    assert_eq!(bare_shown, hosted_shown, "{codec}");
    let shown: Vec<_> = hosted_shown
        .iter()
        .map(|(time, origin)| (*time, origin.slices))
        .collect();
    let wanted: Vec<_> = wanted.into_iter().collect();
    assert_eq!(wanted.len(), PICTURES);
    assert_eq!(shown, wanted, "{codec}: not the pictures that went in");
    let mut lineages: Vec<_> = hosted_shown.iter().map(|(_, o)| o.lineage).collect();
    lineages.sort_unstable();
    lineages.dedup();
    assert_eq!(
        lineages.len(),
        PICTURES,
        "{codec}: pictures refer to others"
    );
}

#[test]
fn every_h264_picture_comes_out_of_the_va_decoder_in_order_as_from_the_bare_one() {
    if !is_child() {
        let name = "va::pictures::every_h264_picture_comes_out_of_the_va_decoder_in_order_as_from_the_bare_one";
        gpu::again(name, "vah264dec", "");
        return;
    }
    support::init();
    let items = h264();
    compare("h264parse ! vah264dec", &items, h264_slices, DEVICE);
    compare("h264parse ! vah264dec", &items, h264_slices, SYSTEM);
}

#[test]
fn every_av1_picture_comes_out_of_the_va_decoder_in_order_as_from_the_bare_one() {
    if !is_child() {
        let name = "va::pictures::every_av1_picture_comes_out_of_the_va_decoder_in_order_as_from_the_bare_one";
        gpu::again(name, "vaav1dec", "");
        return;
    }
    support::init();
    let items = av1();
    compare("av1parse ! vaav1dec", &items, av1_slices, DEVICE);
    compare("av1parse ! vaav1dec", &items, av1_slices, SYSTEM);
}

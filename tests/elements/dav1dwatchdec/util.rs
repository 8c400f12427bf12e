// SPDX-License-Identifier: MPL-2.0
//! Streams to decode, and a harness around the element.

use gst::prelude::*;
use gst_check::Harness;

use crate::streams::mkv;

/// What a demuxer says of a stream in whole temporal units.
pub(crate) const CAPS: &str =
    "video/x-av1,stream-format=obu-stream,alignment=tu,framerate=25/1,pixel-aspect-ratio=4/3";

/// A frame of 25 in a second.
pub(crate) const FRAME: gst::ClockTime = gst::ClockTime::from_mseconds(40);

/// The temporal units of the bundled clip: 132 pictures of 1280x720.
pub(crate) fn clip() -> Vec<Vec<u8>> {
    mkv::blocks(&std::fs::read(support::media::clip()).unwrap())
}

/// The first temporal units of the bundled clip.
pub(crate) fn clip_start(units: usize) -> Vec<Vec<u8>> {
    let mut clip = clip();
    clip.truncate(units);
    clip
}

/// A stream that is encoded for the test; `None`, and a note, without the encoder.
pub(crate) fn encoded(
    frames: usize,
    size: (usize, usize),
    arguments: &[&str],
) -> Option<Vec<Vec<u8>>> {
    use crate::streams::{Encoder, sources::Source};
    let units = Encoder::Aomenc.encode("a stream", &Source::new(size.0, size.1, frames), arguments);
    if units.is_none() {
        support::skip("dav1dwatchdec", "there is no aomenc");
    }
    units
}

/// Key frames so often, and in order.
pub(crate) const KEY_EVERY_8: &[&str] =
    &["--kf-max-dist=8", "--kf-min-dist=8", "--lag-in-frames=0"];

/// Several frames in work. A harness says that it is live, so that nothing would
/// be held back if nobody asked for it.
pub(crate) const THREADED: &str = "n-threads=4 max-frame-delay=0";

/// A harness with the element, and no caps yet.
pub(crate) fn harness(properties: &str) -> Harness {
    support::init();
    Harness::new_parse(&format!("dav1dwatchdec name=codec {properties}"))
}

/// A harness with caps.
pub(crate) fn decoder(properties: &str) -> Harness {
    let mut harness = harness(properties);
    harness.set_src_caps_str(CAPS);
    harness
}

/// The element in a harness.
pub(crate) fn element(harness: &Harness) -> gst::Element {
    let element = harness.element().unwrap();
    match element.downcast::<gst::Bin>() {
        Ok(bin) => bin.by_name("codec").unwrap(),
        Err(element) => element,
    }
}

/// Unit number `number` of a stream as a buffer.
pub(crate) fn buffer(unit: &[u8], number: u64) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_slice(unit.to_vec());
    let shown = buffer.get_mut().unwrap();
    shown.set_pts(FRAME * number);
    shown.set_duration(FRAME);
    buffer
}

/// Pushes units, the first of which is number `first`.
pub(crate) fn push(harness: &mut Harness, units: &[Vec<u8>], first: u64) {
    for (unit, number) in units.iter().zip(first..) {
        assert_eq!(
            harness.push(buffer(unit, number)),
            Ok(gst::FlowSuccess::Ok),
            "unit {number}"
        );
    }
}

/// Everything that has come out so far.
pub(crate) fn pull_all(harness: &mut Harness) -> Vec<gst::Buffer> {
    std::iter::from_fn(|| harness.try_pull()).collect()
}

/// The numbers of the frames that these buffers show.
pub(crate) fn numbers(buffers: &[gst::Buffer]) -> Vec<u64> {
    let number = |buffer: &gst::Buffer| buffer.pts().unwrap() / FRAME;
    buffers.iter().map(number).collect()
}

/// What is posted on the element's bus.
pub(crate) fn bus(harness: &Harness) -> gst::Bus {
    let bus = gst::Bus::new();
    element(harness).set_bus(Some(&bus));
    bus
}

/// The first error on a bus.
pub(crate) fn error(bus: &gst::Bus) -> Option<gst::glib::Error> {
    let message = bus.pop_filtered(&[gst::MessageType::Error])?;
    match message.view() {
        gst::MessageView::Error(error) => Some(error.error()),
        _ => None,
    }
}

/// Whether EOS has come out.
pub(crate) fn has_ended(harness: &mut Harness) -> bool {
    std::iter::from_fn(|| harness.try_pull_event())
        .any(|event| event.type_() == gst::EventType::Eos)
}

/// Waits until a condition holds, up to ten seconds.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if holds() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("never: {what}");
}

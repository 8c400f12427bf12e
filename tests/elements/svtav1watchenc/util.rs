// SPDX-License-Identifier: MPL-2.0
//! A harness around the element, and frames for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gst::prelude::*;
use gst_check::Harness;
use gst_video::VideoInfo;

/// Small enough for a test, large enough for every version of the library.
pub(crate) const CAPS: &str =
    "video/x-raw,format=I420,width=128,height=96,framerate=25/1,colorimetry=bt709";

/// A harness with the element at a preset that every version of the library has.
pub(crate) fn harness(properties: &str) -> Harness {
    support::init();
    Harness::new_parse(&format!("svtav1watchenc name=codec preset=10 {properties}"))
}

/// A harness with caps.
pub(crate) fn encoder(properties: &str) -> Harness {
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

/// A frame of these caps: a gradient that moves with `number`.
pub(crate) fn frame(caps: &str, number: u64) -> gst::Buffer {
    let info = VideoInfo::from_caps(&caps.parse::<gst::Caps>().unwrap()).unwrap();
    let mut buffer = gst::Buffer::with_size(info.size()).unwrap();
    {
        let buffer = buffer.get_mut().unwrap();
        let mut map = buffer.map_writable().unwrap();
        for (at, byte) in map.iter_mut().enumerate() {
            *byte = ((at as u64 / 3 + 5 * number) % 200 + 20) as u8;
        }
        drop(map);
        let duration = gst::ClockTime::from_mseconds(40);
        buffer.set_pts(duration * number);
        buffer.set_duration(duration);
    }
    buffer
}

/// Pushes frames `from..to`.
pub(crate) fn push(harness: &mut Harness, from: u64, to: u64) {
    for number in from..to {
        assert_eq!(harness.push(frame(CAPS, number)), Ok(gst::FlowSuccess::Ok));
    }
}

/// Everything that has come out so far.
pub(crate) fn pull_all(harness: &mut Harness) -> Vec<gst::Buffer> {
    std::iter::from_fn(|| harness.try_pull()).collect()
}

/// Waits for one buffer, up to ten seconds.
pub(crate) fn pull(harness: &mut Harness) -> gst::Buffer {
    harness
        .pull_until_eos()
        .unwrap()
        .expect("a buffer and not EOS")
}

/// Whether a buffer is a key frame.
pub(crate) fn is_key(buffer: &gst::BufferRef) -> bool {
    !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT)
}

/// The first error on the harness's bus.
pub(crate) fn bus(harness: &Harness) -> gst::Bus {
    let bus = gst::Bus::new();
    element(harness).set_bus(Some(&bus));
    bus
}

/// The text of the first error on a bus.
pub(crate) fn error(bus: &gst::Bus) -> Option<glib_error::Text> {
    let message = bus.pop_filtered(&[gst::MessageType::Error])?;
    match message.view() {
        gst::MessageView::Error(error) => Some(glib_error::Text {
            text: error.error().to_string(),
            error: error.error(),
        }),
        _ => None,
    }
}

/// An error and its text.
pub(crate) mod glib_error {
    #[derive(Debug)]
    pub(crate) struct Text {
        pub(crate) text: String,
        pub(crate) error: gst::glib::Error,
    }
}

/// Counts the buffers that pass this pad.
pub(crate) fn count_buffers(pad: &gst::Pad) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        counter.fetch_add(1, Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
    count
}

/// Waits for this, up to twenty seconds; false when it does not happen.
pub(crate) fn comes_true(condition: impl Fn() -> bool) -> bool {
    (0..2000).any(|_| {
        condition() || {
            std::thread::sleep(Duration::from_millis(10));
            false
        }
    })
}

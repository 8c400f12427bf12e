// SPDX-License-Identifier: MPL-2.0
//! Inputs, and what is in an output.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gst::prelude::*;

/// Frames of [`film`].
pub(crate) const FRAMES: u64 = 60;

/// H.264 and AAC in MP4.
pub(crate) fn film(path: &Path) {
    make(&format!(
        "mp4mux name=mux ! filesink location={} \
         videotestsrc num-buffers={FRAMES} pattern=ball ! video/x-raw,width=160,height=120,framerate=25/1 \
         ! x264enc speed-preset=ultrafast key-int-max=25 ! h264parse ! mux. \
         audiotestsrc num-buffers=103 samplesperbuffer=1024 ! audio/x-raw,rate=44100,channels=2 \
         ! avenc_aac ! aacparse ! mux.",
        path.display()
    ));
}

/// Runs a pipeline to its end. Answers how many buffers came to its element `out`, if it
/// has one.
pub(crate) fn make(description: &str) -> u64 {
    support::init();
    let pipeline = gst::parse::launch(description)
        .unwrap_or_else(|error| panic!("{description}: {error}"))
        .downcast::<gst::Pipeline>()
        .unwrap();
    let buffers = Arc::new(AtomicU64::new(0));
    if let Some(out) = pipeline.by_name("out") {
        let counted = buffers.clone();
        let pad = out.static_pad("sink").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            counted.fetch_add(1, Ordering::Relaxed);
            gst::PadProbeReturn::Ok
        });
    }
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let bus = pipeline.bus().unwrap();
    let end = bus
        .timed_pop_filtered(gst::ClockTime::from_seconds(60), &ends)
        .expect("no end");
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    buffers.load(Ordering::Relaxed)
}

/// The frames of the AV1 in a file, all of them decoded.
pub(crate) fn frames(path: &Path) -> u64 {
    make(&format!(
        "filesrc location={} ! matroskademux name=demux demux.video_0 ! av1parse ! dav1dwatchdec \
         ! fakesink name=out sync=false",
        path.display()
    ))
}

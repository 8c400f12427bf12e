// SPDX-License-Identifier: MPL-2.0
//! Inputs.

use std::path::Path;

use gst::prelude::*;

/// Runs a pipeline to its end.
pub(crate) fn make(description: &str) {
    support::init();
    let pipeline = gst::parse::launch(description)
        .unwrap_or_else(|error| panic!("{description}: {error}"))
        .downcast::<gst::Pipeline>()
        .unwrap();
    run(&pipeline);
}

fn run(pipeline: &gst::Pipeline) {
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let bus = pipeline.bus().unwrap();
    let end = bus
        .timed_pop_filtered(gst::ClockTime::from_seconds(60), &ends)
        .expect("no end");
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    pipeline.set_state(gst::State::Null).unwrap();
}

/// Four seconds of H.264 and AAC in MP4, with a title and an artist.
pub(crate) fn film(path: &Path) {
    make(&format!(
        "mp4mux name=mux ! filesink location={} \
         videotestsrc num-buffers=100 pattern=ball ! video/x-raw,width=320,height=240,framerate=25/1,\
         colorimetry=bt709 ! x264enc speed-preset=ultrafast key-int-max=25 ! h264parse \
         ! taginject tags=\"title=Titel,artist=Anna\" ! mux. \
         audiotestsrc num-buffers=173 samplesperbuffer=1024 ! audio/x-raw,rate=44100,channels=2 \
         ! avenc_aac ! aacparse ! mux.",
        path.display()
    ));
}

/// A container with made-up content, which nobody decodes.
pub(crate) struct MadeUp<'a> {
    pub(crate) muxer: &'a str,
    pub(crate) caps: &'a str,
    pub(crate) frames: u64,
    /// Nanoseconds from one frame to the next.
    pub(crate) step: u64,
    pub(crate) bytes: usize,
}

impl MadeUp<'_> {
    pub(crate) fn write(&self, path: &Path) {
        support::init();
        let pipeline = gst::parse::launch(&format!(
            "appsrc name=in format=time ! {} ! filesink location={}",
            self.muxer,
            path.display()
        ));
        let pipeline = pipeline.unwrap().downcast::<gst::Pipeline>().unwrap();
        let source = pipeline
            .by_name("in")
            .unwrap()
            .downcast::<gst_app::AppSrc>()
            .unwrap();
        source.set_caps(Some(&self.caps.parse().unwrap()));
        source.set_max_bytes(u64::MAX);
        for number in 0..self.frames {
            let mut buffer = gst::Buffer::from_mut_slice(vec![0x11_u8; self.bytes]);
            let writable = buffer.get_mut().unwrap();
            writable.set_pts(gst::ClockTime::from_nseconds(number * self.step));
            writable.set_duration(gst::ClockTime::from_nseconds(self.step));
            source.push_buffer(buffer).unwrap();
        }
        source.end_of_stream().unwrap();
        run(&pipeline);
    }
}

/// Replaces the content of the element of a Matroska file after this identifier and
/// size.
pub(crate) fn patch(path: &Path, before: &[u8], new: &[u8]) {
    let mut bytes = std::fs::read(path).unwrap();
    let found = bytes
        .windows(before.len())
        .position(|window| window == before);
    let at =
        found.unwrap_or_else(|| panic!("{} has no {before:x?}", path.display())) + before.len();
    bytes[at..at + new.len()].copy_from_slice(new);
    std::fs::write(path, bytes).unwrap();
}

/// The duration of a Matroska file as matroskamux writes it, in milliseconds.
pub(crate) fn patch_duration(path: &Path, milliseconds: f64) {
    patch(path, &[0x44, 0x89, 0x88], &milliseconds.to_be_bytes());
}

/// The AV1 clip, so many times in a row. How many frames that is.
pub(crate) fn loop_clip(path: &Path, times: u64) -> u64 {
    support::init();
    let reader = gst::parse::launch(&format!(
        "filesrc location={} ! matroskademux ! av1parse ! video/x-av1,alignment=tu ! appsink name=out sync=false",
        support::media::clip().display()
    ));
    let reader = reader.unwrap().downcast::<gst::Pipeline>().unwrap();
    let out = reader
        .by_name("out")
        .unwrap()
        .downcast::<gst_app::AppSink>()
        .unwrap();
    reader.set_state(gst::State::Playing).unwrap();
    let mut packets = Vec::new();
    let mut caps = None;
    while let Ok(sample) = out.pull_sample() {
        caps = caps.or_else(|| sample.caps_owned());
        packets.extend(sample.buffer_owned());
    }
    reader.set_state(gst::State::Null).unwrap();
    let pipeline = gst::parse::launch(&format!(
        "appsrc name=in format=time ! matroskamux ! filesink location={}",
        path.display()
    ));
    let pipeline = pipeline.unwrap().downcast::<gst::Pipeline>().unwrap();
    let source = pipeline
        .by_name("in")
        .unwrap()
        .downcast::<gst_app::AppSrc>()
        .unwrap();
    source.set_caps(caps.as_ref());
    source.set_max_bytes(u64::MAX);
    let frame = gst::ClockTime::from_mseconds(40);
    let mut number = 0;
    for packet in (0..times).flat_map(|_| packets.clone()) {
        let mut packet = packet;
        let writable = packet.make_mut();
        writable.set_pts(frame * number);
        writable.set_dts(frame * number);
        writable.set_duration(frame);
        source.push_buffer(packet).unwrap();
        number += 1;
    }
    source.end_of_stream().unwrap();
    run(&pipeline);
    number
}

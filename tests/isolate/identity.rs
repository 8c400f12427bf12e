// SPDX-License-Identifier: MPL-2.0
//! What comes out of a codec in a child is what comes out of it in this process.

use std::path::{Path, PathBuf};

use gst_check::Harness;
use support::media;
use support::pictures::{Downstream, Played, info, pipeline, plane_rows, play, play_pipeline};

use crate::streams::{ivf, mkv, set::SET};

const SUITE: &str = "isolate";

fn ivf_file(folder: &Path, name: &str, units: &[Vec<u8>]) -> PathBuf {
    let path = folder.join(format!("{name}.ivf"));
    std::fs::write(&path, ivf::write(units)).unwrap();
    path
}

/// The first frames of the clip.
fn beginning(folder: &Path, frames: usize) -> PathBuf {
    let units = mkv::blocks(&std::fs::read(media::clip()).unwrap());
    ivf_file(folder, "clip", &units[..frames])
}

/// Plays with the element's properties, in this process and in a child.
#[track_caller]
fn both(what: &str, before: &str, element: &str) -> [Played; 2] {
    let plays = ["", " isolate=true"].map(|isolate| {
        let description = format!("{before} ! {element}{isolate}");
        let played = play(&description, Downstream::TakesVideoMeta);
        assert!(played.complete, "{what}{isolate}: {:?}", played.complaints);
        played
    });
    // Some versions of SVT-AV1 have no preset 12, for example.
    let complaints = plays.each_ref().map(|played| -> Vec<_> {
        let complaints = played.complaints.iter();
        complaints
            .map(|message| match message.view() {
                gst::MessageView::Warning(warning) => warning.error().to_string(),
                _ => format!("{message:?}"),
            })
            .collect()
    });
    assert_eq!(complaints[0], complaints[1], "{what}");
    assert_eq!(plays[0].times(), plays[1].times(), "{what}");
    assert!(!plays[0].samples.is_empty(), "{what}");
    plays
}

/// The samples of a picture, without what lies between them.
fn samples(sample: &gst::Sample) -> Vec<u8> {
    let mut bytes = Vec::new();
    for plane in 0..info(sample).n_planes() as usize {
        plane_rows(sample, plane, |row| bytes.extend_from_slice(row));
    }
    bytes
}

/// Decoded pictures.
#[track_caller]
fn same_pictures(name: &str, before: &str, element: &str) {
    let [here, child] = both(name, before, element);
    assert_eq!(here.formats(), child.formats(), "{name}");
    for (here, child) in here.samples.iter().zip(&child.samples) {
        same_buffers(name, here, child);
        assert!(samples(here) == samples(child), "{name}: another picture");
    }
}

#[track_caller]
fn same_buffers(what: &str, here: &gst::Sample, child: &gst::Sample) {
    assert_eq!(here.caps(), child.caps(), "{what}");
    let (here, child) = (here.buffer().unwrap(), child.buffer().unwrap());
    assert_eq!(here.pts(), child.pts(), "{what}");
    assert_eq!(here.duration(), child.duration(), "{what}");
    assert_eq!(here.flags(), child.flags(), "{what}");
}

/// Packets, byte by byte.
#[track_caller]
fn same_packets(what: &str, before: &str, properties: &str) {
    let [here, child] = both(what, before, &format!("svtav1watchenc {properties}"));
    assert_eq!(here.samples.len(), child.samples.len(), "{what}");
    for (here, child) in here.samples.iter().zip(&child.samples) {
        same_buffers(what, here, child);
        let bytes = |sample: &gst::Sample| {
            let buffer = sample.buffer().unwrap();
            buffer.map_readable().unwrap().to_vec()
        };
        assert_eq!(bytes(here), bytes(child), "{what}");
    }
}

fn clip() -> String {
    format!(
        "filesrc location={} ! matroskademux ! av1parse",
        media::clip().display()
    )
}

#[test]
fn the_clip_is_decoded_the_same() {
    for properties in ["n-threads=1", "n-threads=4"] {
        same_pictures(properties, &clip(), &format!("dav1dwatchdec {properties}"));
    }
}

#[test]
fn every_generated_stream_is_decoded_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let mut compared = 0;
    for case in SET {
        let Some(units) = case.encode() else {
            println!("{} cannot be encoded here", case.name);
            continue;
        };
        let file = ivf_file(folder.path(), case.name, &units);
        let before = format!("filesrc location={} ! ivfparse ! av1parse", file.display());
        same_pictures(case.name, &before, "dav1dwatchdec");
        compared += 1;
    }
    if compared == 0 {
        support::skip(SUITE, "there is no encoder");
    }
}

#[test]
fn a_copy_into_downstreams_layout_is_the_same() {
    let plays = ["", " isolate=true"].map(|isolate| {
        let description = format!("{} ! dav1dwatchdec n-threads=2{isolate}", clip());
        play(&description, Downstream::TakesPlain)
    });
    let [here, child] = plays.map(|played| played.samples);
    assert_eq!(here.len(), child.len());
    for (here, child) in here.iter().zip(&child) {
        assert!(samples(here) == samples(child), "another picture");
    }
}

#[test]
fn the_clip_is_encoded_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let file = beginning(folder.path(), 40);
    let before = format!(
        "filesrc location={} ! ivfparse ! av1parse ! dav1dwatchdec",
        file.display()
    );
    same_packets("random access", &before, "preset=12");
    same_packets("low delay", &before, "preset=12 low-latency=true");
}

#[test]
fn every_format_and_odd_sizes_are_encoded_the_same() {
    let sizes = [(64, 64), (66, 70), (202, 118), (322, 182)];
    for format in ["I420", "I420_10LE"] {
        for (width, height) in sizes {
            let caps =
                format!("video/x-raw,format={format},width={width},height={height},framerate=30/1");
            let before = format!("videotestsrc num-buffers=12 pattern=ball ! {caps}");
            let properties = "preset=12 intra-period-length=4";
            same_packets(&caps, &before, properties);
        }
    }
}

/// What is done to a harness, in this process and in a child, gives the same.
fn same_after(element: &str, act: impl Fn(&mut Harness)) {
    support::init();
    let outputs = ["", " isolate=true"].map(|isolate| {
        let mut harness = Harness::new_parse(&format!("{element}{isolate}"));
        act(&mut harness);
        assert!(harness.push_event(gst::event::Eos::new()));
        let buffers = std::iter::from_fn(|| harness.try_pull());
        buffers
            .map(|buffer| {
                let bytes = buffer.map_readable().unwrap().to_vec();
                (buffer.pts(), buffer.flags(), bytes)
            })
            .collect::<Vec<_>>()
    });
    let [here, child] = &outputs;
    assert!(!here.is_empty());
    let lengths = |all: &[(_, _, Vec<u8>)]| {
        let summary = all.iter().map(
            |(pts, flags, bytes): &(Option<gst::ClockTime>, gst::BufferFlags, _)| {
                (*pts, *flags, bytes.len())
            },
        );
        summary.collect::<Vec<_>>()
    };
    assert_eq!(lengths(here), lengths(child));
    assert!(here == child, "other bytes");
}

const FRAME: gst::ClockTime = gst::ClockTime::from_mseconds(40);

fn timed(mut buffer: gst::Buffer, number: u64) -> gst::Buffer {
    let writable = buffer.get_mut().unwrap();
    writable.set_pts(FRAME * number);
    writable.set_duration(FRAME);
    buffer
}

/// A picture of I420.
fn picture(size: (usize, usize), number: u64) -> gst::Buffer {
    let bytes = 0..size.0 * size.1 * 3 / 2;
    let bytes = bytes.map(|at| ((at as u64 / 3 + 5 * number) % 200 + 20) as u8);
    timed(gst::Buffer::from_slice(bytes.collect::<Vec<_>>()), number)
}

fn set_size(harness: &mut Harness, (width, height): (usize, usize)) {
    harness.set_src_caps_str(&format!(
        "video/x-raw,format=I420,width={width},height={height},framerate=25/1"
    ));
}

fn flush(harness: &mut Harness) {
    assert!(harness.push_event(gst::event::FlushStart::new()));
    assert!(harness.push_event(gst::event::FlushStop::new(true)));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(harness.push_event(gst::event::Segment::new(&segment)));
}

const ENCODER: &str = "svtav1watchenc preset=12 low-latency=true intra-period-length=7";

#[test]
fn an_encoder_whose_caps_change_gives_the_same() {
    same_after(ENCODER, |harness| {
        for (from, size) in [(0, (128, 96)), (9, (64, 64)), (18, (160, 90))] {
            set_size(harness, size);
            for number in from..from + 9 {
                harness.push(picture(size, number)).unwrap();
            }
        }
    });
}

#[test]
fn an_encoder_that_was_flushed_gives_the_same() {
    const SIZE: (usize, usize) = (128, 96);
    same_after(ENCODER, |harness| {
        set_size(harness, SIZE);
        for number in 0..9 {
            harness.push(picture(SIZE, number)).unwrap();
        }
        flush(harness);
        // What came out before the flush depends on the moment.
        while harness.try_pull().is_some() {}
        for number in 100..112 {
            harness.push(picture(SIZE, number)).unwrap();
        }
    });
}

#[test]
fn a_decoder_that_was_flushed_gives_the_same() {
    let units = mkv::blocks(&std::fs::read(media::clip()).unwrap());
    let push = |harness: &mut Harness, from: usize, to: usize| {
        for (unit, number) in units[from..to].iter().zip(from as u64..) {
            let buffer = timed(gst::Buffer::from_slice(unit.clone()), number);
            harness.push(buffer).unwrap();
        }
    };
    same_after("dav1dwatchdec n-threads=2", |harness| {
        harness
            .set_src_caps_str("video/x-av1,stream-format=obu-stream,alignment=tu,framerate=25/1");
        push(harness, 0, 10);
        flush(harness);
        while harness.try_pull().is_some() {}
        push(harness, 0, 20);
    });
}

#[test]
fn after_ready_and_back_the_same_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = beginning(folder.path(), 20);
    for element in [
        format!(
            "filesrc location={} ! ivfparse ! av1parse ! dav1dwatchdec n-threads=2 isolate=true",
            file.display()
        ),
        format!(
            "videotestsrc num-buffers=20 ! video/x-raw,format=I420,width=64,height=64 ! {ENCODER} \
             isolate=true"
        ),
    ] {
        let pipeline = pipeline(&element);
        let mut before = None;
        for life in 0..3 {
            let played = play_pipeline(&pipeline, Downstream::TakesVideoMeta);
            assert!(played.complete, "{life}: {:?}", played.complaints);
            let pts = played.times();
            assert!(pts.len() >= 20);
            assert_eq!(*before.get_or_insert(pts.clone()), pts, "{life}");
        }
    }
}

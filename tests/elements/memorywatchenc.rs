// SPDX-License-Identifier: MPL-2.0
//! `memorywatchenc`: what a codec crate and a plugin that are this short bring. What
//! comes of faults is shown in the fault matrix, what comes of downstream's answers in
//! `flow.rs`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_check::Harness;
use gst_video::VideoInfo;
use support::pictures::{Downstream, pipeline, play_pipeline};

const CAPS: &str = "video/x-raw,format=I420,width=64,height=48,framerate=25/1";
const FRAME: gst::ClockTime = gst::ClockTime::from_mseconds(40);

/// The lines of the Rust files below a folder of `tests/memory`.
fn lines(folder: &str) -> usize {
    fn count(path: &Path) -> usize {
        if path.is_dir() {
            let entries = std::fs::read_dir(path).unwrap();
            entries.map(|entry| count(&entry.unwrap().path())).sum()
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            std::fs::read_to_string(path).unwrap().lines().count()
        } else {
            0
        }
    }
    count(
        &Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("memory")
            .join(folder),
    )
}

#[test]
fn a_new_codec_takes_a_crate_of_300_lines_and_a_plugin_of_150() {
    let (codec, plugin) = (lines("codec"), lines("plugin"));
    assert!((1..=300).contains(&codec), "{codec}");
    assert!((1..=150).contains(&plugin), "{plugin}");
}

/// The element with caps.
fn encoder(properties: &str, caps: &str) -> Harness {
    support::init();
    let mut harness = Harness::new_parse(&format!("memorywatchenc name=codec {properties}"));
    harness.set_src_caps_str(caps);
    harness
}

fn element(harness: &Harness) -> gst::Element {
    let bin = harness.element().unwrap().downcast::<gst::Bin>().unwrap();
    bin.by_name("codec").unwrap()
}

fn stats(harness: &Harness) -> gst::Structure {
    element(harness).property("stats")
}

/// A picture without padding that has much in common with the one before.
fn picture(caps: &str, number: u64) -> Vec<u8> {
    let info = VideoInfo::from_caps(&caps.parse::<gst::Caps>().unwrap()).unwrap();
    let bytes = 0..info.size() as u64;
    bytes.map(|at| (at / 7 + number / 4) as u8).collect()
}

fn buffer(caps: &str, number: u64) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_mut_slice(picture(caps, number));
    let writable = buffer.get_mut().unwrap();
    writable.set_pts(FRAME * number);
    writable.set_duration(FRAME);
    buffer
}

fn push(harness: &mut Harness, caps: &str, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let flow = harness.push(buffer(caps, number));
        assert_eq!(flow, Ok(gst::FlowSuccess::Ok), "{number}");
    }
}

/// A key frame of the frame with this number on.
fn request_key(harness: &mut Harness, number: u64) {
    let event = gst_video::DownstreamForceKeyUnitEvent::builder();
    assert!(harness.push_event(event.running_time(FRAME * number).build()));
}

/// Ends the stream, and takes everything that came out.
fn finish(harness: &mut Harness) -> Vec<gst::Buffer> {
    assert!(harness.push_event(gst::event::Eos::new()));
    std::iter::from_fn(|| harness.try_pull()).collect()
}

fn is_key(packet: &gst::Buffer) -> bool {
    !packet.flags().contains(gst::BufferFlags::DELTA_UNIT)
}

/// The numbers of the frames, by their times; and of those that are key frames.
fn numbers(packets: &[gst::Buffer]) -> (Vec<u64>, Vec<u64>) {
    let number = |packet: &gst::Buffer| packet.pts().unwrap() / FRAME;
    let keys = packets.iter().filter(|packet| is_key(packet));
    (
        packets.iter().map(number).collect(),
        keys.map(number).collect(),
    )
}

/// Decodes packets: the difference to the picture before, as pairs of count and byte.
fn decode(packets: &[gst::Buffer]) -> Vec<Vec<u8>> {
    let mut before = Vec::new();
    let decode_one = |packet: &gst::Buffer| {
        let packet = packet.map_readable().unwrap();
        let pairs = packet[9..].chunks(2);
        let difference = pairs.flat_map(|pair| std::iter::repeat_n(pair[1], pair[0].into()));
        let difference: Vec<u8> = difference.collect();
        if packet[4] != 0 {
            before = vec![0; difference.len()];
        }
        let bytes = before.iter().zip(&difference);
        before = bytes
            .map(|(before, difference)| before ^ difference)
            .collect();
        before.clone()
    };
    packets.iter().map(decode_one).collect()
}

#[test]
fn every_picture_comes_out_with_its_time_and_as_it_went_in() {
    for format in ["I420", "GRAY8"] {
        for delay in ["delay=0", "delay=1", "delay=20"] {
            let caps = CAPS.replace("I420", format);
            let mut harness = encoder(delay, &caps);
            push(&mut harness, &caps, 0..15);
            let packets = finish(&mut harness);
            let expected: Vec<_> = (0..15).map(|number| picture(&caps, number)).collect();
            assert_eq!(decode(&packets), expected, "{format} {delay}");
            assert_eq!(numbers(&packets).0, (0..15).collect::<Vec<_>>());
        }
    }
}

#[test]
fn key_frames_come_every_so_often_and_where_they_are_asked_for() {
    let mut harness = encoder("delay=2 key-every=10", CAPS);
    push(&mut harness, CAPS, 0..15);
    request_key(&mut harness, 15);
    push(&mut harness, CAPS, 15..30);
    let packets = finish(&mut harness);
    assert_eq!(numbers(&packets).1, [0, 10, 15, 25]);
}

#[test]
fn the_frames_that_are_held_back_are_the_latency() {
    for (delay, latency) in [("delay=0", 0), ("delay=5", 5)] {
        let mut harness = encoder(delay, CAPS);
        push(&mut harness, CAPS, 0..1);
        assert_eq!(harness.query_latency(), Some(FRAME * latency), "{delay}");
    }
}

#[test]
fn a_flush_drops_what_is_inside_and_the_session_goes_on() {
    let mut harness = encoder("delay=20", CAPS);
    push(&mut harness, CAPS, 0..10);
    let session = stats(&harness).get::<u64>("session").unwrap();
    assert!(harness.push_event(gst::event::FlushStart::new()));
    assert!(harness.push_event(gst::event::FlushStop::new(true)));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(harness.push_event(gst::event::Segment::new(&segment)));
    push(&mut harness, CAPS, 10..20);
    assert_eq!(stats(&harness).get::<u64>("session"), Ok(session));
    let packets = finish(&mut harness);
    assert_eq!(numbers(&packets), ((10..20).collect(), vec![10]));
}

#[test]
fn new_caps_in_mid_stream_lose_nothing() {
    let larger = CAPS.replace("width=64", "width=96");
    let mut harness = encoder("delay=6", CAPS);
    push(&mut harness, CAPS, 0..10);
    harness.set_src_caps_str(&larger);
    push(&mut harness, &larger, 10..20);
    let packets = finish(&mut harness);
    assert_eq!(numbers(&packets), ((0..20).collect(), vec![0, 10]));
    let events = std::iter::from_fn(|| harness.try_pull_event());
    let widths: Vec<i32> = events
        .filter_map(|event| match event.view() {
            gst::EventView::Caps(caps) => caps.caps().structure(0)?.get("width").ok(),
            _ => None,
        })
        .collect();
    assert_eq!(widths, [64, 96]);
}

#[test]
fn after_a_stop_the_element_works_again() {
    let source = "videotestsrc num-buffers=10 ! video/x-raw,width=64,height=48,framerate=25/1";
    let pipeline = pipeline(&format!("{source} ! memorywatchenc"));
    for _ in 0..3 {
        let played = play_pipeline(&pipeline, Downstream::TakesPlain);
        assert!(played.complete, "{:?}", played.complaints);
        assert_eq!(played.times(), (0..10).map(|n| n * 40).collect::<Vec<_>>());
    }
}

#[test]
fn a_buffer_that_is_no_picture_is_refused_in_words() {
    let mut harness = encoder("", CAPS);
    let bus = gst::Bus::new();
    element(&harness).set_bus(Some(&bus));
    let flow = harness.push(gst::Buffer::from_mut_slice(vec![0_u8; 100]));
    assert_eq!(flow, Err(gst::FlowError::Error));
    let message = bus.pop_filtered(&[gst::MessageType::Error]).unwrap();
    let gst::MessageView::Error(error) = message.view() else {
        panic!("{message:?}");
    };
    assert!(error.error().matches(gst::StreamError::Format), "{error:?}");
    let text = error.error().to_string();
    assert!(
        text.contains("100 bytes cannot hold a 64x48 I420"),
        "{text}"
    );
}

/// The worker is asleep in `memory_receive` meanwhile: what works is the library's own
/// thread, which is known by its name.
#[test]
fn a_library_that_works_on_a_thread_of_its_own_is_slow_and_not_wedged() {
    let properties = "delay=0 effort=2500000 watchdog-timeout=1000000000";
    let mut harness = encoder(properties, CAPS);
    let began = Instant::now();
    push(&mut harness, CAPS, 0..1);
    let packets = finish(&mut harness);
    assert_eq!(numbers(&packets).0, [0]);
    assert!(began.elapsed() >= Duration::from_millis(2500));
}

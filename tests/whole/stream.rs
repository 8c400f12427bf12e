// SPDX-License-Identifier: MPL-2.0
//! Buffers and events one by one.

use gst::prelude::*;

use crate::rig::Folder;

fn harness(folder: &Folder) -> (gst_check::Harness, std::path::PathBuf) {
    support::init();
    let target = folder.path("a.bin");
    let sink = gst::ElementFactory::make("wholefilesink")
        .property("location", target.to_str().unwrap())
        .build()
        .unwrap();
    let mut harness = gst_check::Harness::with_element(&sink, Some("sink"), None);
    harness.set_src_caps_str("application/x-test");
    harness.play();
    (harness, target)
}

fn push(harness: &mut gst_check::Harness, bytes: &'static [u8]) {
    harness.push(gst::Buffer::from_slice(bytes)).unwrap();
}

fn segment(harness: &mut gst_check::Harness, start: u64) {
    let mut segment = gst::FormattedSegment::<gst::format::Bytes>::new();
    segment.set_start(gst::format::Bytes::from_u64(start));
    assert!(harness.push_event(gst::event::Segment::new(&segment)));
}

#[test]
fn a_segment_in_bytes_is_a_seek() {
    let folder = Folder::new();
    let (mut harness, target) = harness(&folder);
    push(&mut harness, b"....middle");
    segment(&mut harness, 0);
    push(&mut harness, b"head");
    segment(&mut harness, 10);
    push(&mut harness, b"tail");
    assert!(harness.push_event(gst::event::Eos::new()));
    assert_eq!(std::fs::read(target).unwrap(), b"headmiddletail");
}

#[test]
fn a_flush_begins_the_file_again_and_leaves_one_that_is_in_place() {
    let folder = Folder::new();
    let (mut harness, target) = harness(&folder);
    let flush = |harness: &mut gst_check::Harness| {
        harness.push_event(gst::event::FlushStart::new());
        harness.push_event(gst::event::FlushStop::new(true));
        segment(harness, 0);
    };
    push(&mut harness, b"a first part that is dropped");
    flush(&mut harness);
    push(&mut harness, b"first");
    assert!(harness.push_event(gst::event::Eos::new()));
    assert_eq!(std::fs::read(&target).unwrap(), b"first");
    flush(&mut harness);
    push(&mut harness, b"2nd");
    assert_eq!(std::fs::read(&target).unwrap(), b"first");
    assert!(harness.push_event(gst::event::Eos::new()));
    assert_eq!(std::fs::read(&target).unwrap(), b"2nd");
    assert_eq!(folder.names(), ["a.bin"]);
}

#[test]
fn the_location_stays_while_a_file_is_written() {
    let folder = Folder::new();
    let (mut harness, target) = harness(&folder);
    push(&mut harness, b"whole");
    let sink = harness.element().unwrap();
    let other = folder.path("b.bin");
    sink.set_property("location", other.to_str().unwrap());
    assert!(harness.push_event(gst::event::Eos::new()));
    drop(harness);
    assert!(target.exists() && !other.exists());
}

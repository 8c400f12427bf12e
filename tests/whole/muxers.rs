// SPDX-License-Identifier: MPL-2.0
//! What muxers write, those that go back to their header included.

use gst::prelude::*;

use crate::rig::{CONTAINERS, FRAMES, Folder, SOURCE, frames, pipeline, play};

#[test]
fn every_muxer_writes_a_whole_file_that_is_there_at_eos() {
    for container in CONTAINERS {
        let folder = Folder::new();
        let name = format!("a.{}", container.extension);
        let target = folder.path(&name);
        let pipeline = pipeline(&format!(
            "{SOURCE} ! {} ! wholefilesink name=sink location={}",
            container.stream,
            target.display()
        ));
        let (early, sink) = (target.clone(), pipeline.by_name("sink").unwrap());
        let pad = sink.static_pad("sink").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            assert!(!early.exists());
            gst::PadProbeReturn::Ok
        });
        let end = play(&pipeline);
        assert_eq!(end, Ok(()), "{name}");
        assert_eq!(folder.names(), std::slice::from_ref(&name));
        assert_eq!(frames(&target), Ok(FRAMES), "{name}");
    }
}

#[test]
fn a_header_that_is_written_at_the_end_has_its_place_at_the_beginning() {
    // The muxers do the same for any sink that lets them go back.
    let folder = Folder::new();
    let (ours, plain) = (folder.path("ours.mkv"), folder.path("plain.mkv"));
    let stream = "vp8enc deadline=1 ! matroskamux";
    for (sink, path) in [("wholefilesink", &ours), ("filesink", &plain)] {
        let pipeline = pipeline(&format!(
            "{SOURCE} ! {stream} ! {sink} location={}",
            path.display()
        ));
        assert_eq!(play(&pipeline), Ok(()));
    }
    let (ours, plain) = (std::fs::read(ours).unwrap(), std::fs::read(plain).unwrap());
    assert_eq!(ours.len(), plain.len());
    // The muxer makes some of the bytes (an identifier, the date) anew each time.
    let different = ours.iter().zip(&plain).filter(|(a, b)| a != b).count();
    assert!(different < 64, "{different} of {} bytes differ", ours.len());
}

#[test]
fn muxers_are_told_that_they_can_go_back_by_bytes() {
    let pipeline = pipeline("fakesrc ! wholefilesink name=sink");
    let sink = pipeline.by_name("sink").unwrap();
    let sink = sink.static_pad("sink").unwrap();
    let mut query = gst::query::Seeking::new(gst::Format::Bytes);
    assert!(sink.query(&mut query) && query.result().0);
    let mut query = gst::query::Seeking::new(gst::Format::Time);
    assert!(sink.query(&mut query) && !query.result().0);
}

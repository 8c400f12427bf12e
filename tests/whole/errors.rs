// SPDX-License-Identifier: MPL-2.0
//! EOS after an error is no end.

use gst::prelude::*;
use support::Launch;

use crate::rig::{FRAMES, Folder, SOURCE, frames, pipeline, play};

/// An element posts an error, and the source pushes EOS because of it: with filesink the
/// muxer closes a short file that looks complete.
const FOREIGN: &str = "vp8enc deadline=1 ! identity error-after=10 ! matroskamux";

/// A pipeline whose sink, named "sink", does not wait for PLAYING: after an error that comes
/// before it plays, a pipeline may never play.
fn without_preroll(description: &str) -> gst::Pipeline {
    let pipeline = pipeline(description);
    let sink = pipeline.by_name("sink").unwrap();
    sink.set_property("async", false);
    pipeline
}

fn until_eos(description: &str) -> gst::Pipeline {
    let pipeline = without_preroll(description);
    let sink = pipeline.by_name("sink").unwrap();
    let (send, receive) = std::sync::mpsc::channel();
    let pad = sink.static_pad("sink").unwrap();
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if info
            .event()
            .is_some_and(|event| event.type_() == gst::EventType::Eos)
        {
            let _ = send.send(());
        }
        gst::PadProbeReturn::Ok
    });
    let _ = pipeline.set_state(gst::State::Playing);
    receive
        .recv_timeout(std::time::Duration::from_secs(60))
        .unwrap();
    pipeline
}

#[test]
fn an_error_of_a_foreign_element_keeps_the_target_as_it_was() {
    for before in [None, Some("before")] {
        for bin in [false, true] {
            let folder = Folder::new();
            let target = folder.path("a.mkv");
            if let Some(before) = before {
                std::fs::write(&target, before).unwrap();
            }
            let chain = if bin {
                format!("bin.( {FOREIGN} )")
            } else {
                FOREIGN.to_owned()
            };
            let pipeline = until_eos(&format!(
                "{SOURCE} ! {chain} ! queue ! wholefilesink name=sink location={}",
                target.display()
            ));
            pipeline.set_state(gst::State::Null).unwrap();
            let now = std::fs::read_to_string(&target).ok();
            assert_eq!(now.as_deref(), before);
            assert_eq!(folder.names().len(), usize::from(before.is_some()));
        }
    }
}

#[test]
fn what_is_not_whole_can_be_kept_under_a_name_that_says_so() {
    let folder = Folder::new();
    let pipeline = until_eos(&format!(
        "{SOURCE} ! {FOREIGN} ! wholefilesink name=sink keep-partial=true location={}",
        folder.path("a.mkv").display()
    ));
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(folder.names(), ["a.mkv.codecwatch-partial"]);
    // Closed by the muxer.
    let kept = frames(&folder.path("a.mkv.codecwatch-partial")).unwrap();
    assert!(0 < kept && kept < FRAMES, "{kept}");
}

#[test]
fn a_pipeline_that_works_again_after_an_error_writes_its_file() {
    let folder = Folder::new();
    let target = folder.path("a.mkv");
    let pipeline = until_eos(&format!(
        "{SOURCE} ! vp8enc deadline=1 ! identity name=identity error-after=10 ! matroskamux \
         ! wholefilesink name=sink location={}",
        target.display()
    ));
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(!target.exists());
    pipeline
        .by_name("identity")
        .unwrap()
        .set_property("error-after", -1);
    assert_eq!(play(&pipeline), Ok(()));
    assert_eq!(frames(&target), Ok(FRAMES));
}

/// With `eos-after-failure` EOS comes before the error.
fn after_failure(sink: &str) -> String {
    format!(
        "{SOURCE} ! codecwatch codec=\"vp8enc deadline=1 ! wedge at=chain how=message number=10\" \
         eos-after-failure=true ! queue ! matroskamux ! queue ! {sink}"
    )
}

#[test]
fn an_eos_that_comes_before_its_error_is_no_end_either() {
    let folder = Folder::new();
    let plain = folder.path("plain.mkv");
    let _ = play(&pipeline(&after_failure(&format!(
        "filesink location={}",
        plain.display()
    ))));
    let target = folder.path("a.mkv");
    let sink = format!("wholefilesink name=sink location={}", target.display());
    let pipeline = until_eos(&after_failure(&sink));
    let end = crate::rig::wait(&pipeline.bus().unwrap());
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(end.is_err());
    assert_eq!(folder.names(), ["plain.mkv"]);
}

#[test]
fn an_element_that_failed_is_seen_where_the_application_drops_the_messages() {
    let folder = Folder::new();
    let target = folder.path("a.mkv");
    let sink = format!("wholefilesink name=sink location={}", target.display());
    for (stream, whole) in [
        (after_failure(&sink), false),
        (
            format!("{SOURCE} ! vp8enc deadline=1 ! matroskamux ! {sink}"),
            true,
        ),
    ] {
        let pipeline = without_preroll(&stream);
        let (send, receive) = std::sync::mpsc::channel();
        // As a bus that is read as a stream does.
        pipeline.bus().unwrap().set_sync_handler(move |_, message| {
            let _ = send.send(message.to_owned());
            gst::BusSyncReply::Drop
        });
        let _ = pipeline.set_state(gst::State::Playing);
        loop {
            let message = receive
                .recv_timeout(std::time::Duration::from_secs(60))
                .unwrap();
            match message.type_() {
                gst::MessageType::Eos if whole => break,
                // The sink says why the file is not there when EOS has arrived.
                gst::MessageType::Warning if !whole => break,
                gst::MessageType::Eos => panic!("EOS after a failure"),
                _ => {}
            }
        }
        pipeline.set_state(gst::State::Null).unwrap();
        assert_eq!(target.exists(), whole);
    }
}

#[test]
fn a_recording_that_is_closed_after_a_wedge_is_not_put_in_place() {
    let folder = Folder::new();
    let launch = |sink: &str| {
        let description = format!(
            "videotestsrc num-buffers=60 ! video/x-raw,width=160,height=120,framerate=30/1 \
             ! svtav1watchenc preset=12 drain-timeout=1000000000 eos-after-failure=true \
             ! matroskamux ! {sink}"
        );
        Launch::pipeline(&description)
            .rehearse("svt_av1_enc_get_packet:hang@flush")
            .run()
    };
    let target = folder.path("a.mkv");
    let run = launch(&format!(
        "wholefilesink keep-partial=true location={}",
        target.display()
    ));
    assert_eq!(run.code(), 1, "{}", run.text());
    assert!(run.says("WatchdogAbandoned"), "{}", run.text());
    assert_eq!(folder.names(), ["a.mkv.codecwatch-partial"]);
    // What the option is for.
    assert!(frames(&folder.path("a.mkv.codecwatch-partial")).unwrap() > 0);
}

#[test]
fn a_stop_before_eos_leaves_nothing() {
    let folder = Folder::new();
    let pipeline = pipeline(&format!(
        "videotestsrc ! vp8enc deadline=1 ! matroskamux ! wholefilesink name=sink location={}",
        folder.path("a.mkv").display()
    ));
    pipeline.set_state(gst::State::Playing).unwrap();
    let sink = pipeline.by_name("sink").unwrap();
    while sink
        .query_position::<gst::format::Bytes>()
        .is_none_or(|bytes| *bytes < 20_000)
    {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(folder.names(), ["a.mkv.codecwatch-partial"]);
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(folder.names(), Vec::<String>::new());
}

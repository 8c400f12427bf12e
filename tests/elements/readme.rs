// SPDX-License-Identifier: MPL-2.0
//! What the README and docs/ELEMENTS.md promise, as it is written there.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::time::Duration;

use gst::prelude::*;
use support::{Launch, media};

const README: &str = include_str!("../../README.md");

/// The pipelines of the README that read `in.mkv`.
fn transcodes() -> Vec<String> {
    let joined = README.replace("\\\n", " ");
    joined
        .lines()
        .filter_map(|line| line.strip_prefix("    gst-launch-1.0 "))
        .filter(|pipeline| pipeline.contains("location=in.mkv"))
        .map(str::to_owned)
        .collect()
}

/// The bundled clip with sound.
fn write_clip_with_sound(file: &Path) {
    let run = Launch::pipeline(&format!(
        "matroskamux name=mux ! filesink location={} \
         filesrc location={} ! matroskademux ! av1parse ! queue ! mux.video_0 \
         audiotestsrc num-buffers=264 samplesperbuffer=960 ! audio/x-raw,rate=48000,channels=2 \
         ! opusenc ! queue max-size-buffers=0 max-size-time=0 ! mux.audio_0",
        file.display(),
        media::clip().display()
    ))
    .run();
    assert_eq!(run.code(), 0, "{}", run.text());
}

#[test]
fn the_transcode_with_audio_runs_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    write_clip_with_sound(&folder.path().join("in.mkv"));
    let [pipeline] = &transcodes()[..] else {
        panic!("one pipeline: {:?}", transcodes());
    };
    let run = Launch::pipeline(pipeline).in_folder(folder.path()).run();
    assert_eq!(run.code(), 0, "{}", run.text());
    let played = Launch::pipeline(
        "filesrc location=out.mp4 ! qtdemux name=demux \
         demux.video_0 ! queue ! video/x-av1 ! fakesink \
         demux.audio_0 ! queue ! audio/x-opus ! fakesink",
    )
    .in_folder(folder.path())
    .run();
    assert_eq!(played.code(), 0, "{}", played.text());
}

/// What makes the queue sizes of that pipeline necessary.
#[test]
fn the_same_transcode_with_default_queues_stalls() {
    let folder = tempfile::tempdir().unwrap();
    write_clip_with_sound(&folder.path().join("in.mkv"));
    let pipeline = transcodes()[0].replace("max-size-buffers=0 max-size-time=0", "");
    let run = Launch::pipeline(&pipeline)
        .in_folder(folder.path())
        .bound(Duration::from_secs(10))
        .start()
        .end();
    assert!(run.killed, "the README asks for too much: {}", run.text());
}

#[test]
fn both_elements_rank_below_every_other_that_does_the_same() {
    support::init();
    for (name, others) in [
        ("svtav1watchenc", &["av1enc", "svtav1enc", "rav1enc"][..]),
        (
            "dav1dwatchdec",
            &["av1dec", "dav1ddec", "avdec_libdav1d", "vaav1dec"][..],
        ),
    ] {
        let rank = gst::ElementFactory::find(name).unwrap().rank();
        assert_eq!(rank, gst::Rank::MARGINAL, "{name}");
        for other in others {
            if let Some(other) = gst::ElementFactory::find(other) {
                assert!(rank < other.rank(), "{}", other.name());
            }
        }
    }
    let run = Launch::program("gst-inspect-1.0")
        .args(["dav1dwatchdec"])
        .run();
    assert!(run.says("marginal (64)"), "{}", run.text());
}

/// Whether decodebin takes `dav1dwatchdec`, with these ranks.
fn decodebin_takes_it(ranks: &str) -> bool {
    let run = Launch::pipeline(&format!(
        "-v filesrc location={} ! decodebin ! fakesink",
        media::clip().display()
    ))
    .env("GST_PLUGIN_FEATURE_RANK", ranks)
    .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    run.says("GstDav1dWatchDec")
}

#[test]
fn decodebin_takes_the_decoder_where_there_is_no_other_or_where_it_is_told_to() {
    assert!(decodebin_takes_it("dav1dwatchdec:MAX"));
    assert!(decodebin_takes_it(
        "av1dec:NONE,dav1ddec:NONE,avdec_libdav1d:NONE,avdec_av1:NONE,vaav1dec:NONE,vaapiav1dec:NONE"
    ));
    support::init();
    if gst::ElementFactory::find("av1dec").is_some() {
        assert!(!decodebin_takes_it(""));
    }
}

// SPDX-License-Identifier: MPL-2.0
//! What `svtav1watchenc` encodes decodes to the same pictures as what
//! `SvtAv1EncApp` encodes at equal settings, and every frame of the clip keeps
//! its time.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use gst::prelude::*;
use support::{Launch, media};

const SUITE: &str = "svtav1watchenc_conformance";

/// The clip as raw video: 182 MB, which go away with the folder.
fn raw(folder: &Path) -> PathBuf {
    let obu = folder.join("clip.obu");
    let y4m = folder.join("clip.y4m");
    let run = Launch::pipeline(&format!(
        "filesrc location={} ! matroskademux ! av1parse \
         ! video/x-av1,stream-format=obu-stream,alignment=tu ! filesink location={}",
        media::clip().display(),
        obu.display()
    ))
    .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    let run = Launch::program("dav1d")
        .args(["-q", "-i"])
        .args([&obu])
        .args(["-o"])
        .args([&y4m])
        .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    y4m
}

fn md5(stream: &Path) -> String {
    let run = Launch::program("dav1d")
        .args(["-q", "--muxer", "md5", "-o", "-", "-i"])
        .args([stream])
        .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    run.text()
}

fn installed(program: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|folder| folder.join(program).exists())
}

fn same_pictures(preset: u32, low_delay: bool) {
    if !installed("SvtAv1EncApp") || !installed("dav1d") {
        return support::skip(SUITE, "SvtAv1EncApp or dav1d is not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    let raw = raw(folder.path());
    let (ours, theirs) = (
        folder.path().join("ours.obu"),
        folder.path().join("theirs.ivf"),
    );
    let run = Launch::pipeline(&format!(
        "filesrc location={} ! y4mdec ! svtav1watchenc preset={preset} crf=35 \
         low-latency={low_delay} ! filesink location={}",
        raw.display(),
        ours.display()
    ))
    .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    let preset = preset.to_string();
    let run = Launch::program("SvtAv1EncApp")
        .args(["--preset", &preset, "--crf", "35", "--irefresh-type", "2"])
        .args(["--pred-struct", if low_delay { "1" } else { "2" }, "-i"])
        .args([&raw])
        .args(["-b"])
        .args([&theirs])
        .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    assert_eq!(md5(&ours), md5(&theirs));
}

#[test]
fn random_access_at_preset_8_gives_the_pictures_of_the_librarys_own_program() {
    same_pictures(8, false);
}

#[test]
fn random_access_at_preset_10_gives_the_pictures_of_the_librarys_own_program() {
    same_pictures(10, false);
}

#[test]
fn low_delay_at_preset_8_gives_the_pictures_of_the_librarys_own_program() {
    same_pictures(8, true);
}

#[test]
fn low_delay_at_preset_10_gives_the_pictures_of_the_librarys_own_program() {
    same_pictures(10, true);
}

#[test]
fn all_frames_of_the_clip_come_out_at_their_times_with_a_sync_point_per_key_frame() {
    support::init();
    let pipeline = gst::parse::launch(&format!(
        "filesrc location={} ! matroskademux ! av1parse ! av1dec ! svtav1watchenc preset=12 \
         intra-period-length=49 ! appsink name=out sync=false",
        media::clip().display()
    ))
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let out = pipeline
        .by_name("out")
        .unwrap()
        .downcast::<gst_app::AppSink>()
        .unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let (mut times, mut keys) = (Vec::new(), Vec::new());
    while let Ok(sample) = out.pull_sample() {
        let buffer = sample.buffer().unwrap();
        if !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT) {
            keys.push(times.len());
        }
        times.push(buffer.pts().unwrap().mseconds());
    }
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(
        times,
        (0..132).map(|number| 40 * number).collect::<Vec<u64>>()
    );
    assert_eq!(keys, [0, 50, 100]);
}

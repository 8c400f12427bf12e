// SPDX-License-Identifier: MPL-2.0
//! What `dav1dwatchdec` decodes is bit for bit what dav1d's own tool decodes: for
//! a set of streams that use what AV1 has, generated here with `aomenc` and
//! `SvtAv1EncApp`, and for the bundled clip out of every container.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../crates/dav1d/tests/common/mod.rs"]
mod streams;

use std::path::{Path, PathBuf};

use streams::{decode::reference_md5, ivf, mkv, set::SET, sources::Source};
use support::pictures::{Downstream, info, md5, play};
use support::{Launch, media};

const SUITE: &str = "dav1dwatchdec_conformance";

/// One frame at a time; two; three.
const THREADS: [u32; 3] = [1, 2, 5];

fn ivf_file(folder: &Path, name: &str, units: &[Vec<u8>]) -> PathBuf {
    let path = folder.join(format!("{name}.ivf"));
    std::fs::write(&path, ivf::write(units)).unwrap();
    path
}

/// Decodes with several numbers of threads, into any layout and into the plain
/// one, out of every framing; and compares with dav1d's tool.
fn same_as_dav1d(name: &str, units: &[Vec<u8>]) {
    let Some(expected) = reference_md5(units, &["--alllayers", "0"]) else {
        return support::skip(SUITE, &format!("{name}: there is no dav1d"));
    };
    let folder = tempfile::tempdir().unwrap();
    let source = format!(
        "filesrc location={} ! ivfparse ! av1parse",
        ivf_file(folder.path(), name, units).display()
    );
    // dav1d's sum of monochrome pictures is that of their luma.
    let planes = if name.starts_with("mono") { 1 } else { 3 };
    let check = |what: &str, description: String, downstream| {
        let played = play(&description, downstream);
        assert!(
            played.complete && played.complaints.is_empty(),
            "{name}, {what}: {:?}",
            played.complaints
        );
        assert_eq!(md5(&played.samples, planes), expected, "{name}, {what}");
    };
    for threads in THREADS {
        check(
            &format!("{threads} threads"),
            format!("{source} ! dav1dwatchdec n-threads={threads}"),
            Downstream::TakesVideoMeta,
        );
    }
    check(
        "a copy",
        format!("{source} ! dav1dwatchdec"),
        Downstream::TakesPlain,
    );
    for framing in [
        "stream-format=obu-stream,alignment=frame",
        "stream-format=annexb,alignment=tu",
    ] {
        check(
            framing,
            format!("{source} ! video/x-av1,{framing} ! dav1dwatchdec"),
            Downstream::TakesVideoMeta,
        );
    }
}

/// A stream that the installed encoders do not make (aomenc 3.12 neither takes
/// 4:2:2 or 4:4:4 of 12 bits nor, in a build with asserts, monochrome). The test
/// is not skipped: the others are compared.
fn left_out(name: &str) {
    println!("{name} cannot be encoded here");
}

#[test]
fn every_generated_stream_decodes_as_with_dav1ds_tool() {
    let mut compared = 0;
    for case in SET {
        match case.encode() {
            Some(units) => {
                same_as_dav1d(case.name, &units);
                compared += 1;
            }
            None => left_out(case.name),
        }
    }
    if compared == 0 {
        support::skip(SUITE, "there is no encoder");
    }
}

#[test]
fn a_stream_that_changes_its_size_decodes_as_with_dav1ds_tool() {
    let encode = |source: Source| streams::Encoder::Aomenc.encode("size change", &source, &[]);
    let (Some(mut units), Some(larger)) = (
        encode(Source::new(160, 96, 12)),
        encode(Source::new(202, 118, 8)),
    ) else {
        return support::skip(SUITE, "there is no aomenc");
    };
    units.extend(larger);
    same_as_dav1d("size-change", &units);
}

#[test]
fn each_format_is_told_by_its_name() {
    let expected = [
        ("420-8", "I420"),
        ("420-10", "I420_10LE"),
        ("420-12", "I420_12LE"),
        ("422-8", "Y42B"),
        ("422-10", "I422_10LE"),
        ("422-12", "I422_12LE"),
        ("444-8", "Y444"),
        ("444-10", "Y444_10LE"),
        ("444-12", "Y444_12LE"),
        ("gbr-8", "GBR"),
        ("gbr-10", "GBR_10LE"),
        ("gbr-12", "GBR_12LE"),
        ("mono-8", "GRAY8"),
        ("mono-10", "I420_10LE"),
        ("mono-12", "I420_12LE"),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, format) in expected {
        let case = SET.iter().find(|case| case.name == name).unwrap();
        let Some(units) = case.encode() else {
            left_out(name);
            continue;
        };
        let file = ivf_file(folder.path(), name, &units);
        let played = play(
            &format!(
                "filesrc location={} ! ivfparse ! av1parse ! dav1dwatchdec",
                file.display()
            ),
            Downstream::TakesVideoMeta,
        );
        assert_eq!(info(&played.samples[0]).format().to_str(), format, "{name}");
    }
}

/// The clip, in other containers.
fn containers(folder: &Path) -> Vec<(&'static str, PathBuf)> {
    let units = mkv::blocks(&std::fs::read(media::clip()).unwrap());
    let obu = folder.join("clip.obu");
    std::fs::write(&obu, units.concat()).unwrap();
    let mp4 = folder.join("clip.mp4");
    let run = Launch::pipeline(&format!(
        "filesrc location={} ! matroskademux ! av1parse ! mp4mux ! filesink location={}",
        media::clip().display(),
        mp4.display()
    ))
    .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    vec![
        ("mkv", media::clip()),
        ("mp4", mp4),
        ("ivf", ivf_file(folder, "clip", &units)),
        ("obu", obu),
    ]
}

#[test]
fn decodebin_takes_it_by_rank_for_every_container() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("out.yuv");
    for (kind, file) in containers(folder.path()) {
        // GStreamer before 1.26 does not recognise raw OBUs by themselves.
        let decodebin = if kind == "obu" {
            "av1parse ! video/x-av1,stream-format=obu-stream,alignment=tu ! decodebin"
        } else {
            "decodebin"
        };
        let run = Launch::pipeline(&format!(
            "-v filesrc location={} ! {decodebin} ! filesink location={}",
            file.display(),
            raw.display()
        ))
        .env("GST_PLUGIN_FEATURE_RANK", "dav1dwatchdec:MAX")
        .run();
        assert_eq!(run.code(), 0, "{kind}: {}", run.text());
        assert!(run.says("GstDav1dWatchDec:dav1dwatchdec0"), "{kind}");
        let mut sum = <md5::Md5 as md5::Digest>::new();
        md5::Digest::update(&mut sum, std::fs::read(&raw).unwrap());
        let sum = md5::Digest::finalize(sum);
        let hex: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "3e859ad64376b4acfd0c9305c2c594c1", "{kind}");
    }
}

#[test]
fn the_filters_and_the_grain_are_switched_as_with_dav1ds_tool() {
    let source = Source::new(160, 96, 12);
    let arguments = ["--film-grain-test=2", "--lag-in-frames=19"];
    let Some(units) = streams::Encoder::Aomenc.encode("switches", &source, &arguments) else {
        return support::skip(SUITE, "there is no aomenc");
    };
    let folder = tempfile::tempdir().unwrap();
    let file = ivf_file(folder.path(), "switched", &units);
    let mut sums = Vec::new();
    for (properties, options) in [
        ("", ["--filmgrain", "1"]),
        ("apply-grain=false", ["--filmgrain", "0"]),
        ("inloop-filters=deblock", ["--inloopfilters", "deblock"]),
        ("inloop-filters=cdef", ["--inloopfilters", "cdef"]),
    ] {
        let Some(expected) = reference_md5(&units, &options) else {
            return support::skip(SUITE, "there is no dav1d");
        };
        let played = play(
            &format!(
                "filesrc location={} ! ivfparse ! av1parse ! dav1dwatchdec {properties}",
                file.display()
            ),
            Downstream::TakesVideoMeta,
        );
        assert_eq!(md5(&played.samples, 3), expected, "{properties}");
        sums.push(expected);
    }
    sums.dedup();
    assert_eq!(sums.len(), 4, "a switch does nothing");
}

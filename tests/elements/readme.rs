// SPDX-License-Identifier: MPL-2.0
//! What the README and other documents promise, as it is written there.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
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

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// What stands between backticks.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Thread and crate.
type Stay = (String, String);
/// File and function.
type Function = (String, String);

/// The table of the way of a frame.
fn way_of_a_frame() -> (Vec<Stay>, BTreeSet<Function>) {
    let page = include_str!("../../docs/ARCHITECTURE.md");
    let (_, table) = page
        .split_once("| thread | crate | file: functions |")
        .unwrap();
    let (mut stays, mut functions) = (Vec::new(), BTreeSet::new());
    let mut thread = "";
    for row in table.lines().skip(2).take_while(|row| row.starts_with('|')) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [named, place, way] = cells[..] else {
            panic!("three cells: {row}");
        };
        if !named.is_empty() {
            thread = named;
        }
        let folder = match place {
            "element" => "crates/element/src",
            "supervisor" => "crates/supervisor/src",
            "codec" => "crates/svtav1/src",
            "plugin" => "plugins/svtav1watch/src/encoder",
            other => panic!("no folder for the crate {other}"),
        };
        stays.push((thread.to_owned(), place.to_owned()));
        let mut file = None;
        for name in names(way) {
            if name.ends_with(".rs") {
                file = Some(format!("{folder}/{name}"));
            } else {
                let function = name.rsplit("::").next().unwrap().to_owned();
                functions.insert((file.clone().unwrap(), function));
            }
        }
    }
    (stays, functions)
}

#[test]
fn each_function_on_the_way_of_a_frame_is_in_its_file_and_they_are_counted() {
    let (stays, functions) = way_of_a_frame();
    for (file, function) in &functions {
        let code = std::fs::read_to_string(root().join(file)).expect(file);
        let is_here = ["(", "<"].map(|next| code.contains(&format!("fn {function}{next}")));
        assert!(is_here.contains(&true), "{file} has no {function}");
    }
    let files: BTreeSet<_> = functions.iter().map(|(file, _)| file).collect();
    let crossings = stays
        .windows(2)
        .filter(|pair| pair[0].0 == pair[1].0 && pair[0].1 != pair[1].1);
    let counted = format!(
        "These are {} files, {} functions and {} crossings between crates.",
        files.len(),
        functions.len(),
        crossings.count()
    );
    let page = include_str!("../../docs/ARCHITECTURE.md");
    assert!(page.contains(&counted), "{counted}");
}

/// Files of a codec, CODEC, are there for those that we have.
#[test]
fn each_file_that_is_to_be_changed_for_an_addition_exists() {
    let page = include_str!("../../CONTRIBUTING.md");
    let rows = page.lines().filter(|row| row.starts_with('|'));
    let cells = rows.filter_map(|row| row.trim_matches('|').split('|').next());
    let mut seen = 0;
    for cell in cells {
        let mut folder = "";
        for name in names(cell) {
            // A bare name is beside the file before it.
            let path = match name.rsplit_once('/') {
                Some((before, _)) => {
                    folder = before;
                    name.to_owned()
                }
                None if root().join(name).exists() => name.to_owned(),
                None => format!("{folder}/{name}"),
            };
            let exist = |placeholder, names: [&str; 2]| {
                let mut paths = names.iter().map(|name| path.replace(placeholder, name));
                paths.all(|path| root().join(path).exists())
            };
            let found = exist("CODEC", ["svtav1", "dav1d"])
                || exist("CODECwatch", ["svtav1watchenc", "dav1dwatchdec"]);
            assert!(found, "{path} in the row {cell}");
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen}");
}

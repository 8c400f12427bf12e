// SPDX-License-Identifier: MPL-2.0
//! The pictures are bit for bit those of dav1d's own tool.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test"
)]

mod common;

use std::{path::Path, process::Command};

use codecwatch_av1::{AnnexB, obus};
use codecwatch_dav1d::{Chroma, Config, InloopFilters};
use common::{
    Encoder,
    decode::{decode_with, reference_md5},
    md5, mkv,
    set::{SET, generate},
    skip,
    sources::Source,
    surgery, tool,
};

/// One frame at a time; two; three (see `frame_delay`).
const THREADS: [u32; 3] = [1, 2, 5];

const SMALL: Source = Source::new(160, 96, 12);

/// Decodes with several numbers of threads, and compares with dav1d's tool,
/// given these arguments.
fn same_as_dav1d(case: &str, units: &[Vec<u8>], settings: &Config, arguments: &[&str]) {
    let arguments = [&["--alllayers", "0"], arguments].concat();
    let Some(expected) = reference_md5(units, &arguments) else {
        return skip(case, "dav1d");
    };
    for threads in THREADS {
        let decoded = decode_with(settings, threads, units);
        assert_eq!(decoded.damaged, [], "{case}, {threads} threads");
        assert_eq!(
            md5(&decoded.pictures),
            expected,
            "{case}, {threads} threads"
        );
    }
}

fn encoded(case: &str, source: &Source, arguments: &[&str]) -> Option<Vec<Vec<u8>>> {
    Encoder::Aomenc.encode(case, source, arguments)
}

#[test]
fn every_generated_stream_decodes_as_with_dav1ds_tool() {
    for (case, units) in generate(SET) {
        same_as_dav1d(case, &units, &Config::default(), &[]);
    }
}

#[test]
fn formats_come_out_as_they_were_encoded() {
    let shape = |name: &str| {
        let case = SET.iter().find(|case| case.name == name).unwrap();
        let units = case.encode()?;
        Some(*decode_with(&Config::default(), 1, &units).pictures[0].shape())
    };
    let expected = [
        ("mono-12", Chroma::Monochrome, 12, false),
        ("420-10", Chroma::Yuv420, 10, false),
        ("422-8", Chroma::Yuv422, 8, false),
        ("444-12", Chroma::Yuv444, 12, false),
        ("gbr-8", Chroma::Yuv444, 8, true),
        ("gbr-10", Chroma::Yuv444, 10, true),
        ("gbr-12", Chroma::Yuv444, 12, true),
    ];
    for (name, chroma, bit_depth, gbr) in expected {
        let Some(shape) = shape(name) else { continue };
        assert_eq!(
            (shape.chroma, shape.bit_depth, shape.is_gbr()),
            (chroma, bit_depth, gbr),
            "{name}"
        );
    }
}

#[test]
fn single_obus_decode_like_whole_units() {
    let Some(units) = encoded("single OBUs", &SMALL, &["--num-tile-groups=2"]) else {
        return;
    };
    let pieces: Vec<_> = units
        .iter()
        .flat_map(|unit| obus(unit).flatten())
        .map(|obu| obu.bytes.to_vec())
        .collect();
    assert!(pieces.len() > units.len());
    for threads in THREADS {
        let [whole, pieces] =
            [&units, &pieces].map(|units| decode_with(&Config::default(), threads, units));
        assert_eq!(md5(&pieces.pictures), md5(&whole.pictures));
        assert_eq!(pieces.damaged, []);
    }
}

#[test]
fn every_picture_of_a_stream_that_changes_size_has_its_own_size() {
    let [Some(mut units), Some(larger)] =
        [SMALL, Source::new(202, 118, 8)].map(|source| encoded("size change", &source, &[]))
    else {
        return;
    };
    units.extend(larger);
    same_as_dav1d("size change", &units, &Config::default(), &[]);
    let decoded = decode_with(&Config::default(), 5, &units);
    let sizes: Vec<_> = decoded
        .pictures
        .iter()
        .map(|picture| picture.shape().width)
        .collect();
    assert_eq!(sizes, [[160; 12].as_slice(), &[202; 8]].concat());
}

#[test]
fn the_highest_spatial_layer_comes_out_unless_asked_otherwise() {
    let key_frames = |quality| {
        let arguments = [
            "--kf-max-dist=0",
            "--kf-min-dist=0",
            "--end-usage=q",
            quality,
        ];
        encoded("spatial layers", &SMALL, &arguments)
    };
    let [Some(lower), Some(upper)] = ["--cq-level=55", "--cq-level=20"].map(key_frames) else {
        return;
    };
    let units = surgery::layers(&lower, &upper);
    let md5_of = |config: &Config, units: &[Vec<u8>]| md5(&decode_with(config, 2, units).pictures);
    let conformant = Config::default();

    same_as_dav1d("highest layer", &units, &conformant, &[]);
    assert_eq!(md5_of(&conformant, &units), md5_of(&conformant, &upper));

    let lowest = Config {
        operating_point: 1,
        ..Config::default()
    };
    same_as_dav1d("operating point 1", &units, &lowest, &["--oppoint", "1"]);
    assert_eq!(md5_of(&lowest, &units), md5_of(&conformant, &lower));
}

#[test]
fn settings_do_what_the_options_of_dav1ds_tool_do() {
    let source = Source::new(160, 96, 30);
    let Some(units) = encoded(
        "settings",
        &source,
        &["--film-grain-test=2", "--lag-in-frames=19"],
    ) else {
        return;
    };
    let default = Config::default();
    let none = InloopFilters {
        deblock: false,
        cdef: false,
        restoration: false,
    };
    let cases = [
        (
            Config {
                inloop_filters: none,
                ..default.clone()
            },
            ["--inloopfilters", "none"],
        ),
        (
            Config {
                apply_grain: false,
                ..default.clone()
            },
            ["--filmgrain", "0"],
        ),
    ];
    let conformant = md5(&decode_with(&default, 1, &units).pictures);
    for (settings, arguments) in cases {
        same_as_dav1d(arguments[0], &units, &settings, &arguments);
        assert_ne!(
            md5(&decode_with(&settings, 1, &units).pictures),
            conformant,
            "{arguments:?} does something"
        );
    }
}

#[test]
fn annex_b_decodes_like_the_low_overhead_format() {
    let (Some(aomenc), Some(expected)) = (tool("aomenc"), encoded("Annex B", &SMALL, &[])) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let [raw, coded] = ["in.y4m", "out.obu"].map(|name| folder.path().join(name));
    std::fs::write(&raw, SMALL.y4m()).unwrap();
    let mut command = Command::new(aomenc);
    command.args([
        "--obu",
        "--annexb=1",
        "--cpu-used=8",
        "--threads=1",
        "--quiet",
        "-o",
    ]);
    assert!(command.arg(&coded).arg(&raw).status().unwrap().success());

    let mut units = Vec::new();
    let mut annex_b = AnnexB::new();
    for piece in std::fs::read(coded).unwrap().chunks(1000) {
        annex_b.push(piece, |unit| units.push(unit)).unwrap();
    }
    annex_b.finish().unwrap();
    assert_eq!(units.len(), expected.len());
    let [converted, expected] =
        [units, expected].map(|units| md5(&decode_with(&Config::default(), 2, &units).pictures));
    assert_eq!(converted, expected);
}

#[test]
fn the_bundled_clip_decodes_as_with_dav1ds_tool() {
    let clip = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/media/bbb-720p25.mkv");
    let Ok(file) = std::fs::read(&clip) else {
        return skip("clip", "tests/media/bbb-720p25.mkv");
    };
    let units = mkv::blocks(&file);
    let decoded = decode_with(&Config::default(), 2, &units);
    assert_eq!(decoded.pictures.len(), 132);
    // What dav1d's tool makes of it; see tests/media/README.md.
    assert_eq!(md5(&decoded.pictures), "3e859ad64376b4acfd0c9305c2c594c1");
}

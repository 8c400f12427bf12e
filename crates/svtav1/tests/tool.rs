// SPDX-License-Identifier: MPL-2.0
//! Compares with the library's own tool: at equal settings, the same pictures.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use codecwatch_svtav1::{BitDepth, Config, Packet};

use support::{RATE, encode, frame, one_at_a_time, skip, within};

const PATIENCE: Duration = Duration::from_secs(60);
const FRAMES: usize = 10;

fn installed(tool: &str) -> bool {
    Command::new(tool).arg("--version").output().is_ok()
}

fn compare(preset: u8, low_delay: bool, ten_bit: bool) {
    for tool in ["SvtAv1EncApp", "dav1d"] {
        if !installed(tool) {
            return skip("comparison with the library's own tool", tool);
        }
    }
    let config = Config {
        bit_depth: if ten_bit {
            BitDepth::Ten
        } else {
            BitDepth::Eight
        },
        low_delay,
        preset,
        ..Config::new(320, 180, RATE)
    };
    let folder = tempfile::tempdir().unwrap();
    let ours = folder.path().join("ours.obu");
    let theirs = folder.path().join("theirs.ivf");
    let input = folder.path().join("input.y4m");
    write_video(&config, &input);
    let encoded = config.clone();
    write_stream(&within(PATIENCE, move || encode(&encoded, FRAMES)), &ours);
    let status = Command::new("SvtAv1EncApp")
        .arg("-i")
        .arg(&input)
        .arg("-b")
        .arg(&theirs)
        .args(["--preset", &preset.to_string()])
        .args(["--crf", "35", "--input-depth"])
        .arg(if ten_bit { "10" } else { "8" })
        .args(["--pred-struct", if low_delay { "1" } else { "2" }])
        .env("SVT_LOG", "-2")
        .output()
        .unwrap()
        .status;
    assert!(status.success());
    assert_eq!(
        decoded(&ours),
        decoded(&theirs),
        "preset {preset}, low delay {low_delay}, ten bits {ten_bit}"
    );
}

fn write_video(config: &Config, path: &Path) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    let format = match config.bit_depth {
        BitDepth::Eight => "420jpeg",
        BitDepth::Ten => "420p10 XYSCSS=420P10",
    };
    let (width, height) = (config.width, config.height);
    writeln!(file, "YUV4MPEG2 W{width} H{height} F30:1 Ip C{format}").unwrap();
    for number in 0..FRAMES {
        writeln!(file, "FRAME").unwrap();
        for plane in frame(config, number, 0).planes {
            file.write_all(&plane).unwrap();
        }
    }
}

fn write_stream(packets: &[Packet], path: &Path) {
    let mut file = File::create(path).unwrap();
    for packet in packets {
        file.write_all(&packet.data).unwrap();
    }
}

/// The checksum of the pictures.
fn decoded(stream: &Path) -> String {
    let output = Command::new("dav1d")
        .args(["-q", "--muxer", "md5", "-o", "-", "-i"])
        .arg(stream)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let checksum = String::from_utf8(output.stdout).unwrap();
    assert_eq!(checksum.trim().len(), 32);
    checksum
}

#[test]
fn streams_decode_to_the_same_pictures_as_those_of_the_librarys_own_tool() {
    let _turn = one_at_a_time();
    for preset in [8, 10] {
        for low_delay in [false, true] {
            compare(preset, low_delay, false);
        }
    }
    compare(10, false, true);
}

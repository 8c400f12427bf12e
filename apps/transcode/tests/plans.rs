// SPDX-License-Identifier: MPL-2.0
//! Impossible work is refused before a codec exists; what is odd is not.

use std::path::Path;

use crate::material::{MadeUp, film, patch, patch_duration};
use crate::rig::Folder;

const SECOND: u64 = 1_000_000_000;

fn vp8(caps: &str) -> String {
    format!("video/x-vp8,profile=(string)0,{caps}")
}

/// Five seconds at 25 frames per second.
fn plain(path: &Path) {
    MadeUp {
        muxer: "matroskamux",
        caps: &vp8("width=320,height=240,framerate=25/1"),
        frames: 125,
        step: SECOND / 25,
        bytes: 200,
    }
    .write(path);
}

/// A file of the IVF format, whose header says anything.
fn ivf(path: &Path, size: (u16, u16), rate: (u32, u32), frames: u32) {
    let mut bytes = b"DKIF\0\0\x20\0VP80".to_vec();
    bytes.extend(size.0.to_le_bytes());
    bytes.extend(size.1.to_le_bytes());
    for number in [rate.0, rate.1, frames, 0] {
        bytes.extend(number.to_le_bytes());
    }
    for number in 0..u64::from(frames) {
        bytes.extend(100_u32.to_le_bytes());
        bytes.extend(number.to_le_bytes());
        bytes.extend([0x10; 100]);
    }
    std::fs::write(path, bytes).unwrap();
}

/// The calls that open a codec, which the shim writes down.
const TRACE: &str = "svt_av1_enc_init_handle:trace,dav1d_open:trace,avcodec_open2:trace,\
     vpx_codec_dec_init_ver:trace,vpx_codec_enc_init_ver:trace,x264_encoder_open_164:trace";

fn refused(folder: &Folder, name: &str, more: &[&str], says: &str) {
    let path = folder.path(name);
    let name = path.to_str().unwrap();
    let log = folder.path("calls.log");
    let commands: [&[&str]; 2] = [&["plan", name], &["transcode", name, "out.mkv"]];
    for command in commands {
        let mut command = command.to_vec();
        command.extend(more);
        let run = folder
            .command(&command)
            .rehearse(TRACE)
            .env("CODECWATCH_REHEARSE_LOG", log.as_os_str())
            .run();
        assert_eq!(run.code(), 3, "{command:?}: {}", run.text());
        assert!(run.says(says), "{command:?}: {}", run.text());
        let calls = std::fs::read_to_string(&log).unwrap_or_default();
        assert!(calls.is_empty(), "{command:?} opened a codec: {calls}");
        println!("{:?} for {command:?}", run.took);
    }
    assert!(!folder.path("out.mkv").exists());
}

#[test]
fn durations_that_cannot_be_are_refused() {
    for (milliseconds, says) in [
        (f64::NAN, "no finite number"),
        (f64::INFINITY, "no finite number"),
        (f64::NEG_INFINITY, "no finite number"),
        (-5000.0, "negative"),
        (1e13, "duration"),
        (f64::MAX, "duration"),
        // Two months.
        (5e9, "--max-duration"),
        (3.6e6, "cannot hold"),
    ] {
        let folder = Folder::new();
        plain(&folder.path("in.mkv"));
        patch_duration(&folder.path("in.mkv"), milliseconds);
        refused(&folder, "in.mkv", &[], says);
    }
}

#[test]
fn sentinels_in_mp4_are_refused() {
    let folder = Folder::new();
    film(&folder.path("in.mp4"));
    let bytes = std::fs::read(folder.path("in.mp4")).unwrap();
    // All headers with a duration: of the movie, the tracks, the media.
    for (kind, at) in [(b"mvhd", 16), (b"tkhd", 20), (b"mdhd", 16)] {
        let mut from = 0;
        while let Some(found) = bytes[from..].windows(4).position(|window| window == kind) {
            let before = bytes[from + found..from + found + 4 + at].to_vec();
            patch(
                &folder.path("in.mp4"),
                &before,
                &0xffff_fffe_u32.to_be_bytes(),
            );
            from += found + 4;
        }
    }
    let run = folder.command(&["plan", "in.mp4"]).run();
    assert_eq!(run.code(), 3, "{}", run.text());
}

#[test]
fn pictures_and_rates_that_cannot_be_are_refused() {
    let folder = Folder::new();
    for (name, caps, says) in [
        (
            "huge.mkv",
            "width=100000,height=100000,framerate=25/1",
            "100000x100000",
        ),
        (
            "large.mkv",
            "width=60000,height=60000,framerate=25/1",
            "--max-pixels",
        ),
    ] {
        let caps = vp8(caps);
        let made = MadeUp {
            muxer: "matroskamux",
            caps: &caps,
            frames: 5,
            step: SECOND / 25,
            bytes: 100,
        };
        made.write(&folder.path(name));
        refused(&folder, name, &[], says);
    }
    ivf(&folder.path("fast.ivf"), (320, 240), (2_147_483_647, 1), 20);
    refused(&folder, "fast.ivf", &[], "2147483647/1");
}

#[test]
fn more_frames_than_are_allowed_are_refused_with_the_limit() {
    let folder = Folder::new();
    plain(&folder.path("in.mkv"));
    refused(&folder, "in.mkv", &["--max-frames", "100"], "--max-frames");
    refused(
        &folder,
        "in.mkv",
        &["--max-duration", "2s"],
        "--max-duration",
    );
    refused(&folder, "in.mkv", &["--max-pixels", "1000"], "--max-pixels");
}

#[test]
fn a_plan_finds_what_the_header_hides() {
    let folder = Folder::new();
    plain(&folder.path("in.mkv"));
    // Half a minute, which the bytes could hold.
    patch_duration(&folder.path("in.mkv"), 30_000.0);
    let run = folder.command(&["plan", "in.mkv"]).run();
    assert_eq!(run.code(), 3, "{}", run.text());
    assert!(run.says("one of them is wrong"), "{}", run.text());
    // No frame rate, and no times to say it.
    ivf(&folder.path("still.ivf"), (320, 240), (0, 1), 20);
    let run = folder.command(&["plan", "still.ivf"]).run();
    assert_eq!(run.code(), 3, "{}", run.text());
}

#[test]
fn what_is_odd_but_possible_is_planned() {
    let folder = Folder::new();
    let hour = 3600 * SECOND;
    let fast = SECOND / 1000;
    for (number, (caps, frames, step, bytes)) in [
        ("width=1,height=1,framerate=25/1", 5, SECOND / 25, 20),
        ("width=16384,height=16,framerate=25/1", 5, SECOND / 25, 20),
        ("width=7,height=4097,framerate=25/1", 5, SECOND / 25, 20),
        ("width=320,height=240", 5, SECOND / 25, 100),
        ("width=320,height=240,framerate=0/1", 5, SECOND / 7, 100),
        ("width=320,height=240,framerate=1000/1", 50, fast, 100),
        ("width=320,height=240,framerate=1/3600", 5, hour, 100),
        (
            "width=320,height=240,framerate=30000/1001",
            300,
            SECOND * 1001 / 30_000,
            9,
        ),
        ("width=320,height=240,framerate=1/1", 1, SECOND, 100),
        ("width=320,height=240,framerate=120/1", 1, SECOND / 120, 100),
        ("width=320,height=240", 1, 10 * hour, 100),
        ("width=320,height=240,framerate=25/1", 5, SECOND / 50, 100),
        ("width=320,height=240,framerate=25/1", 100, SECOND / 20, 100),
        (
            "width=320,height=240,framerate=25/1,pixel-aspect-ratio=10/1",
            5,
            SECOND / 25,
            100,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        for muxer in ["matroskamux", "matroskamux streamable=true"] {
            let name = format!("{number}.mkv");
            let caps = vp8(caps);
            MadeUp {
                muxer,
                caps: &caps,
                frames,
                step,
                bytes,
            }
            .write(&folder.path(&name));
            let run = folder.run(&["plan", &name], 0);
            let plan: serde_json::Value = serde_json::from_str(&run.text()).unwrap();
            assert_eq!(plan["video"]["frames"], frames, "{muxer}, {caps}");
        }
    }
    // Sound alone.
    crate::material::make(&format!(
        "audiotestsrc num-buffers=20 ! opusenc ! matroskamux ! filesink location={}",
        folder.path("sound.mkv").display()
    ));
    folder.run(&["plan", "sound.mkv"], 0);
    for clip in [support::media::clip(), support::media::h264_clip()] {
        folder.run(&["plan", clip.to_str().unwrap()], 0);
    }
}

#[test]
fn a_plan_says_what_there_is_and_where_it_can_be_parted() {
    let folder = Folder::new();
    film(&folder.path("in.mp4"));
    folder.run(
        &["plan", "in.mp4", "--chunks", "2", "--output", "plan.json"],
        0,
    );
    let plan = std::fs::read_to_string(folder.path("plan.json")).unwrap();
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(plan["version"], 1);
    assert_eq!(plan["container"], "video/quicktime");
    assert_eq!(plan["video"]["media"], "video/x-h264");
    assert_eq!(plan["video"]["frames"], 100);
    assert_eq!(plan["video"]["frame-rate"], "25/1");
    assert_eq!(plan["video"]["cuts"], 4);
    assert_eq!(plan["streams"].as_array().unwrap().len(), 2);
    let chunks = plan["chunks"].as_array().unwrap();
    assert_eq!(chunks.len(), 2);
    assert_eq!(chunks[0]["frames"], 50);
    assert_eq!(chunks[0]["end"], chunks[1]["start"]);
    assert_eq!(chunks[1]["first-frame"], 50);
}

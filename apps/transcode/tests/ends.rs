// SPDX-License-Identifier: MPL-2.0
//! How the command ends, and what is there then.

use std::time::Duration;

use support::Finished;

use crate::facts;
use crate::material::{film, make};
use crate::rig::{Folder, QUICK};

/// Longer than a test takes to signal, shorter than a hang.
const PROMPT: Duration = Duration::from_secs(20);

fn folder() -> Folder {
    let folder = Folder::new();
    film(&folder.path("in.mp4"));
    std::fs::write(folder.path("out.mkv"), "before").unwrap();
    folder
}

/// The output is what it was, and nothing is left beside it.
fn nothing_happened(folder: &Folder, run: &Finished) {
    let text = run.text();
    assert_eq!(
        std::fs::read(folder.path("out.mkv")).unwrap(),
        b"before",
        "{text}"
    );
    let partial = folder
        .names()
        .into_iter()
        .filter(|name| name.contains("partial"));
    assert_eq!(partial.count(), 0, "{text}");
}

const IMPATIENT: &str = "svtav1:preset=12,watchdog-timeout=1000000000,drain-timeout=1000000000,\
     close-timeout=1000000000";

#[test]
fn a_codec_that_is_given_up_is_exit_code_2() {
    for script in [
        "svt_av1_enc_get_packet:hang@flush",
        "svt_av1_enc_send_picture:fail@20",
        "avcodec_send_packet:abort@30",
    ] {
        let folder = folder();
        let arguments = ["transcode", "in.mp4", "out.mkv", "--video", IMPATIENT];
        let run = folder.command(&arguments).rehearse(script).run();
        // A codec that aborts takes its process with it, unless it is isolated.
        let code = if script.contains("abort") { 134 } else { 2 };
        assert_eq!(run.code(), code, "{script}: {}", run.text());
        if code == 2 {
            assert!(run.says("degraded: video-encoder"), "{}", run.text());
            nothing_happened(&folder, &run);
        } else {
            assert_eq!(std::fs::read(folder.path("out.mkv")).unwrap(), b"before");
        }
    }
}

#[test]
fn a_restart_is_told_and_is_exit_code_2_although_the_output_is_there() {
    let folder = folder();
    let arguments = [
        "transcode",
        "in.mp4",
        "out.mkv",
        "--video",
        IMPATIENT,
        "--restart-limit",
        "1",
    ];
    let run = folder
        .command(&arguments)
        .rehearse("svt_av1_enc_get_packet:fail@20")
        .run();
    assert_eq!(run.code(), 2, "{}", run.text());
    assert!(run.says("given up and started again"), "{}", run.text());
    assert!(run.says("degraded: 1 restarts"), "{}", run.text());
    let frames = facts::of(&folder.path("out.mkv")).video.times.len();
    assert!((20..100).contains(&frames), "{frames}");
}

#[test]
fn damaged_input_is_exit_code_4_and_is_allowed_by_number() {
    let folder = folder();
    make(&format!(
        "filesrc location={} ! qtdemux ! h264parse ! avdec_h264 ! videoconvert \
         ! svtav1watchenc preset=12 intra-period-length=9 ! mp4mux ! filesink location={}",
        folder.path("in.mp4").display(),
        folder.path("av1.mp4").display()
    ));
    // Nothing but frames is there.
    let mut bytes = std::fs::read(folder.path("av1.mp4")).unwrap();
    let middle = bytes.len() / 2;
    for byte in &mut bytes[middle..middle + 60] {
        *byte ^= 0x5a;
    }
    std::fs::write(folder.path("damaged.mp4"), &bytes).unwrap();
    let run = folder.transcode("damaged.mp4", "out.mkv", &[], 4);
    nothing_happened(&folder, &run);
    folder.transcode("damaged.mp4", "out.mkv", &["--max-damaged", "50"], 0);
    assert!(facts::of(&folder.path("out.mkv")).video.times.len() > 50);
}

#[test]
fn an_input_that_is_cut_off_is_exit_code_4() {
    let folder = folder();
    make(&format!(
        "filesrc location={} ! qtdemux ! h264parse ! matroskamux ! filesink location={}",
        folder.path("in.mp4").display(),
        folder.path("in.mkv").display()
    ));
    let bytes = std::fs::read(folder.path("in.mkv")).unwrap();
    std::fs::write(folder.path("cut.mkv"), &bytes[..bytes.len() / 2]).unwrap();
    let run = folder.transcode("cut.mkv", "out.mkv", &[], 4);
    assert!(run.says("the input is cut off"), "{}", run.text());
    nothing_happened(&folder, &run);
}

#[test]
fn what_is_not_as_it_should_be_is_exit_code_1_and_said() {
    let folder = folder();
    std::fs::write(folder.path("text.txt"), "some text\n".repeat(100)).unwrap();
    for (arguments, says) in [
        (&["transcode", "none.mp4", "out.mkv"][..], "none.mp4"),
        (&["transcode", ".", "out.mkv"], "is a folder"),
        (&["transcode", "fd://0", "out.mkv"], "name a file"),
        (&["transcode", "text.txt", "out.mkv"], "text"),
        (
            &["transcode", "in.mp4", "none/out.mkv"],
            "there is no folder none",
        ),
        (&["transcode", "in.mp4", "out.avi"], ".mkv"),
        (&["transcode", "in.mp4", "out.ts"], "mpegtsmux"),
        (
            &[
                "transcode",
                "in.mp4",
                "out.mkv",
                "--video",
                "svtav1:nonsense=1",
            ],
            "nonsense",
        ),
        (
            &[
                "transcode",
                "in.mp4",
                "out.mkv",
                "--video",
                "codecwatch:nonsense",
            ],
            "nonsense",
        ),
        (
            &["transcode", "in.mp4", "out.mkv", "--video", "x264"],
            "svtav1[:",
        ),
        (
            &["transcode", "in.mp4", "out.mkv", "--audio", "mp3"],
            "opus",
        ),
        (&["transcode", "in.mp4"], "OUT"),
        (&["nonsense"], "nonsense"),
    ] {
        let run = folder.run(arguments, 1);
        assert!(run.says(says), "{arguments:?}: {}", run.text());
        nothing_happened(&folder, &run);
    }
    folder.run(&["--help"], 0);
}

#[test]
fn signals_end_it_in_time_even_when_the_codec_is_stuck() {
    for (signal, code) in [(libc::SIGINT, 130), (libc::SIGTERM, 143)] {
        for script in [
            "svt_av1_enc_get_packet:trace",
            "svt_av1_enc_get_packet:hang@5",
        ] {
            let folder = folder();
            let endless = "codecwatch:identity sleep-time=100000 ! x264enc";
            let video = if script.contains("hang") {
                "svtav1:preset=12"
            } else {
                endless
            };
            let arguments = [
                "transcode",
                "in.mp4",
                "out.mkv",
                "--video",
                video,
                "--progress",
                "json",
            ];
            let mut run = folder.command(&arguments).rehearse(script).start();
            run.wait_for("\"position\"");
            std::thread::sleep(Duration::from_secs(1));
            run.signal(signal);
            let (before, run) = (run.elapsed(), run.finish());
            assert_eq!(run.code(), code, "{}", run.text());
            assert!(run.took - before < PROMPT, "{:?}", run.took - before);
            nothing_happened(&folder, &run);
        }
    }
}

#[test]
fn progress_is_a_line_of_json_each_with_an_end() {
    let folder = folder();
    let run = folder.transcode("in.mp4", "out.mkv", &["--progress", "json"], 0);
    let lines: Vec<serde_json::Value> = run
        .lines
        .iter()
        .map(|line| {
            serde_json::from_str(&line.text).unwrap_or_else(|error| panic!("{line:?}: {error}"))
        })
        .collect();
    let last = &lines[lines.len() - 2];
    assert_eq!(last["frames"], 100);
    // By the duration, which is that of the audio.
    assert!((100..103).contains(&last["frames-expected"].as_u64().unwrap()));
    assert!(last["bytes"].as_u64().unwrap() > 1000);
    assert_eq!(lines[lines.len() - 1]["end"], "complete");
    assert_eq!(lines[lines.len() - 1]["exit-code"], 0);
    let run = folder.run(
        &["transcode", "none.mp4", "out.mkv", "--progress", "json"],
        1,
    );
    assert!(run.says("\"end\":\"error\""), "{}", run.text());
}

#[test]
fn what_is_not_whole_can_be_kept() {
    let folder = folder();
    let arguments = [
        "transcode",
        "in.mp4",
        "out.mkv",
        "--video",
        IMPATIENT,
        "--keep-partial",
    ];
    let run = folder
        .command(&arguments)
        .rehearse("svt_av1_enc_get_packet:hang@flush")
        .run();
    assert_eq!(run.code(), 2, "{}", run.text());
    assert_eq!(std::fs::read(folder.path("out.mkv")).unwrap(), b"before");
    assert!(
        folder
            .names()
            .contains(&"out.mkv.codecwatch-partial".to_owned())
    );
}

#[test]
fn isolation_that_is_not_there_is_an_error_that_says_so() {
    let folder = folder();
    let run = folder
        .command(&[
            "transcode",
            "in.mp4",
            "out.mkv",
            "--video",
            QUICK,
            "--isolate",
        ])
        .run();
    // A codec that is isolated needs a program, which tests of this package have not built.
    let says = if gst_has_isolate() {
        "codecwatch-worker"
    } else {
        "no property 'isolate'"
    };
    assert!(run.code() == 0 || run.says(says), "{}", run.text());
}

fn gst_has_isolate() -> bool {
    use gst::prelude::*;
    support::init();
    let encoder = gst::ElementFactory::make("svtav1watchenc").build().unwrap();
    encoder.find_property("isolate").is_some()
}

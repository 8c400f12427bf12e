// SPDX-License-Identifier: MPL-2.0
//! A job in parts: planned, encoded chunk by chunk, joined.

use std::path::Path;
use std::time::Duration;

use gst::prelude::*;

use crate::facts;
use crate::material::film;
use crate::rig::{Folder, QUICK};

const FRAMES: usize = 100;

/// A film of 100 frames, with a key frame each second, planned in four chunks.
fn planned(output: &str) -> Folder {
    planned_with(output, QUICK)
}

fn planned_with(output: &str, video: &str) -> Folder {
    let folder = Folder::new();
    film(&folder.path("in.mp4"));
    let arguments = [
        "plan", "in.mp4", "--to", output, "--chunks", "4", "--video", video, "-o", "job.json",
    ];
    folder.run(&arguments, 0);
    folder
}

fn chunk_files(folder: &Folder) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder.path("job.json.chunks"));
    let mut files: Vec<_> = entries
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "mkv"))
        .collect();
    files.sort();
    files
}

/// The packets of the video of a file, in order, and when they are shown.
fn packets(path: &Path, media: &str) -> Vec<(gst::ClockTime, Vec<u8>)> {
    support::init();
    let pipeline = gst::parse::launch(&format!(
        "filesrc location={} ! parsebin ! {media} ! appsink name=sink sync=false",
        path.display()
    ));
    let pipeline = pipeline.unwrap().downcast::<gst::Pipeline>().unwrap();
    let sink = pipeline
        .by_name("sink")
        .unwrap()
        .downcast::<gst_app::AppSink>()
        .unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut packets = Vec::new();
    while let Ok(sample) = sink.pull_sample() {
        let buffer = sample.buffer().unwrap();
        let bytes = buffer.map_readable().unwrap().to_vec();
        packets.push((buffer.pts().unwrap(), bytes));
    }
    pipeline.set_state(gst::State::Null).unwrap();
    packets
}

#[test]
fn every_frame_is_there_once_at_its_time_and_as_its_chunk_has_it() {
    for output in ["out.mkv", "out.mp4"] {
        let folder = planned(output);
        // As whoever has no engine runs it.
        let run = support::Launch::program("sh")
            .args(["-c", "seq 0 3 | xargs -P 2 -I {} \"$0\" chunk job.json {}"])
            .args([env!("CARGO_BIN_EXE_codecwatch-transcode")])
            .in_folder(&folder.path(""))
            .run();
        assert_eq!(run.code(), 0, "{}", run.text());
        let files = chunk_files(&folder);
        assert_eq!(files.len(), 4);
        folder.run(&["join", "job.json"], 0);

        let bytes = |path: &Path| {
            packets(path, "video/x-av1")
                .into_iter()
                .map(|(_, bytes)| bytes)
        };
        let chunks: Vec<Vec<u8>> = files.iter().flat_map(|file| bytes(file)).collect();
        assert_eq!(chunks.len(), FRAMES);
        let joined: Vec<Vec<u8>> = bytes(&folder.path(output)).collect();
        assert_eq!(joined, chunks, "{output}");
        // The times are those of a job in one piece, sound included.
        let whole = output.replace("out", "whole");
        folder.transcode("in.mp4", &whole, &[], 0);
        let (joined, whole) = (
            facts::of(&folder.path(output)),
            facts::of(&folder.path(&whole)),
        );
        assert_eq!(joined.video.times, whole.video.times, "{output}");
        assert_eq!(joined.audio.times, whole.audio.times, "{output}");
        assert_eq!(joined.video.times.len(), FRAMES);
    }
}

#[test]
fn frames_that_are_shown_in_another_order_than_decoded_keep_their_times() {
    const REORDERED: &str = "codecwatch:x264enc bframes=2 b-adapt=false speed-preset=ultrafast";
    for output in ["out.mkv", "out.mp4", "out.ts"] {
        let folder = planned_with(output, REORDERED);
        for number in ["0", "1", "2", "3"] {
            folder.run(&["chunk", "job.json", number], 0);
        }
        folder.run(&["join", "job.json"], 0);
        let whole = output.replace("out", "whole");
        folder.run(&["transcode", "in.mp4", &whole, "--video", REORDERED], 0);
        let (joined, whole) = (
            facts::of(&folder.path(output)),
            facts::of(&folder.path(&whole)),
        );
        assert_eq!(joined.video.times.len(), FRAMES, "{output}");
        // A transport stream begins later if more has to be decoded before the first frame is
        // shown.
        let times = |facts: &facts::Facts| -> Vec<Vec<u64>> {
            let begins = if output == "out.ts" {
                facts.audio.times[0]
            } else {
                0
            };
            [&facts.video, &facts.audio]
                .map(|stream| stream.times.iter().map(|time| time - begins).collect())
                .into()
        };
        assert_eq!(times(&joined), times(&whole), "{output}");
        let packets = packets(&folder.path(output), "video/x-h264");
        assert!(
            !packets.is_sorted_by_key(|(time, _)| *time),
            "{output}: nothing was reordered"
        );
    }
}

#[test]
fn a_chunk_is_whole_or_not_there_and_done_once() {
    let folder = planned("out.mkv");
    let hang = "svt_av1_enc_get_packet:hang@10";
    let mut run = folder
        .command(&["chunk", "job.json", "1", "--progress", "json"])
        .rehearse(hang)
        .start();
    run.wait_for("rehearse: svt_av1_enc_get_packet hangs");
    // Meanwhile nobody else may do it.
    let other = folder.run(&["chunk", "job.json", "1"], 1);
    assert!(other.says("being written"), "{}", other.text());
    run.signal(libc::SIGKILL);
    run.end();
    assert!(chunk_files(&folder).is_empty());
    folder.run(&["chunk", "job.json", "1"], 0);
    let files = chunk_files(&folder);
    let made = std::fs::metadata(&files[0]).unwrap().modified().unwrap();
    let again = folder.run(&["chunk", "job.json", "1"], 0);
    assert!(again.says("is there already"), "{}", again.text());
    assert_eq!(
        std::fs::metadata(&files[0]).unwrap().modified().unwrap(),
        made
    );
    assert_eq!(facts::of(&files[0]).video.times.len(), 25);
}

#[test]
fn a_chunk_whose_codec_is_given_up_is_tried_again() {
    let folder = Folder::new();
    film(&folder.path("in.mp4"));
    let video = format!("{QUICK},watchdog-timeout=1000000000,close-timeout=1000000000");
    let arguments = [
        "plan", "in.mp4", "--to", "out.mkv", "--video", &video, "-o", "job.json",
    ];
    folder.run(&arguments, 0);
    let chunk = |tries: &str| {
        folder
            .command(&["chunk", "job.json", "0", "--tries", tries])
            .rehearse("svt_av1_enc_get_packet:fail@20")
            .bound(Duration::from_secs(60))
            .run()
    };
    let once = chunk("1");
    assert_eq!(once.code(), 2, "{}", once.text());
    assert!(chunk_files(&folder).is_empty());
    let twice = chunk("2");
    assert_eq!(twice.code(), 0, "{}", twice.text());
    assert!(twice.says("chunk 0 is tried again"), "{}", twice.text());
    folder.run(&["join", "job.json"], 0);
    assert_eq!(facts::of(&folder.path("out.mkv")).video.times.len(), FRAMES);
}

#[test]
fn what_does_not_fit_together_is_not_joined() {
    let folder = planned("out.mkv");
    for number in ["0", "2", "3"] {
        folder.run(&["chunk", "job.json", number], 0);
    }
    let run = folder.run(&["join", "job.json"], 1);
    assert!(
        run.says("of 4 chunks these are missing: 1"),
        "{}",
        run.text()
    );
    let run = folder.run(&["chunk", "job.json", "4"], 1);
    assert!(run.says("there is no chunk 4"), "{}", run.text());
    // One that is too short, however it came there.
    let files = chunk_files(&folder);
    let one = files[0].to_str().unwrap().replace("-00000", "-00001");
    crate::material::make(&format!(
        "filesrc location={} ! matroskademux ! identity eos-after=20 ! matroskamux \
         ! filesink location={one}",
        files[0].display()
    ));
    let run = folder.run(&["join", "job.json"], 4);
    assert!(run.says("the plan has 25"), "{}", run.text());
    assert!(!folder.path("out.mkv").exists());

    folder.run(&["plan", "in.mp4", "-o", "no-output.json"], 0);
    folder.run(&["chunk", "no-output.json", "0"], 0);
    let run = folder.run(&["join", "no-output.json"], 1);
    assert!(run.says("--to OUT"), "{}", run.text());
    let mut bytes = std::fs::read(folder.path("in.mp4")).unwrap();
    bytes.push(0);
    std::fs::write(folder.path("in.mp4"), bytes).unwrap();
    for arguments in [&["chunk", "job.json", "0"][..], &["join", "job.json"]] {
        let run = folder.run(arguments, 1);
        assert!(
            run.says("has changed since it was planned"),
            "{}",
            run.text()
        );
    }
    std::fs::write(folder.path("bad.json"), "{}").unwrap();
    let run = folder.run(&["chunk", "bad.json", "0"], 1);
    assert!(run.says("is no plan"), "{}", run.text());
}

#[test]
fn health_is_served_while_a_job_runs() {
    use std::io::{Read, Write};
    let folder = Folder::new();
    film(&folder.path("in.mp4"));
    let arguments = [
        "transcode",
        "in.mp4",
        "out.mkv",
        "--video",
        "svtav1:preset=12",
        "--health",
        "127.0.0.1:0",
    ];
    let mut run = folder
        .command(&arguments)
        .rehearse("svt_av1_enc_get_packet:hang@5")
        .start();
    run.wait_for("rehearse: svt_av1_enc_get_packet hangs");
    let lines = run.lines();
    let line = lines
        .iter()
        .find(|line| line.text.starts_with("health: http://"))
        .unwrap();
    let address = line
        .text
        .trim_start_matches("health: http://")
        .trim_end_matches('/');
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("video-encoder"), "{answer}");
    run.signal(libc::SIGTERM);
    assert_eq!(run.finish().code(), 143);
}

// SPDX-License-Identifier: MPL-2.0
//! What is not even tried.

use std::time::Duration;

use crate::rig::{Options, PROTOCOLS, STATUS, Service};

#[test]
fn impossible_work_is_422_with_the_message_of_the_guard() {
    let options = Options {
        arguments: &["--max-frames", "10"],
        ..Options::default()
    };
    let service = Service::start(&options);
    for protocol in PROTOCOLS {
        let run = service.post("in.mp4", &["--fail-with-body", protocol], STATUS, 422);
        assert!(run.says("refused: the video has"), "{}", run.text());
        assert!(run.says("--max-frames allows 10"), "{}", run.text());
    }
    assert_eq!(service.uploads(), 0);
}

#[test]
fn what_is_no_video_is_415() {
    let service = Service::start(&Options::default());
    std::fs::write(service.path("text.txt"), "some text\n".repeat(100)).unwrap();
    std::fs::write(service.path("empty"), "").unwrap();
    crate::material::make(&format!(
        "audiotestsrc num-buffers=20 ! opusenc ! matroskamux ! filesink location={}",
        service.path("audio.mka").display()
    ));
    for (input, says) in [
        ("text.txt", "text"),
        ("empty", "the body is empty"),
        ("audio.mka", "the input has no video"),
    ] {
        let run = service.post(input, &["--fail-with-body"], STATUS, 415);
        assert!(run.says(says), "{input}: {}", run.text());
    }
}

#[test]
fn an_upload_that_is_too_large_is_413_with_and_without_a_length() {
    let options = Options {
        arguments: &["--max-upload", "1M", "--jobs", "1"],
        ..Options::default()
    };
    let service = Service::start(&options);
    std::fs::write(service.path("large"), vec![7_u8; 8 << 20]).unwrap();
    for protocol in PROTOCOLS {
        // With and without the question whether to send.
        for header in ["Expect:", "Expect: 100-continue"] {
            let arguments = ["--fail-with-body", "--header", header, protocol];
            let run = service.post("large", &arguments, STATUS, 413);
            assert!(run.says("larger than 1048576 bytes"), "{}", run.text());
        }
    }
    let chunked = [
        "--fail-with-body",
        "--http1.1",
        "--header",
        "Transfer-Encoding: chunked",
    ];
    let run = service.post("large", &chunked, STATUS, 413);
    assert!(run.says("--max-upload"), "{}", run.text());
    // It holds neither a place nor a file.
    assert_eq!(service.uploads(), 0);
    service.post("in.mp4", &["--fail", "--output", "out.mkv"], 0, 200);
}

#[test]
fn an_upload_that_takes_too_long_is_408() {
    let options = Options {
        arguments: &["--upload-timeout", "500ms", "--jobs", "1"],
        ..Options::default()
    };
    let service = Service::start(&options);
    let slow = ["--fail-with-body", "--limit-rate", "1k"];
    service.post("in.mp4", &slow, STATUS, 408);
    service.post("in.mp4", &["--fail", "--output", "out.mkv"], 0, 200);
}

#[test]
fn http_1_0_cannot_show_that_a_body_was_cut_off() {
    let service = Service::start(&Options::default());
    let run = service.post("in.mp4", &["--fail-with-body", "--http1.0"], STATUS, 505);
    assert!(run.says("use HTTP/1.1"), "{}", run.text());
}

#[test]
fn other_requests_are_told_what_to_do() {
    let service = Service::start(&Options::default());
    for (arguments, status, says) in [
        (&["--request", "PUT"][..], 405, "POST a video"),
        (&["--request", "GET"], 200, "POST a video"),
        (&["--request-target", "/else"], 404, "nothing but /"),
    ] {
        let run = service.post("in.mp4", arguments, 0, status);
        assert!(run.says(says), "{}", run.text());
    }
}

#[test]
fn what_cannot_work_is_said_at_the_start() {
    for (arguments, says) in [
        (&["--video", "svtav1:nonsense=1"][..], "nonsense"),
        (&["--video", "codecwatch:nonsense"], "nonsense"),
        (&["--spool", "/proc/none"], "--spool"),
        (&["--listen", "192.0.2.1:80"], "--listen"),
        (&["--max-upload", "much"], "--max-upload"),
        (&["--restart-limit", "1"], "--restart-limit"),
    ] {
        let listen = ["--listen", "0"];
        let is_listen = arguments[0] == "--listen";
        let run = support::Launch::program(env!("CARGO_BIN_EXE_oneshot"))
            .args(["--health", "0"])
            .args(listen.iter().filter(|_| !is_listen))
            .args(arguments)
            .bound(Duration::from_secs(10))
            .run();
        assert_ne!(run.code(), 0, "{arguments:?}: {}", run.text());
        assert!(run.says(says), "{arguments:?}: {}", run.text());
    }
}

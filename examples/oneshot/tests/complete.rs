// SPDX-License-Identifier: MPL-2.0
//! What a client gets when all goes well.

use crate::material::{FRAMES, frames};
use crate::rig::{Options, PROTOCOLS, QUICK, Service, until};

#[test]
fn a_complete_encode_is_exit_code_0_and_a_whole_file() {
    let service = Service::start(&Options::default());
    for (protocol, version) in PROTOCOLS.into_iter().zip(["1.1", "2"]) {
        let arguments = [
            "--fail",
            "--output",
            "out.mkv",
            "--dump-header",
            "head",
            protocol,
        ];
        let run = service.post("in.mp4", &arguments, 0, 200);
        assert!(run.says(&format!("200/{version}")), "{}", run.text());
        assert_eq!(frames(&service.path("out.mkv")), FRAMES);
        let head = std::fs::read_to_string(service.path("head")).unwrap();
        let head = head.to_lowercase();
        assert!(head.contains("content-type: video/matroska"), "{head}");
        // It did not ask for trailers.
        assert!(!head.contains("codecwatch-status"), "{head}");
    }
    assert_eq!(service.uploads(), 0);
    assert_eq!(std::fs::read_dir(service.path("spool")).unwrap().count(), 0);
}

#[test]
fn a_client_that_takes_trailers_is_told_that_it_is_complete() {
    let options = Options {
        arguments: &["--container", "webm"],
        ..Options::default()
    };
    let service = Service::start(&options);
    for protocol in PROTOCOLS {
        let trailers = ["--header", "TE: trailers", "--dump-header", "head"];
        let mut arguments = vec!["--fail", "--output", "out.webm", protocol];
        arguments.extend(trailers);
        service.post("in.mp4", &arguments, 0, 200);
        let head = std::fs::read_to_string(service.path("head")).unwrap();
        let head = head.to_lowercase();
        assert!(head.contains("content-type: video/webm"), "{head}");
        assert!(head.contains("codecwatch-status: complete"), "{head}");
        let told = format!("codecwatch-frames: {FRAMES}");
        assert!(head.contains(&told), "{head}");
        assert_eq!(frames(&service.path("out.webm")), FRAMES);
    }
}

#[test]
fn an_encode_in_processes_of_its_own_is_complete_too() {
    if !support::worker().exists() {
        return support::skip("oneshot", "codecwatch-worker-tests is not built");
    }
    let options = Options {
        arguments: &["--isolate"],
        ..Options::default()
    };
    let service = Service::start(&options);
    service.post("in.mp4", &["--fail", "--output", "out.mkv"], 0, 200);
    assert_eq!(frames(&service.path("out.mkv")), FRAMES);
}

#[test]
fn output_comes_while_the_encode_goes_on() {
    let options = Options {
        // 18 s, if it came to its end.
        video: &format!("{QUICK},low-latency=true"),
        script: "svt_av1_enc_send_picture:delay=300ms",
        ..Options::default()
    };
    let mut service = Service::start(&options);
    let arguments = ["--output", "out.mkv", "--max-time", "45"];
    let client = service.curl("in.mp4", &arguments).start();
    until("output", || {
        std::fs::metadata(service.path("out.mkv")).is_ok_and(|about| about.len() > 0)
    });
    assert!(!service.text().contains("complete"), "{}", service.text());
    client.signal(libc::SIGKILL);
    client.end();
    service.running().wait_for("the client has gone");
}

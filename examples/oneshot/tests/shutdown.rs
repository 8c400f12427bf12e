// SPDX-License-Identifier: MPL-2.0
//! SIGTERM.

use std::time::Duration;

use crate::material::{FRAMES, frames};
use crate::rig::{Options, PROTOCOLS, QUICK, STATUS, Service, is_cut_off, until};

/// Longer than a job takes to stop, shorter than a hang.
const PROMPT: Duration = Duration::from_secs(20);

#[test]
fn jobs_come_to_their_end_and_no_new_ones_begin() {
    let options = Options {
        arguments: &["--jobs", "2"],
        script: "svt_av1_enc_send_picture:delay=50ms",
        ..Options::default()
    };
    let mut service = Service::start(&options);
    let clients = PROTOCOLS.map(|protocol| {
        let output = format!("out{protocol}.mkv");
        service
            .curl("in.mp4", &["--fail", "--output", &output, protocol])
            .start()
    });
    service.running().wait_for("job 2: begins");
    assert_eq!(service.health("/readyz"), 200);
    service.running().signal(libc::SIGTERM);
    service.running().wait_for("ends when its jobs have");
    assert_eq!(service.health("/readyz"), 503);
    service.post("in.mp4", &["--fail"], STATUS, 503);
    for client in clients {
        let run = client.finish();
        assert_eq!(run.code(), 0, "{}", run.text());
    }
    for protocol in PROTOCOLS {
        assert_eq!(frames(&service.path(&format!("out{protocol}.mkv"))), FRAMES);
    }
    let run = service.finish();
    assert_eq!(run.code(), 0, "{}", run.text());
}

#[test]
fn a_job_that_does_not_come_to_its_end_is_cut_off_in_bounded_time() {
    let options = Options {
        arguments: &["--grace", "500ms"],
        // 6 s for each, and output from the first frame on.
        video: &format!("{QUICK},low-latency=true"),
        script: "svt_av1_enc_send_picture:delay=100ms",
    };
    let mut service = Service::start(&options);
    let clients = PROTOCOLS.map(|protocol| {
        let output = format!("out{protocol}.mkv");
        service
            .curl("in.mp4", &["--fail", "--output", &output, protocol])
            .start()
    });
    for protocol in PROTOCOLS {
        let output = service.path(&format!("out{protocol}.mkv"));
        until("output", || {
            std::fs::metadata(&output).is_ok_and(|about| about.len() > 0)
        });
    }
    let before = service.running().elapsed();
    let run = service.end(libc::SIGTERM);
    assert_eq!(run.code(), 1, "{}", run.text());
    assert!(run.says("stopped: the service ends"), "{}", run.text());
    assert!(run.took - before < PROMPT, "{:?}", run.took - before);
    for client in clients {
        let client = client.finish();
        assert!(is_cut_off(&client), "{}\n{}", client.text(), run.text());
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let options = Options {
        script: "svt_av1_enc_send_picture:delay=500ms",
        ..Options::default()
    };
    let mut service = Service::start(&options);
    let client = service
        .curl("in.mp4", &["--fail", "--output", "out.mkv"])
        .start();
    service.running().wait_for("job 1: begins");
    service.running().signal(libc::SIGTERM);
    service.running().wait_for("ends when its jobs have");
    let run = service.end(libc::SIGINT);
    assert_eq!(run.code(), 130, "{}", run.text());
    assert_ne!(client.finish().code(), 0);
}

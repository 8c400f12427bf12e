// SPDX-License-Identifier: MPL-2.0
//! Many at once.

use std::time::Duration;

use crate::material::{FRAMES, frames};
use crate::rig::{Options, PROTOCOLS, STATUS, Service};

const CLIENTS: usize = 50;

#[test]
fn fifty_clients_at_once_get_a_whole_file_each_or_are_told_to_come_again() {
    let options = Options {
        arguments: &["--jobs", "4", "--audio", "none"],
        ..Options::default()
    };
    let service = Service::start(&options);
    // One alone, to compare with.
    service.post("in.mp4", &["--fail", "--output", "alone.mkv"], 0, 200);
    let alone = service.memory("VmHWM");
    let refusals: usize = std::thread::scope(|scope| {
        let service = &service;
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| scope.spawn(move || client(service, number)))
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .sum()
    });
    for number in 0..CLIENTS {
        let output = service.path(&format!("{number}.mkv"));
        assert_eq!(frames(&output), FRAMES, "{number}");
    }
    assert!(refusals > CLIENTS / 2, "{refusals} refusals");
    // Four jobs, and not fifty.
    let most = service.memory("VmHWM");
    assert!(most < alone * 6, "{most} kB, {alone} kB with one client");
    assert_eq!(service.uploads(), 0);
    assert_eq!(service.health("/readyz"), 200);
}

/// The longest that a client waits for its turn.
const CROWDED: Duration = Duration::from_secs(120);

/// A client that comes again until it has its file. How often it was refused.
fn client(service: &Service, number: usize) -> usize {
    let (head, output) = (format!("head{number}"), format!("{number}.mkv"));
    let protocol = PROTOCOLS[number % 2];
    let files = [
        "--dump-header",
        &head,
        "--output",
        &output,
        "--fail",
        protocol,
    ];
    // What Retry-After is for. `curl` 7.88 can use no connection twice that is HTTP/2 from
    // its beginning, so there it is started anew.
    let retry = ["--retry", "100", "--retry-max-time", "110"];
    let retries = protocol == "--http1.1";
    let arguments = [&files[..], if retries { &retry } else { &[] }].concat();
    let mut refused = 0;
    for _ in 0..110 {
        // Fifty encodes, four at a time.
        let curl = service.curl("in.mp4", &arguments).bound(CROWDED);
        let run = curl.run();
        let head = std::fs::read_to_string(service.path(&head)).unwrap();
        let head = head.to_lowercase();
        let times = head.matches(" 503").count();
        assert_eq!(head.matches("retry-after: 1").count(), times, "{head}");
        refused += times;
        match run.code() {
            0 => return refused,
            STATUS if !retries => std::thread::sleep(Duration::from_secs(1)),
            _ => panic!("{}\n{}", run.text(), service.text()),
        }
    }
    panic!("client {number} never got its file");
}

#[test]
fn a_service_that_is_full_is_busy_and_not_unready() {
    let options = Options {
        arguments: &["--jobs", "1"],
        script: "svt_av1_enc_send_picture:delay=200ms",
        ..Options::default()
    };
    let mut service = Service::start(&options);
    let first = service.curl("in.mp4", &["--output", "out.mkv"]).start();
    service.running().wait_for("job 1: begins");
    let arguments = ["--fail-with-body", "--dump-header", "head"];
    let run = service.post("in.mp4", &arguments, STATUS, 503);
    assert!(run.says("--jobs"), "{}", run.text());
    let head = std::fs::read_to_string(service.path("head")).unwrap();
    assert!(head.to_lowercase().contains("retry-after: 1"), "{head}");
    assert_eq!(service.health("/readyz"), 200);
    first.signal(libc::SIGKILL);
    first.end();
    service.running().wait_for("the client has gone");
}

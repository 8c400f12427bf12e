// SPDX-License-Identifier: MPL-2.0
//! Many at once.

use crate::material::{FRAMES, frames};
use crate::rig::{Options, Service};

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
    let heads: Vec<String> = (0..CLIENTS).map(|number| format!("head{number}")).collect();
    let outputs: Vec<String> = (0..CLIENTS).map(|number| format!("{number}.mkv")).collect();
    let clients = heads
        .iter()
        .zip(&outputs)
        .enumerate()
        .map(|(number, (head, output))| {
            let protocol = crate::rig::PROTOCOLS[number % 2];
            let retry = [
                "--retry",
                "100",
                "--retry-max-time",
                "45",
                "--fail",
                protocol,
            ];
            let files = ["--dump-header", head, "--output", output];
            service
                .curl("in.mp4", &[&retry[..], &files].concat())
                .start()
        });
    let clients: Vec<support::Running> = clients.collect();
    for client in clients {
        let run = client.finish();
        assert_eq!(run.code(), 0, "{}\n{}", run.text(), service.text());
    }
    let mut refused = 0;
    for (head, output) in heads.iter().zip(&outputs) {
        assert_eq!(frames(&service.path(output)), FRAMES, "{output}");
        let head = std::fs::read_to_string(service.path(head))
            .unwrap()
            .to_lowercase();
        let times = head.matches(" 503").count();
        assert_eq!(head.matches("retry-after: 1").count(), times, "{head}");
        refused += times;
    }
    assert!(refused > CLIENTS / 2, "{refused} refusals");
    // Four jobs and what the allocator keeps, and not fifty.
    let most = service.memory("VmHWM");
    assert!(most < alone * 6, "{most} kB, {alone} kB with one client");
    assert_eq!(service.uploads(), 0);
    assert_eq!(service.health("/readyz"), 200);
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
    let run = service.post("in.mp4", &arguments, crate::rig::STATUS, 503);
    assert!(run.says("--jobs"), "{}", run.text());
    let head = std::fs::read_to_string(service.path("head")).unwrap();
    assert!(head.to_lowercase().contains("retry-after: 1"), "{head}");
    assert_eq!(service.health("/readyz"), 200);
    first.signal(libc::SIGKILL);
    first.end();
    service.running().wait_for("the client has gone");
}

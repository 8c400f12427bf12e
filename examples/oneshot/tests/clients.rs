// SPDX-License-Identifier: MPL-2.0
//! Clients that go away, and slow ones.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::rig::{BOUND, Options, PROTOCOLS, Service, until};

#[test]
fn the_job_of_a_client_that_has_gone_is_stopped_and_its_upload_is_removed() {
    for script in [
        "svt_av1_enc_send_picture:delay=500ms",
        "svt_av1_enc_send_picture:hang@3+",
    ] {
        let options = Options {
            arguments: &["--jobs", "1"],
            // Longer than this test.
            video: "svtav1:preset=12,close-timeout=1000000000",
            script,
        };
        let mut service = Service::start(&options);
        for (number, protocol) in PROTOCOLS.iter().enumerate() {
            let client = service
                .curl("in.mp4", &["--output", "out.mkv", protocol])
                .start();
            let number = number + 1;
            service.running().wait_for(&format!("job {number}: begins"));
            std::thread::sleep(Duration::from_millis(300));
            client.signal(libc::SIGKILL);
            client.end();
            let gone = format!("job {number}: stopped: the client has gone");
            service.running().wait_for(&gone);
            until("no upload", || service.uploads() == 0);
        }
    }
}

#[test]
fn a_client_that_goes_away_while_it_uploads_leaves_nothing() {
    let options = Options {
        arguments: &["--jobs", "1"],
        ..Options::default()
    };
    let service = Service::start(&options);
    let mut stream = TcpStream::connect(("127.0.0.1", service.port)).unwrap();
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&[1; 1000]).unwrap();
    until("an upload", || service.uploads() > 0);
    drop(stream);
    until("no upload", || service.uploads() == 0);
    service.post("in.mp4", &["--fail", "--output", "out.mkv"], 0, 200);
}

/// Frames of what a slow client posts.
const FRAMES: usize = 250;
/// Much more comes out than goes in, and more than sockets hold.
const LARGE: &str = "codecwatch:x264enc pass=quant quantizer=1 speed-preset=ultrafast";

/// Posts, and reads nothing of the answer.
fn post_and_wait(service: &Service) -> TcpStream {
    crate::material::make(&format!(
        "videotestsrc num-buffers={FRAMES} pattern=snow ! video/x-raw,width=640,height=360,framerate=25/1 \
         ! x264enc speed-preset=ultrafast bitrate=4000 ! h264parse ! mp4mux ! filesink location={}",
        service.path("snow.mp4").display()
    ));
    let bytes = std::fs::read(service.path("snow.mp4")).unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", service.port)).unwrap();
    stream.set_read_timeout(Some(BOUND)).unwrap();
    let length = bytes.len();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    )
    .unwrap();
    stream.write_all(&bytes).unwrap();
    stream
}

#[test]
fn a_slow_client_slows_the_encoder_and_takes_no_memory() {
    let options = Options {
        video: LARGE,
        ..Options::default()
    };
    let mut service = Service::start(&options);
    let mut stream = post_and_wait(&service);
    // The encoder comes to stand.
    std::thread::sleep(Duration::from_secs(4));
    let before = service.memory("VmRSS");
    std::thread::sleep(Duration::from_secs(3));
    let after = service.memory("VmRSS");
    assert!(after < before + 10_000, "{before} kB, then {after} kB");
    assert!(!service.text().contains("complete,"), "{}", service.text());
    // Then it reads all of it.
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    assert!(answer.ends_with(b"0\r\n\r\n"));
    service
        .running()
        .wait_for(&format!("complete, {FRAMES} frames"));
    let size = answer.len() / 1024;
    assert!(size > 25_000, "{size} kB");
    let most = service.memory("VmHWM");
    assert!(most < before + 30_000, "{before} kB, and {most} kB at most");
}

#[test]
fn a_client_that_reads_nothing_more_loses_its_job() {
    let options = Options {
        arguments: &["--jobs", "1", "--stall-timeout", "2s"],
        video: LARGE,
        ..Options::default()
    };
    let mut service = Service::start(&options);
    let mut stream = post_and_wait(&service);
    service.running().wait_for("--stall-timeout");
    until("no upload", || service.uploads() == 0);
    let mut answer = Vec::new();
    // The connection may be reset.
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    assert!(!answer.ends_with(b"0\r\n\r\n"));
}

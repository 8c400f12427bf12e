// SPDX-License-Identifier: MPL-2.0
//! Clients that are slow, idle, too many, or send something else.

use std::io::Write;
use std::time::{Duration, Instant};

use codecwatch_health::Report;

use crate::client::{connect, get, rest, send};
use crate::saying;

#[test]
fn what_is_no_request_is_refused() {
    let service = saying(Report::default());
    let address = service.address();
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(20_000));
    let header = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(20_000));
    let headers = format!("GET / HTTP/1.1\r\n{}\r\n", "X: a\r\n".repeat(100));
    for (request, statuses) in [
        (&b"hello\r\n\r\n"[..], &[400][..]),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", &[400]),
        (b"\0\0\0\0\r\n\r\n", &[400]),
        (b"GET / HTTP/9.9\r\n\r\n", &[400]),
        (long.as_bytes(), &[414, 431, 400]),
        (header.as_bytes(), &[431]),
        (headers.as_bytes(), &[431, 400]),
    ] {
        let status = send(address, request).status;
        let shown = String::from_utf8_lossy(&request[..request.len().min(40)]);
        assert!(statuses.contains(&status), "{status}: {shown:?}");
    }
    assert_eq!(get(address, "/livez").status, 200);
}

#[test]
fn a_client_that_does_not_finish_its_request_is_left_after_a_while() {
    let service = saying(Report::default());
    let began = Instant::now();
    let idle = connect(service.address());
    let mut slow = connect(service.address());
    slow.write_all(b"GET / HTTP/1.1\r\nX-Slow: ").unwrap();
    let slow = std::thread::spawn(move || {
        // A byte now and then buys no time.
        while slow.write_all(b"a").is_ok() && began.elapsed() < Duration::from_secs(15) {
            std::thread::sleep(Duration::from_millis(100));
        }
        began.elapsed()
    });
    assert_eq!(rest(idle), "");
    assert!(began.elapsed() < Duration::from_secs(10));
    let left_slow = slow.join().unwrap();
    assert!(left_slow < Duration::from_secs(10), "{left_slow:?}");
}

#[test]
fn a_probe_is_answered_while_hundreds_of_clients_do_nothing() {
    let service = saying(Report::default());
    let address = service.address();
    let clients: Vec<_> = (0..400).map(|_| connect(address)).collect();
    for _ in 0..20 {
        assert_eq!(get(address, "/readyz").status, 200);
    }
    drop(clients);
}

#[test]
fn what_a_client_sends_after_its_request_is_not_read() {
    let service = saying(Report::default());
    let mut client = connect(service.address());
    let request = "GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n";
    client.write_all(request.as_bytes()).unwrap();
    let answer = rest(client);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

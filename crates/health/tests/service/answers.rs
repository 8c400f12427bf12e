// SPDX-License-Identifier: MPL-2.0
//! What each path says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use codecwatch_health::{Call, Codec, Element, Report, Source};

use crate::client::{get, send};
use crate::{saying, with};

fn wedged() -> Report {
    let element = Element {
        id: 7,
        name: "enc".to_owned(),
        path: "/GstPipeline:p/GstSvtAv1WatchEnc:enc".to_owned(),
        codec: "SVT-AV1".to_owned(),
        phase: "running".to_owned(),
        verdict: "wedged".to_owned(),
        call: Some(Call {
            name: "svt_av1_enc_get_packet".to_owned(),
            age: Duration::from_millis(1_500),
        }),
        ..Element::default()
    };
    Report {
        elements: vec![element],
        codecs: vec![Codec {
            name: "SVT-AV1".to_owned(),
            ..Codec::default()
        }],
        faults: Vec::new(),
    }
}

#[test]
fn a_wedged_codec_makes_the_process_unready_and_leaves_it_alive() {
    let service = saying(wedged());
    assert_eq!(get(service.address(), "/livez").status, 200);
    let ready = get(service.address(), "/readyz");
    assert_eq!(ready.status, 503);
    assert_eq!(
        ready.body,
        "wedged: /GstPipeline:p/GstSvtAv1WatchEnc:enc is wedged, in svt_av1_enc_get_packet for \
         1.5 s\n"
    );
    let health = get(service.address(), "/health");
    assert_eq!(health.status, 200);
    let json: serde_json::Value = serde_json::from_str(&health.body).unwrap();
    assert_eq!(json["version"], 1);
    assert_eq!(json["status"], "unready");
    assert_eq!(json["reasons"][0]["kind"], "wedged");
    assert_eq!(json["pid"], std::process::id());
    assert_eq!(json["elements"][0]["call"]["age_seconds"], 1.5);
    let metrics = get(service.address(), "/metrics");
    assert_eq!(metrics.status, 200);
    assert!(metrics.head.contains("application/openmetrics-text"));
    for line in [
        "codecwatch_ready 0",
        "codecwatch_element_verdict{element=\"enc\",id=\"7\",codec=\"SVT-AV1\",verdict=\"wedged\"} 1",
        "codecwatch_element_verdict{element=\"enc\",id=\"7\",codec=\"SVT-AV1\",verdict=\"idle\"} 0",
        "codecwatch_element_call_age_seconds{element=\"enc\",id=\"7\",codec=\"SVT-AV1\"} 1.5",
        "# EOF",
    ] {
        let found = metrics.body.lines().any(|known| known == line);
        assert!(found, "no {line} in\n{}", metrics.body);
    }
}

#[test]
fn a_process_with_nothing_to_watch_is_ready_until_it_shuts_down() {
    let service = saying(Report::default());
    let ready = || get(service.address(), "/readyz");
    assert_eq!(ready().status, 200);
    service.set_draining(true);
    assert_eq!(ready().status, 503);
    assert_eq!(ready().body, "shutdown: the process drains for shutdown\n");
    assert_eq!(get(service.address(), "/livez").status, 200);
    service.set_draining(false);
    assert_eq!(ready().status, 200);
}

#[test]
fn only_get_and_head_of_known_paths_are_answered() {
    let service = saying(Report::default());
    let address = service.address();
    let page = get(address, "/");
    assert_eq!(page.status, 200);
    assert!(page.head.contains("text/html"));
    assert!(page.head.contains("default-src 'none'"));
    assert!(page.body.contains("</html>"));
    assert_eq!(get(address, "/nothing").status, 404);
    assert_eq!(get(address, "/health?now=1").status, 200);
    let head = send(address, b"HEAD /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    assert_eq!((head.status, &*head.body), (200, ""));
    for method in ["POST", "DELETE", "OPTIONS", "X"] {
        let request = format!("{method} /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        let answer = send(address, request.as_bytes());
        assert_eq!(answer.status, 405, "{method}");
        assert!(answer.head.contains("allow: get, head"), "{}", answer.head);
    }
    let old = send(address, b"GET /livez HTTP/1.0\r\n\r\n");
    assert_eq!(old.status, 200);
}

#[test]
fn a_page_from_elsewhere_learns_nothing_from_the_loopback_interface() {
    let service = saying(wedged());
    let request = b"GET /health HTTP/1.1\r\nHost: rebound.example.org\r\n\r\n";
    let answer = send(service.address(), request);
    assert_eq!(answer.status, 421);
    assert!(!answer.body.contains("enc"));
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let service = saying(Report::default());
    let page = get(service.address(), "/").body;
    let urls = page.match_indices("http").count() + page.match_indices("//").count();
    // Comments of the script, and nothing else, have two slashes.
    let comments = page.lines().filter(|line| line.trim().starts_with("//"));
    assert_eq!(urls, comments.count(), "{page}");
    for markup in ["innerHTML", "outerHTML", "insertAdjacentHTML", "eval("] {
        assert!(!page.contains(markup), "{markup}");
    }
}

/// A source that does not come back until it is told to.
struct Stuck(std::sync::Mutex<std::sync::mpsc::Receiver<()>>);

impl Source for Stuck {
    fn read(&self) -> Report {
        let _ = self.0.lock().unwrap().recv();
        Report::default()
    }
}

#[test]
fn a_source_that_does_not_come_back_is_told_and_the_process_stays_alive() {
    let (go_on, told) = std::sync::mpsc::channel();
    let service = with(Arc::new(Stuck(std::sync::Mutex::new(told))));
    let address = service.address();
    let ready = get(address, "/readyz");
    assert_eq!(ready.status, 503);
    assert!(ready.body.starts_with("unreadable: "), "{}", ready.body);
    assert_eq!(get(address, "/livez").status, 200);
    assert_eq!(get(address, "/metrics").status, 503);
    let health = get(address, "/health");
    let json: serde_json::Value = serde_json::from_str(&health.body).unwrap();
    assert_eq!(json["reasons"][0]["kind"], "unreadable");
    // It works again.
    drop(go_on);
    assert_eq!(get(address, "/readyz").status, 200);
}

/// A source that panics, the first time.
struct Panics(AtomicUsize);

impl Source for Panics {
    fn read(&self) -> Report {
        let before = self.0.fetch_add(1, Ordering::SeqCst);
        assert!(before > 0, "on purpose");
        Report::default()
    }
}

#[test]
fn a_source_that_panics_once_is_read_again() {
    let service = with(Arc::new(Panics(AtomicUsize::new(0))));
    assert_eq!(get(service.address(), "/readyz").status, 503);
    assert_eq!(get(service.address(), "/readyz").status, 200);
}

/// A source that takes a while, and counts.
struct Slow(AtomicUsize);

impl Source for Slow {
    fn read(&self) -> Report {
        self.0.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(50));
        Report::default()
    }
}

#[test]
fn clients_that_ask_at_once_share_a_reading_and_one_that_asks_later_gets_a_new_one() {
    let source = Arc::new(Slow(AtomicUsize::new(0)));
    let service = with(source.clone());
    let address = service.address();
    let clients: Vec<_> = (0..32)
        .map(|_| std::thread::spawn(move || get(address, "/readyz").status))
        .collect();
    for client in clients {
        assert_eq!(client.join().unwrap(), 200);
    }
    let reads = source.0.load(Ordering::SeqCst);
    assert!((1..16).contains(&reads), "{reads}");
    get(address, "/readyz");
    assert_eq!(source.0.load(Ordering::SeqCst), reads + 1);
}

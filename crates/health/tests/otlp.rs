// SPDX-License-Identifier: MPL-2.0
//! The export, with a collector of the test's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use codecwatch_health::otlp::{Endpoint, Exporter, Options};
use codecwatch_health::{Codec, Element, Fault, Report, Source, Times};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;

const BOUND: Duration = Duration::from_secs(20);

/// Requests: path and body. Answers each with this status.
fn collector(status: &'static str) -> (Endpoint, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let mut from = BufReader::new(stream.try_clone().unwrap());
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                from.read_line(&mut line).unwrap();
                if line.trim().is_empty() {
                    break;
                }
                lines.push(line.to_ascii_lowercase());
            }
            let length = lines
                .iter()
                .find_map(|line| line.strip_prefix("content-length:"));
            let mut body = vec![0; length.unwrap().trim().parse().unwrap()];
            from.read_exact(&mut body).unwrap();
            let path = lines[0].split(' ').nth(1).unwrap().to_owned();
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            let _ = { &stream }.write_all(answer.as_bytes());
            if sender.send((path, body)).is_err() {
                return;
            }
        }
    });
    (endpoint.parse().unwrap(), requests)
}

/// A source that says what was set last.
struct Told(Mutex<Report>);

impl Source for Told {
    fn read(&self) -> Report {
        self.0.lock().unwrap().clone()
    }
}

fn report() -> Report {
    let element = Element {
        id: 1,
        name: "enc".to_owned(),
        path: "/p/enc".to_owned(),
        codec: "SVT-AV1".to_owned(),
        session: 5,
        session_started: Duration::from_secs(1_000),
        phase: "running".to_owned(),
        verdict: "wedged".to_owned(),
        ..Element::default()
    };
    let codec = Codec {
        name: "SVT-AV1".to_owned(),
        frames_in: 7,
        lag: Times {
            counts: vec![(Some(Duration::from_millis(10)), 2), (None, 1)],
            sum: Duration::from_secs(3),
        },
        ..Codec::default()
    };
    let fault = |time, text: &str| Fault {
        time: Duration::from_secs(time),
        path: "/p/enc".to_owned(),
        kind: "failed".to_owned(),
        text: text.to_owned(),
        ..Fault::default()
    };
    Report {
        elements: vec![element],
        codecs: vec![codec],
        faults: vec![
            fault(999, "of the session before"),
            fault(1_001, "it is wedged"),
        ],
    }
}

fn options(endpoint: Endpoint, source: &Arc<Told>) -> Options {
    Options {
        interval: Duration::from_millis(100),
        service: "test".to_owned(),
        source: source.clone(),
        ..Options::new(endpoint)
    }
}

fn next(requests: &Receiver<(String, Vec<u8>)>, path: &str) -> Vec<u8> {
    loop {
        let (to, body) = requests.recv_timeout(BOUND).unwrap();
        if to == path {
            return body;
        }
    }
}

#[test]
fn numbers_come_as_sums_and_histograms() {
    let (endpoint, requests) = collector("200 OK");
    let source = Arc::new(Told(Mutex::new(report())));
    let exporter = Exporter::start(options(endpoint, &source)).unwrap();
    let request = ExportMetricsServiceRequest::decode(&*next(&requests, "/v1/metrics")).unwrap();
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    let named = |name: &str| -> &Metric {
        let found = metrics.iter().find(|metric| metric.name == name);
        found.unwrap_or_else(|| panic!("no {name}: {metrics:?}"))
    };
    let Some(metric::Data::Sum(sum)) = &named("codecwatch.frames.in").data else {
        panic!("no sum");
    };
    assert!(sum.is_monotonic);
    assert_eq!(sum.data_points.len(), 1);
    let shown = format!("{:?}", sum.data_points[0]);
    assert!(shown.contains("AsInt(7)"), "{shown}");
    let Some(metric::Data::Histogram(lag)) = &named("codecwatch.lag").data else {
        panic!("no histogram");
    };
    let point = &lag.data_points[0];
    assert_eq!((point.count, point.sum), (3, Some(3.0)));
    assert_eq!(point.bucket_counts, [2, 1]);
    assert_eq!(point.explicit_bounds, [0.01]);
    assert!(point.start_time_unix_nano <= point.time_unix_nano);
    assert!(exporter.close());
}

#[test]
fn a_session_is_one_span_with_its_faults_once_it_has_ended() {
    let (endpoint, requests) = collector("200 OK");
    let source = Arc::new(Told(Mutex::new(report())));
    let exporter = Exporter::start(options(endpoint, &source)).unwrap();
    for _ in 0..3 {
        let (path, _) = requests.recv_timeout(BOUND).unwrap();
        assert_eq!(path, "/v1/metrics", "it has not ended");
    }
    source.0.lock().unwrap().elements[0].session = 6;
    let request = ExportTraceServiceRequest::decode(&*next(&requests, "/v1/traces")).unwrap();
    let [span] = &request.resource_spans[0].scope_spans[0].spans[..] else {
        panic!("not one span: {request:?}");
    };
    assert_eq!(span.name, "session of SVT-AV1");
    assert_eq!(span.start_time_unix_nano, 1_000_000_000_000);
    assert!(span.end_time_unix_nano > span.start_time_unix_nano);
    assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8));
    let status = span.status.as_ref().unwrap();
    assert_eq!(status.code, StatusCode::Error as i32);
    let [event] = &span.events[..] else {
        panic!("not one event: {span:?}");
    };
    assert_eq!(event.time_unix_nano, 1_001_000_000_000);
    // Of the one that is there at the end, with the last export.
    assert!(exporter.close());
    let request = ExportTraceServiceRequest::decode(&*next(&requests, "/v1/traces")).unwrap();
    assert_eq!(request.resource_spans[0].scope_spans[0].spans.len(), 1);
}

#[test]
fn a_collector_that_refuses_is_told_of_once() {
    let (endpoint, requests) = collector("503 Service Unavailable");
    let source = Arc::new(Told(Mutex::new(report())));
    let told = Arc::new(Mutex::new(Vec::new()));
    let complaints = told.clone();
    let mut options = options(endpoint.clone(), &source);
    options.complain = Box::new(move |text| complaints.lock().unwrap().push(text.to_owned()));
    let exporter = Exporter::start(options).unwrap();
    for _ in 0..5 {
        requests.recv_timeout(BOUND).unwrap();
    }
    exporter.close();
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains(&endpoint.to_string()), "{told:?}");
    assert!(told[0].contains("503"), "{told:?}");
}

#[test]
fn a_collector_that_does_not_answer_delays_no_end() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let source = Arc::new(Told(Mutex::new(report())));
    let exporter = Exporter::start(options(endpoint.parse().unwrap(), &source)).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let began = Instant::now();
    exporter.close();
    assert!(began.elapsed() < Duration::from_secs(3));
}

// SPDX-License-Identifier: MPL-2.0
//! The answers: which path says what.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;

use crate::metrics;
use crate::reader::{Reader, Reading};
use crate::readiness::{Reason, reasons, unreadable};
use crate::report::{Report, seconds};

/// The version of the JSON: raised when a field changes its meaning or goes. New fields do
/// not raise it.
const VERSION: u32 = 1;
/// How long a turn of the service's thread may take.
const PULSE: Duration = Duration::from_secs(1);

const PAGE: &str = include_str!("page.html");

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";

/// What the service knows besides the source.
#[derive(Debug)]
pub(crate) struct Answers {
    pub(crate) reader: Reader,
    /// The process shuts down.
    pub(crate) draining: Arc<AtomicBool>,
    pub(crate) started: Instant,
    /// The service listens on the loopback interface only.
    pub(crate) loopback: bool,
}

/// `/health`.
#[derive(Debug, Serialize)]
struct Health<'a> {
    version: u32,
    status: &'static str,
    reasons: &'a [Reason],
    pid: u32,
    /// Since 1970.
    #[serde(serialize_with = "seconds")]
    time: Duration,
    #[serde(rename = "uptime_seconds", serialize_with = "seconds")]
    uptime: Duration,
    #[serde(flatten)]
    report: &'a Report,
}

impl Answers {
    /// The answer to a request.
    pub(crate) async fn to(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if self.loopback && !is_local(request.headers().get(header::HOST)) {
            let text = "this service is for this machine: the name in the address has to be an IP \
                        address or localhost\n";
            return plain(StatusCode::MISDIRECTED_REQUEST, text);
        }
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD\n");
            let allowed = HeaderValue::from_static("GET, HEAD");
            refused.headers_mut().insert(header::ALLOW, allowed);
            return refused;
        }
        match request.uri().path() {
            "/livez" => live().await,
            "/readyz" => self.ready().await,
            "/health" => self.health().await,
            "/metrics" => self.metrics().await,
            "/" => of(StatusCode::OK, HTML, PAGE),
            _ => plain(
                StatusCode::NOT_FOUND,
                "there are /livez, /readyz, /health, /metrics and /\n",
            ),
        }
    }

    async fn ready(&self) -> Response<Full<Bytes>> {
        let reading = self.reader.read().await;
        let reasons = self.reasons(reading.as_deref());
        if reasons.is_empty() {
            return plain(StatusCode::OK, "ready\n");
        }
        let lines = reasons
            .iter()
            .map(|reason| format!("{}: {}\n", reason.kind, reason.text));
        let text = lines.collect::<String>();
        of(StatusCode::SERVICE_UNAVAILABLE, TEXT, text)
    }

    async fn health(&self) -> Response<Full<Bytes>> {
        let reading = self.reader.read().await;
        let reasons = self.reasons(reading.as_deref());
        let nothing = Report::default();
        let time = SystemTime::now().duration_since(UNIX_EPOCH);
        let health = Health {
            version: VERSION,
            status: match reasons.is_empty() {
                true => "ready",
                false => "unready",
            },
            reasons: &reasons,
            pid: std::process::id(),
            time: time.unwrap_or_default(),
            uptime: self.started.elapsed(),
            report: reading.as_ref().map_or(&nothing, |reading| &reading.report),
        };
        match serde_json::to_vec(&health) {
            Ok(json) => of(StatusCode::OK, JSON, json),
            Err(error) => of(StatusCode::INTERNAL_SERVER_ERROR, TEXT, error.to_string()),
        }
    }

    async fn metrics(&self) -> Response<Full<Bytes>> {
        let Some(reading) = self.reader.read().await else {
            // Numbers that are missing would be taken for counters that begin again.
            return plain(StatusCode::SERVICE_UNAVAILABLE, "not readable in time\n");
        };
        let ready = self.reasons(Some(&reading)).is_empty();
        match metrics::encode(&reading.report, ready, self.started.elapsed()) {
            Ok(text) => of(StatusCode::OK, metrics::CONTENT_TYPE, text),
            Err(error) => of(StatusCode::INTERNAL_SERVER_ERROR, TEXT, error.to_string()),
        }
    }

    fn reasons(&self, reading: Option<&Reading>) -> Vec<Reason> {
        let draining = self.draining.load(Ordering::Relaxed);
        match reading {
            Some(reading) => reasons(&reading.report, draining || reading.drain_file),
            None => {
                let mut all = reasons(&Report::default(), draining);
                all.push(unreadable());
                all
            }
        }
    }
}

/// Whether the thread is alive: it has got to this request, and it measures how long it
/// takes until its other work has had a turn. So nothing has to beat while nothing is
/// asked.
async fn live() -> Response<Full<Bytes>> {
    let began = Instant::now();
    tokio::task::yield_now().await;
    let took = began.elapsed();
    let (status, what) = match took < PULSE {
        true => (StatusCode::OK, "alive"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "late"),
    };
    of(
        status,
        TEXT,
        format!("{what}: {:.6} s\n", took.as_secs_f64()),
    )
}

/// Whether the name that a client has used is one of this machine. A page from elsewhere,
/// whose name was made to lead to this machine, gets no answer.
fn is_local(host: Option<&HeaderValue>) -> bool {
    // A client of HTTP/1.0 sends none; a browser always does.
    let Some(host) = host else { return true };
    let Ok(host) = host.to_str() else {
        return false;
    };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    of(status, TEXT, text)
}

fn of(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // The page has its style and its script in it, and asks only this service.
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
             connect-src 'self'; base-uri 'none'; form-action 'none'",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_elsewhere_is_not_local() {
        for (host, local) in [
            ("localhost", true),
            ("LocalHost:9848", true),
            ("127.0.0.1:9848", true),
            ("10.1.2.3", true),
            ("[::1]:9848", true),
            ("example.org:9848", false),
            ("127.0.0.1.example.org", false),
            ("", false),
        ] {
            let host_header = HeaderValue::from_static(host);
            assert_eq!(is_local(Some(&host_header)), local, "{host}");
        }
        assert!(is_local(None));
    }
}

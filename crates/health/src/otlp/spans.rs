// SPDX-License-Identifier: MPL-2.0
//! Sessions as spans. A span begins when its session was started, and ends when the
//! element has another, or none, or is gone: seen once per interval, so a span may end up
//! to an interval late, and a session that was there for less may be missed. Its faults
//! are events with their own times.

use std::collections::BTreeMap;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

use super::{nanoseconds, number, scope, text};
use crate::report::{Element, Fault, Report};

/// The sessions that elements have shown.
#[derive(Debug, Default)]
pub(super) struct Sessions(BTreeMap<u64, Seen>);

/// A session when it was last seen.
#[derive(Debug)]
struct Seen {
    element: Element,
    /// Its span was exported: an element may show a session for long after its end.
    sent: bool,
}

impl Sessions {
    /// The spans that have ended since the last call, or with `all` every one; `None` if
    /// there is none.
    pub(super) fn request(
        &mut self,
        report: &Report,
        resource: Resource,
        time: Duration,
        all: bool,
    ) -> Option<ExportTraceServiceRequest> {
        let mut before = std::mem::take(&mut self.0);
        let mut spans = Vec::new();
        for element in report.elements.iter().filter(|element| element.session > 0) {
            let mut sent = before
                .remove(&element.session)
                .is_some_and(|seen| seen.sent);
            if !sent && (all || element.phase == "ended") {
                spans.push(span(element, &report.faults, time));
                sent = true;
            }
            let element = element.clone();
            self.0.insert(element.session, Seen { element, sent });
        }
        let gone = before.into_values().filter(|seen| !seen.sent);
        spans.extend(gone.map(|seen| span(&seen.element, &report.faults, time)));
        if spans.is_empty() {
            return None;
        }
        Some(ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(resource),
                scope_spans: vec![ScopeSpans {
                    scope: Some(scope()),
                    spans,
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            }],
        })
    }
}

fn span(element: &Element, faults: &[Fault], time: Duration) -> Span {
    let begin = element.session_started;
    // Those of a session before it are older.
    let faults = faults
        .iter()
        .filter(|fault| fault.path == element.path && fault.time >= begin);
    let failed = element.failed || element.verdict == "wedged";
    let code = match failed {
        true => StatusCode::Error,
        false => StatusCode::Unset,
    };
    Span {
        trace_id: random(16),
        span_id: random(8),
        name: format!("session of {}", element.codec),
        kind: SpanKind::Internal as i32,
        start_time_unix_nano: nanoseconds(begin),
        end_time_unix_nano: nanoseconds(time.max(begin)),
        attributes: vec![
            text("codec", &element.codec),
            text("element", &element.name),
            text("path", &element.path),
            number("session", element.session),
            text("outcome", &element.outcome),
            number("frames.in", element.frames.into),
            number("frames.out", element.frames.out),
        ],
        events: faults.map(event).collect(),
        status: Some(Status {
            code: code as i32,
            ..Status::default()
        }),
        ..Span::default()
    }
}

fn event(fault: &Fault) -> Event {
    let call = fault.call.as_ref().map_or("", |call| &call.name);
    Event {
        time_unix_nano: nanoseconds(fault.time),
        name: fault.kind.clone(),
        attributes: vec![
            text("outcome", &fault.outcome),
            text("phase", &fault.phase),
            text("call", call),
            text("message", &fault.text),
        ],
        ..Event::default()
    }
}

fn random(bytes: usize) -> Vec<u8> {
    // An id of zeroes is none.
    std::iter::repeat_with(|| fastrand::u8(1..))
        .take(bytes)
        .collect()
}

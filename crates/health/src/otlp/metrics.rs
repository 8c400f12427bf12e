// SPDX-License-Identifier: MPL-2.0
//! A report as OTLP metrics. Counters and histograms are sums since the start.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::{nanoseconds, number, scope, text};
use crate::readiness::reasons;
use crate::report::{Codec, Element, Report, Times};

const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

/// When the numbers began, and when they were read: nanoseconds since 1970.
#[derive(Clone, Copy)]
struct Span {
    start: u64,
    time: u64,
}

/// Everything that is exported of a report.
pub(super) fn request(
    report: &Report,
    resource: Resource,
    started: Duration,
    time: Duration,
) -> ExportMetricsServiceRequest {
    let span = Span {
        start: nanoseconds(started),
        time: nanoseconds(time),
    };
    let ready = u64::from(reasons(report, false).is_empty());
    let mut metrics = vec![gauge(
        "codecwatch.ready",
        vec![span.number(ready, Vec::new())],
    )];
    metrics.extend(codecs(&report.codecs, span));
    metrics.extend(elements(&report.elements, span));
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(scope()),
                metrics,
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
}

fn codecs(codecs: &[Codec], span: Span) -> Vec<Metric> {
    type Value = fn(&Codec) -> u64;
    let counters: [(&str, Value); 8] = [
        ("codecwatch.frames.in", |codec| codec.frames_in),
        ("codecwatch.frames.out", |codec| codec.frames_out),
        ("codecwatch.sessions.opened", |codec| codec.ledger.opened),
        ("codecwatch.runs.completed", |codec| codec.ledger.completed),
        ("codecwatch.runs.failed", |codec| {
            codec.ledger.failed + codec.ledger.panicked + codec.ledger.crashed
        }),
        ("codecwatch.workers.abandoned", |codec| {
            codec.ledger.abandoned
        }),
        ("codecwatch.workers.reclaimed", |codec| {
            codec.ledger.reclaimed
        }),
        ("codecwatch.restarts", |codec| codec.ledger.restarts),
    ];
    let gauges: [(&str, Value); 2] = [
        ("codecwatch.workers.outstanding", |codec| codec.outstanding),
        ("codecwatch.workers.limit", |codec| codec.limit.into()),
    ];
    let points = |value: Value| {
        let points = codecs
            .iter()
            .map(|codec| span.number(value(codec), of_codec(codec)));
        points.collect::<Vec<_>>()
    };
    let mut metrics: Vec<_> = counters
        .iter()
        .map(|(name, value)| counter(name, points(*value)))
        .collect();
    metrics.extend(
        gauges
            .iter()
            .map(|(name, value)| gauge(name, points(*value))),
    );
    let lags = codecs.iter().filter(|codec| codec.lag.count() > 0);
    let lags = lags.map(|codec| span.times(&codec.lag, of_codec(codec)));
    metrics.push(histogram("codecwatch.lag", lags.collect()));
    let calls = codecs.iter().flat_map(|codec| {
        codec.calls.iter().map(move |(call, times)| {
            let mut attributes = of_codec(codec);
            attributes.push(text("call", call));
            span.times(times, attributes)
        })
    });
    metrics.push(histogram("codecwatch.call.duration", calls.collect()));
    metrics
}

fn elements(elements: &[Element], span: Span) -> Vec<Metric> {
    type Value = fn(&Element) -> u64;
    let gauges: [(&str, Value); 4] = [
        ("codecwatch.element.failed", |element| element.failed.into()),
        ("codecwatch.element.wedged", |element| {
            (element.verdict == "wedged").into()
        }),
        ("codecwatch.element.frames.inside", |element| {
            element.inside.into()
        }),
        ("codecwatch.element.queued", |element| element.queued.into()),
    ];
    let metrics = gauges.iter().map(|(name, value)| {
        let points = elements
            .iter()
            .map(|element| span.number(value(element), of_element(element)));
        gauge(name, points.collect())
    });
    metrics.collect()
}

fn of_codec(codec: &Codec) -> Vec<KeyValue> {
    vec![text("codec", &codec.name)]
}

fn of_element(element: &Element) -> Vec<KeyValue> {
    vec![
        text("element", &element.name),
        number("id", element.id),
        text("codec", &element.codec),
    ]
}

impl Span {
    fn number(self, value: u64, attributes: Vec<KeyValue>) -> NumberDataPoint {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        NumberDataPoint {
            attributes,
            start_time_unix_nano: self.start,
            time_unix_nano: self.time,
            value: Some(number_data_point::Value::AsInt(value)),
            ..NumberDataPoint::default()
        }
    }

    fn times(self, times: &Times, attributes: Vec<KeyValue>) -> HistogramDataPoint {
        let bounds = times.counts.iter().filter_map(|(bound, _)| *bound);
        HistogramDataPoint {
            attributes,
            start_time_unix_nano: self.start,
            time_unix_nano: self.time,
            count: times.count(),
            sum: Some(times.sum.as_secs_f64()),
            bucket_counts: times.counts.iter().map(|(_, count)| *count).collect(),
            explicit_bounds: bounds.map(|bound| bound.as_secs_f64()).collect(),
            ..HistogramDataPoint::default()
        }
    }
}

fn metric(name: &str, unit: &str, data: metric::Data) -> Metric {
    Metric {
        name: name.to_owned(),
        unit: unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

fn counter(name: &str, data_points: Vec<NumberDataPoint>) -> Metric {
    let sum = Sum {
        data_points,
        aggregation_temporality: CUMULATIVE,
        is_monotonic: true,
    };
    metric(name, "1", metric::Data::Sum(sum))
}

fn gauge(name: &str, data_points: Vec<NumberDataPoint>) -> Metric {
    metric(name, "1", metric::Data::Gauge(Gauge { data_points }))
}

fn histogram(name: &str, data_points: Vec<HistogramDataPoint>) -> Metric {
    let histogram = Histogram {
        data_points,
        aggregation_temporality: CUMULATIVE,
    };
    metric(name, "s", metric::Data::Histogram(histogram))
}

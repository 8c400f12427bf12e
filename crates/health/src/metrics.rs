// SPDX-License-Identifier: MPL-2.0
//! A report as OpenMetrics. The names are described in `docs/HEALTH.md`; a test compares
//! the two.

use std::fmt::Error;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use crate::report::{Codec, Element, Report, Times};

/// Of what [`encode`] returns.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Verdicts and phases, so that each has a series before it is the case.
const VERDICTS: [&str; 5] = ["idle", "working", "backpressured", "slow", "wedged"];
const PHASES: [&str; 7] = [
    "none", "waiting", "opening", "running", "draining", "closing", "ended",
];

/// The report as text.
///
/// # Errors
/// Only if the text cannot be written, which does not happen with a string.
pub(crate) fn encode(report: &Report, ready: bool, uptime: Duration) -> Result<String, Error> {
    let mut registry = Registry::with_prefix("codecwatch");
    registry.register_collector(Box::new(Reading {
        report: report.clone(),
        ready,
        uptime,
    }));
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Reading {
    report: Report,
    ready: bool,
    uptime: Duration,
}

type Labels<'a> = Vec<(&'static str, &'a str)>;

impl Collector for Reading {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let to = &mut encoder;
        let mut build = to.encode_descriptor("build", "The version", None, MetricType::Info)?;
        build.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])?;
        let help = "Whether /readyz answers 200";
        to.encode_descriptor("ready", help, None, MetricType::Gauge)?
            .encode_gauge(&i64::from(self.ready))?;
        let help = "Time since the service started";
        to.encode_descriptor("uptime", help, Some(&Unit::Seconds), MetricType::Gauge)?
            .encode_gauge(&self.uptime.as_secs_f64())?;
        codec_counters(to, &self.report.codecs)?;
        codec_gauges(to, &self.report.codecs)?;
        codec_histograms(to, &self.report.codecs)?;
        element_counters(to, &self.report.elements)?;
        element_gauges(to, &self.report.elements)
    }
}

// ---- codecs: these series stay until the process ends

type CodecValue = fn(&Codec) -> u64;

fn codec_counters(to: &mut DescriptorEncoder<'_>, codecs: &[Codec]) -> Result<(), Error> {
    let table: [(&str, &str, CodecValue); 6] = [
        ("frames_in", "Frames submitted to the codec", |codec| {
            codec.frames_in
        }),
        (
            "frames_out",
            "Frames that have come out of the codec",
            |codec| codec.frames_out,
        ),
        (
            "sessions_opened",
            "Sessions whose native open succeeded",
            |codec| codec.ledger.opened,
        ),
        (
            "workers_abandoned",
            "Workers that were wedged and abandoned",
            |codec| codec.ledger.abandoned,
        ),
        (
            "workers_reclaimed",
            "Abandoned workers whose call has returned since",
            |codec| codec.ledger.reclaimed,
        ),
        (
            "restarts",
            "Faults after which another session took over",
            |codec| codec.ledger.restarts,
        ),
    ];
    for (name, help, value) in table {
        let mut family = to.encode_descriptor(name, help, None, MetricType::Counter)?;
        for codec in codecs {
            let labels: Labels<'_> = vec![("codec", &codec.name)];
            family
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, _, u64>(&value(codec), None)?;
        }
    }
    let help = "Runs that have ended, by outcome; abandoned ones are in workers_abandoned";
    let mut family = to.encode_descriptor("runs", help, None, MetricType::Counter)?;
    for codec in codecs {
        for (outcome, count) in [
            ("Completed", codec.ledger.completed),
            ("CodecFailed", codec.ledger.failed),
            ("CodecPanicked", codec.ledger.panicked),
            ("CodecCrashed", codec.ledger.crashed),
        ] {
            let labels: Labels<'_> = vec![("codec", &codec.name), ("outcome", outcome)];
            family
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
    }
    Ok(())
}

fn codec_gauges(to: &mut DescriptorEncoder<'_>, codecs: &[Codec]) -> Result<(), Error> {
    let table: [(&str, &str, CodecValue); 3] = [
        (
            "workers_outstanding",
            "Workers that hold resources in the background: abandoned or retiring",
            |codec| codec.outstanding,
        ),
        (
            "workers_retiring",
            "Sessions that close in the background",
            |codec| codec.ledger.retiring,
        ),
        (
            "workers_limit",
            "Outstanding workers at which no session is opened (0 = no limit)",
            |codec| u64::from(codec.limit),
        ),
    ];
    for (name, help, value) in table {
        let mut family = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for codec in codecs {
            let labels: Labels<'_> = vec![("codec", &codec.name)];
            family.encode_family(&labels)?.encode_gauge(&value(codec))?;
        }
    }
    Ok(())
}

fn codec_histograms(to: &mut DescriptorEncoder<'_>, codecs: &[Codec]) -> Result<(), Error> {
    let seconds = Some(&Unit::Seconds);
    let help = "Time from a frame's submission to the output that settles it";
    let mut family = to.encode_descriptor("lag", help, seconds, MetricType::Histogram)?;
    for codec in codecs.iter().filter(|codec| !codec.lag.counts.is_empty()) {
        let labels: Labels<'_> = vec![("codec", &codec.name)];
        histogram(family.encode_family(&labels)?, &codec.lag)?;
    }
    let help = "Duration of native calls that have returned";
    let mut family = to.encode_descriptor("call_duration", help, seconds, MetricType::Histogram)?;
    for codec in codecs {
        for (call, times) in &codec.calls {
            let labels: Labels<'_> = vec![("codec", &codec.name), ("call", call)];
            histogram(family.encode_family(&labels)?, times)?;
        }
    }
    Ok(())
}

fn histogram(mut to: MetricEncoder<'_>, times: &Times) -> Result<(), Error> {
    let bound = |bound: &Option<Duration>| bound.map_or(f64::INFINITY, |at| at.as_secs_f64());
    let buckets = times.counts.iter();
    let buckets: Vec<_> = buckets.map(|(at, count)| (bound(at), *count)).collect();
    to.encode_histogram::<NoLabelSet>(times.sum.as_secs_f64(), times.count(), &buckets, None)
}

// ---- elements: these series are there as long as the element

fn labels_of<'a>(element: &'a Element, id: &'a str) -> Labels<'a> {
    vec![
        ("element", &element.name),
        ("id", id),
        ("codec", &element.codec),
    ]
}

type ElementValue = fn(&Element) -> u64;

fn element_counters(to: &mut DescriptorEncoder<'_>, elements: &[Element]) -> Result<(), Error> {
    let table: [(&str, &str, ElementValue); 3] = [
        (
            "element_frames_in",
            "Frames that the element has submitted",
            |element| element.frames.into,
        ),
        (
            "element_frames_out",
            "Frames that have come out of the element",
            |element| element.frames.out,
        ),
        (
            "element_frames_lost",
            "Frames that were lost in restarts",
            |element| element.frames.lost,
        ),
    ];
    for (name, help, value) in table {
        let mut family = to.encode_descriptor(name, help, None, MetricType::Counter)?;
        for element in elements {
            let id = element.id.to_string();
            // Without the codec, which may change: the series would begin again.
            let labels: Labels<'_> = vec![("element", &element.name), ("id", &id)];
            family
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, _, u64>(&value(element), None)?;
        }
    }
    Ok(())
}

fn element_gauges(to: &mut DescriptorEncoder<'_>, elements: &[Element]) -> Result<(), Error> {
    let table: [(&str, &str, ElementValue); 4] = [
        (
            "element_failed",
            "Whether the element has failed and has not been to READY since",
            |element| u64::from(element.failed),
        ),
        (
            "element_frames_inside",
            "Frames inside the codec",
            |element| u64::from(element.inside),
        ),
        (
            "element_queued",
            "Inputs that wait for the codec",
            |element| u64::from(element.queued),
        ),
        (
            "element_waiting_for_downstream",
            "Outputs that wait for downstream",
            |element| u64::from(element.waiting_for_downstream),
        ),
    ];
    for (name, help, value) in table {
        let mut family = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for element in elements {
            let id = element.id.to_string();
            let labels = labels_of(element, &id);
            family
                .encode_family(&labels)?
                .encode_gauge(&value(element))?;
        }
    }
    let help = "Age of the native call in flight; 0 without one";
    let seconds = Some(&Unit::Seconds);
    let mut family = to.encode_descriptor("element_call_age", help, seconds, MetricType::Gauge)?;
    for element in elements {
        let id = element.id.to_string();
        let labels = labels_of(element, &id);
        let age = element
            .call
            .as_ref()
            .map_or(Duration::ZERO, |call| call.age);
        family
            .encode_family(&labels)?
            .encode_gauge(&age.as_secs_f64())?;
    }
    states(to, elements, "verdict", &VERDICTS, |element| {
        &element.verdict
    })?;
    states(to, elements, "phase", &PHASES, |element| &element.phase)
}

/// A gauge for each state that an element can be in: 1 for the one that it is in.
fn states(
    to: &mut DescriptorEncoder<'_>,
    elements: &[Element],
    what: &'static str,
    states: &[&str],
    state_of: fn(&Element) -> &str,
) -> Result<(), Error> {
    let (name, help) = (
        format!("element_{what}"),
        format!("Its {what}: 1, others 0"),
    );
    let mut family = to.encode_descriptor(&name, &help, None, MetricType::Gauge)?;
    for element in elements {
        let id = element.id.to_string();
        for state in states {
            let mut labels = labels_of(element, &id);
            labels.push((what, state));
            let is_so = i64::from(state_of(element) == *state);
            family.encode_family(&labels)?.encode_gauge(&is_so)?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;

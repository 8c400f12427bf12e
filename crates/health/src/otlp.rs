// SPDX-License-Identifier: MPL-2.0
//! Exports the same to an OpenTelemetry collector, over OTLP with protobuf in HTTP: the
//! metrics of `/metrics`, and each session as a span, with its faults as events.
//!
//! On a thread and a runtime of its own, which wakes once per interval. A collector that
//! is not there, or slow, costs nothing but the numbers of that interval: counters are
//! sums since the start, so the next export has them. There is no TLS: the collector is
//! meant to run on the same machine, or in the same pod.

mod endpoint;
mod metrics;
mod spans;

use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use tokio::runtime;
use tokio::sync::oneshot;

pub use self::endpoint::{Endpoint, EndpointError};
use self::spans::Sessions;
use crate::published::Published;
use crate::reader::Reader;
use crate::report::Source;

/// The longest that an export may take.
const BOUND: Duration = Duration::from_secs(5);
/// The longest that [`Exporter::close`] waits.
const CLOSE: Duration = Duration::from_millis(900);

/// What is exported, where to, and how often.
pub struct Options {
    /// The collector.
    pub endpoint: Endpoint,
    /// The time between two exports.
    pub interval: Duration,
    /// `service.name` of the resource.
    pub service: String,
    /// What is exported.
    pub source: Arc<dyn Source>,
    /// Called with the first failure, and with the next one after a success. Must not
    /// wait.
    pub complain: Box<dyn Fn(&str) + Send>,
}

impl Options {
    /// The elements of this process, with what the standard variables say:
    /// `OTEL_SERVICE_NAME` (the name of the program) and `OTEL_METRIC_EXPORT_INTERVAL`
    /// (milliseconds; 60 s). Failures are not told.
    pub fn new(endpoint: Endpoint) -> Self {
        let program = || {
            let program = std::env::current_exe().ok()?;
            Some(program.file_name()?.to_string_lossy().into_owned())
        };
        let service = std::env::var("OTEL_SERVICE_NAME").ok();
        let interval = std::env::var("OTEL_METRIC_EXPORT_INTERVAL").ok();
        let interval = interval.and_then(|text| text.parse().ok());
        Self {
            endpoint,
            interval: Duration::from_millis(interval.filter(|ms| *ms > 0).unwrap_or(60_000)),
            service: service.or_else(program).unwrap_or_default(),
            source: Arc::new(Published::new()),
            complain: Box::new(|_| {}),
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("endpoint", &self.endpoint)
            .field("interval", &self.interval)
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

/// The export, until it is [closed](Self::close) or dropped.
#[derive(Debug)]
pub struct Exporter {
    stop: Option<oneshot::Sender<()>>,
    ended: mpsc::Receiver<()>,
    process: u32,
}

impl Exporter {
    /// Starts the export. Connects to nothing yet.
    ///
    /// # Errors
    /// If the system has no resources for its threads.
    pub fn start(options: Options) -> std::io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let (alive, ended) = mpsc::channel();
        let reader = Reader::start(options.source.clone(), None, alive.clone())?;
        let (stop, stopped) = oneshot::channel();
        std::thread::Builder::new()
            .name("cw-otlp".into())
            .spawn(move || {
                runtime.block_on(export(&options, reader, stopped));
                // A name that is still being looked up is not waited for.
                runtime.shutdown_background();
                drop(alive);
            })?;
        Ok(Self {
            stop: Some(stop),
            ended,
            process: std::process::id(),
        })
    }

    /// Exports once more, ends the spans of sessions that are still there, and waits for
    /// that: 0.9 s at most. Returns whether the threads have ended.
    pub fn close(mut self) -> bool {
        self.end()
    }

    fn end(&mut self) -> bool {
        let Some(stop) = self.stop.take() else {
            return true;
        };
        if std::process::id() != self.process {
            // A forked child has no thread that could hear it.
            std::mem::forget(stop);
            return true;
        }
        let _ = stop.send(());
        self.ended.recv_timeout(CLOSE) == Err(mpsc::RecvTimeoutError::Disconnected)
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.end();
    }
}

async fn export(options: &Options, reader: Reader, mut stop: oneshot::Receiver<()>) {
    let started = now();
    let mut sessions = Sessions::default();
    let mut failing = false;
    loop {
        let last = tokio::select! {
            biased;
            _ = &mut stop => true,
            () = tokio::time::sleep(options.interval) => false,
        };
        let Some(reading) = reader.read().await else {
            if last {
                return;
            }
            continue;
        };
        let time = now();
        let resource = resource(&options.service);
        let metrics = metrics::request(&reading.report, resource.clone(), started, time);
        let spans = sessions.request(&reading.report, resource, time, last);
        let both = async {
            let sent = options
                .endpoint
                .post("/v1/metrics", metrics.encode_to_vec());
            sent.await?;
            if let Some(spans) = spans {
                let sent = options.endpoint.post("/v1/traces", spans.encode_to_vec());
                sent.await?;
            }
            Ok(())
        };
        let bound = if last { CLOSE / 2 } else { BOUND };
        let sent = match tokio::time::timeout(bound, both).await {
            Ok(sent) => sent,
            Err(_) => Err("it takes too long".to_owned()),
        };
        if let Err(why) = &sent
            && !failing
        {
            (options.complain)(&format!("no export to {}: {why}", options.endpoint));
        }
        failing = sent.is_err();
        if last {
            return;
        }
    }
}

/// Since 1970.
fn now() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default()
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn resource(service: &str) -> Resource {
    Resource {
        attributes: vec![
            text("service.name", service),
            number("process.pid", u64::from(std::process::id())),
        ],
        ..Resource::default()
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.to_owned()))
}

fn number(key: &str, value: u64) -> KeyValue {
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    attribute(key, any_value::Value::IntValue(value))
}

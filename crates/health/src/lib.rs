// SPDX-License-Identifier: MPL-2.0
//! Health of a process with supervised codecs, over HTTP: probes for an orchestrator,
//! JSON, OpenMetrics, and a page.
//!
//! ```no_run
//! use codecwatch_health::{Options, Service, parse_address};
//!
//! let service = Service::start(Options::new(parse_address("9848")?))?;
//! println!("http://{}/", service.address());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | path | what it says |
//! |---|---|
//! | `/livez` | 200: the process and the service's thread are alive. Nothing about codecs |
//! | `/readyz` | 200, or 503 with reasons: a codec is wedged or an element has failed, no more sessions can be opened, or the process shuts down |
//! | `/health` | everything, as JSON ([`Report`]) |
//! | `/metrics` | OpenMetrics |
//! | `/` | a page that shows the same, live |
//!
//! The service has two threads. One answers, on a runtime of its own, and takes no lock
//! that anything else of the process takes: `/livez` needs nothing but this thread. The
//! other reads what the elements publish ([`Source`]). It starts nothing, waits for
//! nothing and keeps no element alive; and if it did not come back, the first would say
//! so. When nothing is asked, both sleep without a time-out.
//!
//! The elements are found through GLib's type system ([`Published`]), whichever plugin
//! files have brought them: a program links this crate and no plugin.

mod address;
mod answers;
mod connections;
mod forked;
mod metrics;
#[cfg(feature = "otlp")]
pub mod otlp;
mod port_file;
mod published;
mod reader;
mod readiness;
mod report;
mod server;
mod service;

pub use address::{AddressError, parse_address};
pub use published::Published;
pub use readiness::{Reason, reasons};
pub use report::{Call, Codec, Element, Fault, Frames, Ledger, Report, Source, Times};
pub use service::{Options, Service, StartError};

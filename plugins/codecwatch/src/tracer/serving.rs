// SPDX-License-Identifier: MPL-2.0
//! Serves the health of the process, from GStreamer's initialisation until its
//! deinitialisation.

use std::sync::{Mutex, PoisonError};

use codecwatch_health::{Options, Service};
use gst::prelude::*;

use super::complain;
use crate::CAT;

/// What runs until GStreamer is deinitialised. Dropped, it ends.
static RUNNING: Mutex<Vec<Box<dyn Send>>> = Mutex::new(Vec::new());

/// Starts the service. One line if it cannot be started: the program runs on without.
pub(super) fn serve(options: Options) {
    let asked_for = options.address.port();
    let service = match Service::start(options) {
        Ok(service) => service,
        Err(why) => return complain(&format!("no health: {why}")),
    };
    let listens = service.address();
    if asked_for == 0 {
        // Who asked for any port has to be told which.
        eprintln!("codecwatch: health at http://{listens}/");
    } else {
        gst::info!(CAT, "health at http://{listens}/");
    }
    keep(service);
}

/// Starts the export. One line if it cannot be started, and one when the collector is not
/// there.
#[cfg(feature = "otlp")]
pub(super) fn export(endpoint: codecwatch_health::otlp::Endpoint) {
    use codecwatch_health::otlp::{Exporter, Options};

    let options = Options {
        complain: Box::new(|text| gst::warning!(CAT, "{text}")),
        ..Options::new(endpoint)
    };
    match Exporter::start(options) {
        Ok(exporter) => keep(exporter),
        Err(why) => complain(&format!("no export: {why}")),
    }
}

/// Keeps it until GStreamer is deinitialised. GStreamer tells nobody of that; but the
/// registry is one of the first things that go. (A tracer without hooks is freed as soon
/// as it was created, and one with hooks costs time with every buffer.)
fn keep(what: impl Send + 'static) {
    let lock = || RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let first = {
        let mut running = lock();
        running.push(Box::new(what));
        running.len() == 1
    };
    if first {
        gst::Registry::get().add_weak_ref_notify(move || {
            let running = std::mem::take(&mut *lock());
            drop(running);
        });
    }
}

// SPDX-License-Identifier: MPL-2.0
//! Serves the health of the process, from GStreamer's initialisation until its
//! deinitialisation.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use codecwatch_health::{Options, Service};
use gst::prelude::*;

use super::complain;
use crate::CAT;

static SERVICE: Mutex<Option<Service>> = Mutex::new(None);

/// Starts the service. One line if it cannot be started: the program runs on without.
pub(super) fn serve(address: SocketAddr, port_file: Option<PathBuf>) {
    let options = Options {
        port_file,
        ..Options::new(address)
    };
    let service = match Service::start(options) {
        Ok(service) => service,
        Err(why) => return complain(&format!("no health: {why}")),
    };
    let listens = service.address();
    if address.port() == 0 {
        // Who asked for any port has to be told which.
        eprintln!("codecwatch: health at http://{listens}/");
    } else {
        gst::info!(CAT, "health at http://{listens}/");
    }
    *SERVICE.lock().unwrap_or_else(PoisonError::into_inner) = Some(service);
    // GStreamer says to nobody that it is deinitialised; the registry is one of the first
    // things that go. (A tracer without hooks is freed as soon as it was created, and one
    // with hooks costs time with every buffer.)
    gst::Registry::get().add_weak_ref_notify(|| drop(close()));
}

fn close() -> Option<Service> {
    SERVICE
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take()
}

// SPDX-License-Identifier: MPL-2.0
//! The service with a source of the test's own: what it answers, what it bears, and how it
//! begins and ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod bounds;
mod client;
mod lives;

use std::net::SocketAddr;
use std::sync::Arc;

use codecwatch_health::{Options, Report, Service, Source};

/// A source that says what it was made with.
struct Fixed(Report);

impl Source for Fixed {
    fn read(&self) -> Report {
        self.0.clone()
    }
}

/// A free port on the loopback interface.
fn any() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn with(source: Arc<dyn Source>) -> Service {
    let options = Options {
        source,
        ..Options::new(any())
    };
    Service::start(options).unwrap()
}

fn saying(report: Report) -> Service {
    with(Arc::new(Fixed(report)))
}

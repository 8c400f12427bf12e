// SPDX-License-Identifier: MPL-2.0
//! The way into a chain for what comes from downstream.

use std::sync::OnceLock;

use codecwatch_process::Beside;
use codecwatch_supervisor::Lane;
use gst::glib;
use gst::prelude::*;

use crate::io::Output;
use crate::remote::{self, RemoteHosted};

/// The source end of one chain, once it is open. Its elements expect events
/// and queries there on any thread, also while their streaming thread waits for downstream.
#[derive(Debug, Default)]
pub struct Entrance(OnceLock<Opened>);

#[derive(Debug)]
struct Opened {
    way: Way,
    last: String,
}

#[derive(Debug)]
enum Way {
    /// The peer of the chain's last pad; belongs to the session.
    Pad(glib::WeakRef<gst::Pad>),
    /// The chain is in a child.
    Child(Beside<RemoteHosted>),
}

impl Entrance {
    pub(crate) fn open(&self, collector: &gst::Pad, last: &str) {
        self.set(Way::Pad(collector.downgrade()), last);
    }

    pub(crate) fn open_in_child(&self, beside: Beside<RemoteHosted>, last: &str) {
        self.set(Way::Child(beside), last);
    }

    fn set(&self, way: Way, last: &str) {
        // A session opens one chain.
        let _ = self.0.set(Opened {
            way,
            last: last.to_owned(),
        });
    }

    /// Sends an event of downstream into the chain, on any lane of its session. False
    /// if the chain does not take it, or is not open. May block as long as the chain
    /// does.
    pub fn send(&self, lane: &Lane<Output>, event: gst::Event) -> bool {
        let call = |last: &str| format!("{last}: {} event", event.type_().name());
        let Some(opened) = self.0.get() else {
            return false;
        };
        lane.call(call(&opened.last), || opened.send(event))
    }

    /// Puts a query of downstream to the chain, and returns it with its answer;
    /// otherwise as [`send`](Self::send).
    pub fn query(&self, lane: &Lane<Output>, query: gst::Query) -> Option<gst::Query> {
        let opened = self.0.get()?;
        let call = format!("{}: {} query", opened.last, query.type_().name());
        lane.call(call, || opened.query(query))
    }

    /// As [`send`](Self::send), in a child: the parent watches.
    pub(crate) fn send_here(&self, event: gst::Event) -> bool {
        self.0.get().is_some_and(|opened| opened.send(event))
    }

    /// As [`query`](Self::query), in a child: the parent watches.
    pub(crate) fn query_here(&self, query: gst::Query) -> Option<gst::Query> {
        self.0.get()?.query(query)
    }
}

impl Opened {
    fn send(&self, event: gst::Event) -> bool {
        match &self.way {
            Way::Pad(collector) => collector.upgrade().is_some_and(|pad| pad.push_event(event)),
            Way::Child(beside) => remote::send_beside(beside, &event),
        }
    }

    fn query(&self, mut query: gst::Query) -> Option<gst::Query> {
        match &self.way {
            Way::Pad(collector) => collector
                .upgrade()?
                .peer_query(query.make_mut())
                .then_some(query),
            Way::Child(beside) => remote::query_beside(beside, &query),
        }
    }
}

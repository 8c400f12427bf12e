// SPDX-License-Identifier: MPL-2.0
//! The way into a chain for what comes from downstream.

use std::sync::OnceLock;

use codecwatch_supervisor::Lane;
use gst::glib;
use gst::prelude::*;

use crate::io::Output;

/// The source end of one chain, once it is open. Its elements expect events
/// and queries there on any thread, also while their streaming thread waits for downstream.
#[derive(Debug, Default)]
pub struct Entrance(OnceLock<Opened>);

#[derive(Debug)]
struct Opened {
    /// The peer of the chain's last pad; belongs to the session.
    collector: glib::WeakRef<gst::Pad>,
    last: String,
}

impl Entrance {
    pub(crate) fn open(&self, collector: &gst::Pad, last: &str) {
        // A session opens one chain.
        let _ = self.0.set(Opened {
            collector: collector.downgrade(),
            last: last.to_owned(),
        });
    }

    /// Sends an event of downstream into the chain, on any lane of its session. False
    /// if the chain does not take it, or is not open. May block as long as the chain
    /// does.
    pub fn send(&self, lane: &Lane<Output>, event: gst::Event) -> bool {
        let kind = event.type_();
        let sent = self.enter(lane, kind.name(), "event", |pad| pad.push_event(event));
        sent.unwrap_or(false)
    }

    /// Puts a query of downstream to the chain, and returns it with its answer;
    /// otherwise as [`send`](Self::send).
    pub fn query(&self, lane: &Lane<Output>, mut query: gst::Query) -> Option<gst::Query> {
        let kind = query.type_();
        let answered = self.enter(lane, kind.name(), "query", |pad| {
            pad.peer_query(query.make_mut())
        });
        answered?.then_some(query)
    }

    fn enter<R>(
        &self,
        lane: &Lane<Output>,
        kind: &str,
        what: &str,
        call: impl FnOnce(&gst::Pad) -> R,
    ) -> Option<R> {
        let opened = self.0.get()?;
        let collector = opened.collector.upgrade()?;
        let name = format!("{}: {kind} {what}", opened.last);
        Some(lane.call(name, || call(&collector)))
    }
}

// SPDX-License-Identifier: MPL-2.0
//! The way into a chain beside its worker.

use std::sync::{Arc, OnceLock};

use codecwatch_process::Beside;
use codecwatch_supervisor::Lane;
use gst::glib;
use gst::prelude::*;

use crate::chain::Elements;
use crate::io::Output;
use crate::remote::{self, RemoteHosted, SentEvents};

/// The ends of one chain, once it is open. Its elements expect queries and events that
/// are not serialized there on any thread, also while their streaming thread waits for
/// downstream.
#[derive(Debug, Default)]
pub struct Entrance(OnceLock<Opened>);

#[derive(Debug)]
struct Opened {
    way: Way,
    first: String,
    last: String,
}

#[derive(Debug)]
enum Way {
    /// The peers of the chain's first and last pad; they belong to the session.
    Pads([glib::WeakRef<gst::Pad>; 2]),
    /// The chain is in a child.
    Child(Beside<RemoteHosted>, Arc<SentEvents>),
}

impl Entrance {
    pub(crate) fn open(&self, elements: &Elements) {
        let ends = [&elements.feed, &elements.collector].map(|pad| pad.downgrade());
        self.set(Way::Pads(ends), &elements.first, &elements.last);
    }

    /// From upstream nothing goes into a chain in a child beside its worker.
    pub(crate) fn open_in_child(
        &self,
        beside: Beside<RemoteHosted>,
        sent: Arc<SentEvents>,
        last: &str,
    ) {
        self.set(Way::Child(beside, sent), "", last);
    }

    fn set(&self, way: Way, first: &str, last: &str) {
        // A session opens one chain.
        let _ = self.0.set(Opened {
            way,
            first: first.to_owned(),
            last: last.to_owned(),
        });
    }

    /// Sends an event of upstream that is not serialized into the chain; otherwise as
    /// [`send`](Self::send).
    pub fn send_down(&self, lane: &Lane<Output>, event: gst::Event) -> bool {
        let Some((opened, feed)) = self.feed() else {
            return false;
        };
        let call = format!("{}: {} event", opened.first, event.type_().name());
        lane.call(call, || feed.push_event(event))
    }

    /// Puts a query of upstream that is not serialized to the chain; otherwise as
    /// [`query`](Self::query).
    pub fn query_down(&self, lane: &Lane<Output>, mut query: gst::Query) -> Option<gst::Query> {
        let (opened, feed) = self.feed()?;
        let call = format!("{}: {} query", opened.first, query.type_().name());
        lane.call(call, || feed.peer_query(query.make_mut()))
            .then_some(query)
    }

    /// Whether [`send_down`](Self::send_down) and [`query_down`](Self::query_down) lead
    /// anywhere.
    pub fn leads_down(&self) -> bool {
        self.feed().is_some()
    }

    fn feed(&self) -> Option<(&Opened, gst::Pad)> {
        let opened = self.0.get()?;
        match &opened.way {
            Way::Pads([feed, _]) => Some((opened, feed.upgrade()?)),
            Way::Child(..) => None,
        }
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
            Way::Pads([_, collector]) => {
                collector.upgrade().is_some_and(|pad| pad.push_event(event))
            }
            Way::Child(beside, sent) => remote::send_beside(beside, sent, &event),
        }
    }

    fn query(&self, mut query: gst::Query) -> Option<gst::Query> {
        match &self.way {
            Way::Pads([_, collector]) => collector
                .upgrade()?
                .peer_query(query.make_mut())
                .then_some(query),
            Way::Child(beside, _) => remote::query_beside(beside, &query),
        }
    }
}

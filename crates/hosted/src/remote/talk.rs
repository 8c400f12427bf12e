// SPDX-License-Identifier: MPL-2.0
//! What the element asks a chain in a child, and what that chain asks the pipeline.

use std::sync::{Arc, PoisonError};

use codecwatch_process::{Beside, ChildContext, Talk};
use codecwatch_supervisor::{Amount, Lane};
use serde::{Deserialize, Serialize};

use super::events::PackedEvent;
use super::kept::KeptEvents;
use super::queries::{PackedAnswer, PackedQuery};
use super::sent::SentEvents;
use super::sticky::StickyNames;
use super::{PackedTags, RemoteHosted};
use crate::entrance::Entrance;
use crate::io::{EventOutput, LostEvents, Output};
use crate::outside::Outside;
use crate::session::{HostedSession, Metadata};

/// What the element lends to a chain in a child.
#[derive(Clone)]
pub struct Lends {
    /// The pipeline around it.
    pub outside: Arc<dyn Outside>,
    /// Leads into the chain once it is open.
    pub entrance: Arc<Entrance>,
    /// The name of the chain's last element.
    pub last: String,
    pub(crate) lost: Arc<LostEvents>,
    pub(super) kept: Arc<KeptEvents>,
    pub(super) sticky: Arc<StickyNames>,
    pub(super) sent: Arc<SentEvents>,
}

impl Lends {
    /// As the fields say.
    pub fn new(outside: Arc<dyn Outside>, entrance: Arc<Entrance>, last: String) -> Self {
        Self {
            outside,
            entrance,
            last,
            lost: Arc::default(),
            kept: Arc::default(),
            sticky: Arc::default(),
            sent: Arc::default(),
        }
    }
}

/// What the threads of a child share.
#[derive(Debug, Default)]
pub struct Threads {
    pub(super) entrance: Arc<Entrance>,
    pub(super) events: super::events::KnownEvents,
}

/// A question to the chain.
#[derive(Debug, Serialize, Deserialize)]
pub enum Question {
    /// See [`HostedSession::query`].
    Query {
        /// From downstream.
        from_src: bool,
        /// The query.
        query: PackedQuery,
    },
    /// See [`HostedSession::upstream_event`].
    Event(PackedEvent),
    /// See [`HostedSession::resend`].
    Resend(Vec<PackedEvent>),
    /// See [`HostedSession::set_property`].
    SetProperty {
        /// The place of the element.
        part: u32,
        /// The property.
        property: String,
        /// Its value.
        value: String,
    },
    /// See [`HostedSession::property`].
    Property {
        /// The place of the element.
        part: u32,
        /// The property.
        property: String,
    },
    /// See [`HostedSession::set_metadata`].
    SetTags(PackedTags),
    /// See [`HostedSession::set_clock`].
    SetClock(Time),
    /// See [`HostedSession::measure_latency`].
    MeasureLatency,
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    /// To a question that has none.
    Done,
    /// To a query; `None` if it was not answered.
    Query(Option<PackedAnswer>),
    /// To an event: whether it was taken.
    Event(bool),
    /// To a property.
    Text(Option<String>),
}

/// A question of the chain to the pipeline.
#[derive(Debug, Serialize, Deserialize)]
pub enum Inquiry {
    /// A query to the peer.
    Query {
        /// Upstream, or downstream.
        upstream: bool,
        /// The query.
        query: PackedQuery,
    },
    /// An event to upstream.
    Event(PackedEvent),
    /// The clock.
    Clock,
}

/// What was found.
#[derive(Debug, Serialize, Deserialize)]
pub enum Finding {
    /// To a query; `None` if it was not answered.
    Query(Option<PackedAnswer>),
    /// To an event: whether it was taken.
    Event(bool),
    /// The clock.
    Clock(Time),
}

/// The clock of a pipeline, as far as another process can have it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Time {
    /// It is the system's monotonic clock.
    is_system: bool,
    base_time: Option<u64>,
}

impl Time {
    pub(super) fn new(clock: Option<&gst::Clock>, base_time: Option<gst::ClockTime>) -> Self {
        let system = gst::SystemClock::obtain();
        Self {
            is_system: clock.is_some_and(|clock| *clock == system),
            base_time: base_time.map(gst::ClockTime::nseconds),
        }
    }

    pub(super) fn clock(self) -> (Option<gst::Clock>, Option<gst::ClockTime>) {
        if !self.is_system {
            return (None, None);
        }
        let base_time = self.base_time.map(gst::ClockTime::try_from);
        (
            Some(gst::SystemClock::obtain()),
            base_time.and_then(Result::ok),
        )
    }
}

/// See the module's description.
#[derive(Debug)]
pub enum ChainTalk {}

impl Talk<RemoteHosted> for ChainTalk {
    type Parent = Lends;
    type Child = Threads;
    type Question = Question;
    type Answer = Answer;
    type Inquiry = Inquiry;
    type Finding = Finding;

    fn opened(lends: &Lends, beside: Beside<RemoteHosted>) {
        let sent = lends.sent.clone();
        lends.entrance.open_in_child(beside, sent, &lends.last);
    }

    /// Sends the events again that a flush has dropped on their way to downstream.
    fn before_input(lends: &Lends, lane: &Lane<Output>) {
        let lost = {
            let lost = lends.lost.lock();
            std::mem::take(&mut *lost.unwrap_or_else(PoisonError::into_inner))
        };
        for event in lost {
            let event = EventOutput::new(event, &lends.lost);
            // Discarded: another flush, after which this is done again.
            let _ = lane.emit(Output::Event(event), Amount::NONE);
        }
    }

    fn inquire(lends: &Lends, inquiry: Inquiry) -> Finding {
        match inquiry {
            Inquiry::Query { upstream, query } => {
                Finding::Query(query.unpack().and_then(|mut query| {
                    let asked = query.make_mut();
                    let answered = if upstream {
                        lends.outside.query_upstream(asked)
                    } else {
                        lends.outside.query_downstream(asked)
                    };
                    answered.then(|| PackedAnswer::new(asked))
                }))
            }
            Inquiry::Event(event) => {
                let length = event.length();
                let event = event.unpack().filter(goes_upstream);
                let event = event.and_then(|event| lends.sent.answer(event, length));
                Finding::Event(event.is_some_and(|event| lends.outside.send_upstream(event)))
            }
            Inquiry::Clock => {
                let (clock, base_time) = lends.outside.clock();
                Finding::Clock(Time::new(clock.as_ref(), base_time))
            }
        }
    }

    fn answer(
        threads: &Arc<Threads>,
        session: &mut HostedSession,
        lane: &Lane<Output>,
        question: Question,
    ) -> Answer {
        match question {
            Question::Query { from_src, query } => {
                let answered = query
                    .unpack()
                    .and_then(|query| session.query(lane, from_src, query));
                Answer::Query(answered.map(|mut query| PackedAnswer::new(query.make_mut())))
            }
            Question::Event(event) => {
                let event = event.unpack();
                Answer::Event(event.is_some_and(|event| session.upstream_event(lane, event)))
            }
            Question::Resend(in_force) => {
                session.resend(
                    in_force
                        .iter()
                        .filter_map(|event| threads.events.unpack(event))
                        .collect(),
                );
                Answer::Done
            }
            Question::SetProperty {
                part,
                property,
                value,
            } => {
                session.set_property(lane, part as usize, &property, &value);
                Answer::Done
            }
            Question::Property { part, property } => {
                Answer::Text(session.property(lane, part as usize, &property))
            }
            Question::SetTags(tags) => {
                if let Some(tags) = tags.unpack() {
                    let metadata = Metadata {
                        tags: Some(tags),
                        toc: None,
                    };
                    session.set_metadata(lane, &metadata);
                }
                Answer::Done
            }
            Question::SetClock(time) => {
                let (clock, base_time) = time.clock();
                session.set_clock(lane, clock.as_ref(), base_time);
                Answer::Done
            }
            Question::MeasureLatency => {
                session.measure_latency(lane);
                Answer::Done
            }
        }
    }

    fn answer_beside(threads: &Arc<Threads>, question: Question) -> Answer {
        match question {
            Question::Query { query, .. } => {
                let answered = query
                    .unpack()
                    .and_then(|query| threads.entrance.query_here(query));
                Answer::Query(answered.map(|mut query| PackedAnswer::new(query.make_mut())))
            }
            Question::Event(event) => {
                let event = event.unpack();
                Answer::Event(event.is_some_and(|event| threads.entrance.send_here(event)))
            }
            _ => Answer::Done,
        }
    }
}

/// Whether a chain may send an event to upstream.
pub(super) fn goes_upstream(event: &gst::Event) -> bool {
    event.is_upstream()
        && !matches!(
            event.type_(),
            gst::EventType::FlushStart | gst::EventType::FlushStop
        )
}

/// Child: the pipeline around the element, which is in the other process.
pub(super) struct ThroughParent(pub(super) ChildContext<RemoteHosted>);

impl ThroughParent {
    fn query(&self, upstream: bool, query: &mut gst::QueryRef) -> bool {
        let packed = PackedQuery::new(query);
        let inquiry = Inquiry::Query {
            upstream,
            query: packed,
        };
        let Some(Finding::Query(Some(answer))) = self.0.inquire(inquiry) else {
            return false;
        };
        let answered = answer.unpack(query);
        if let Some(answered) = &answered {
            crate::relay::answer(answered, query);
        }
        answered.is_some()
    }
}

impl Outside for ThroughParent {
    fn query_upstream(&self, query: &mut gst::QueryRef) -> bool {
        self.query(true, query)
    }

    fn query_downstream(&self, query: &mut gst::QueryRef) -> bool {
        self.query(false, query)
    }

    fn send_upstream(&self, event: gst::Event) -> bool {
        let inquiry = Inquiry::Event(PackedEvent::new(&event));
        matches!(self.0.inquire(inquiry), Some(Finding::Event(true)))
    }

    /// What is in a context cannot leave its process.
    fn need_context(&self, _context_type: &str) {}

    fn contexts(&self) -> Vec<gst::Context> {
        Vec::new()
    }

    fn clock(&self) -> (Option<gst::Clock>, Option<gst::ClockTime>) {
        match self.0.inquire(Inquiry::Clock) {
            Some(Finding::Clock(time)) => time.clock(),
            _ => (None, None),
        }
    }
}

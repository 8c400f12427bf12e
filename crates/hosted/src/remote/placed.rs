// SPDX-License-Identifier: MPL-2.0
//! What an element asks of its chain, wherever that runs.

use codecwatch_process::{Beside, PlacedSession};
use codecwatch_supervisor::Lane;

use super::events::PackedEvent;
use super::queries::PackedQuery;
use super::scan;
use super::sent::SentEvents;
use super::talk::{Answer, Question, Time};
use super::{PackedTags, RemoteHosted};
use crate::io::Output;
use crate::session::Metadata;

/// A chain that runs here or in a child. To be used on its worker.
pub trait ChainSession {
    /// See [`HostedSession::query`](crate::HostedSession::query).
    fn query(
        &mut self,
        lane: &Lane<Output>,
        from_src: bool,
        query: gst::Query,
    ) -> Option<gst::Query>;
    /// See [`HostedSession::upstream_event`](crate::HostedSession::upstream_event).
    fn upstream_event(&mut self, lane: &Lane<Output>, event: gst::Event) -> bool;
    /// See [`HostedSession::resend`](crate::HostedSession::resend).
    fn resend(&mut self, in_force: Vec<gst::Event>);
    /// See [`HostedSession::set_property`](crate::HostedSession::set_property).
    fn set_property(&mut self, lane: &Lane<Output>, part: usize, property: &str, value: &str);
    /// See [`HostedSession::property`](crate::HostedSession::property).
    fn property(&mut self, lane: &Lane<Output>, part: usize, property: &str) -> Option<String>;
    /// See [`HostedSession::act`](crate::HostedSession::act). Not in a child.
    fn act(
        &mut self,
        lane: &Lane<Output>,
        signal: &str,
        arguments: Vec<gst::glib::SendValue>,
    ) -> Option<gst::glib::SendValue>;
    /// See [`HostedSession::set_context`](crate::HostedSession::set_context). A context
    /// does not leave its process.
    fn set_context(&mut self, lane: &Lane<Output>, context: &gst::Context);
    /// See [`HostedSession::set_metadata`](crate::HostedSession::set_metadata). A table of
    /// contents does not leave its process.
    fn set_metadata(&mut self, lane: &Lane<Output>, metadata: &Metadata);
    /// See [`HostedSession::set_clock`](crate::HostedSession::set_clock).
    fn set_clock(
        &mut self,
        lane: &Lane<Output>,
        clock: Option<&gst::Clock>,
        base_time: Option<gst::ClockTime>,
    );
    /// See [`HostedSession::measure_latency`](crate::HostedSession::measure_latency).
    fn measure_latency(&mut self, lane: &Lane<Output>);
}

/// Whether the text of a property is a number: no name is read in it, and an application may
/// read a position again and again.
fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok()
}

impl ChainSession for PlacedSession<RemoteHosted> {
    fn query(
        &mut self,
        lane: &Lane<Output>,
        from_src: bool,
        query: gst::Query,
    ) -> Option<gst::Query> {
        match self {
            Self::Here(session) => session.query(lane, from_src, query),
            Self::Child(session) => {
                let packed = PackedQuery::new(&query);
                let question = Question::Query {
                    from_src,
                    query: packed,
                };
                match session.question(question) {
                    Some(Answer::Query(answer)) => answer?.unpack(&query),
                    _ => None,
                }
            }
        }
    }

    fn upstream_event(&mut self, lane: &Lane<Output>, event: gst::Event) -> bool {
        match self {
            Self::Here(session) => session.upstream_event(lane, event),
            Self::Child(session) => {
                session.parent().sent.note(&event);
                let question = Question::Event(PackedEvent::new(&event));
                matches!(session.question(question), Some(Answer::Event(true)))
            }
        }
    }

    fn resend(&mut self, in_force: Vec<gst::Event>) {
        match self {
            Self::Here(session) => session.resend(in_force),
            Self::Child(session) => {
                session.question(Question::Resend(super::portable(&in_force)));
            }
        }
    }

    fn set_property(&mut self, lane: &Lane<Output>, part: usize, property: &str, value: &str) {
        match self {
            Self::Here(session) => session.set_property(lane, part, property, value),
            Self::Child(session) => {
                session.question(Question::SetProperty {
                    part: number(part),
                    property: property.to_owned(),
                    value: value.to_owned(),
                });
            }
        }
    }

    fn property(&mut self, lane: &Lane<Output>, part: usize, property: &str) -> Option<String> {
        match self {
            Self::Here(session) => session.property(lane, part, property),
            Self::Child(session) => {
                let question = Question::Property {
                    part: number(part),
                    property: property.to_owned(),
                };
                match session.question(question) {
                    Some(Answer::Text(text)) => {
                        text.filter(|text| is_number(text) || scan::is_harmless(text))
                    }
                    _ => None,
                }
            }
        }
    }

    fn act(
        &mut self,
        lane: &Lane<Output>,
        signal: &str,
        arguments: Vec<gst::glib::SendValue>,
    ) -> Option<gst::glib::SendValue> {
        match self {
            Self::Here(session) => session.act(lane, signal, arguments),
            Self::Child(_) => None,
        }
    }

    fn set_context(&mut self, lane: &Lane<Output>, context: &gst::Context) {
        if let Self::Here(session) = self {
            session.set_context(lane, context);
        }
    }

    fn set_metadata(&mut self, lane: &Lane<Output>, metadata: &Metadata) {
        match self {
            Self::Here(session) => session.set_metadata(lane, metadata),
            Self::Child(session) => {
                if let Some(tags) = &metadata.tags {
                    session.question(Question::SetTags(PackedTags::new(tags)));
                }
            }
        }
    }

    fn set_clock(
        &mut self,
        lane: &Lane<Output>,
        clock: Option<&gst::Clock>,
        base_time: Option<gst::ClockTime>,
    ) {
        match self {
            Self::Here(session) => session.set_clock(lane, clock, base_time),
            Self::Child(session) => {
                session.question(Question::SetClock(Time::new(clock, base_time)));
            }
        }
    }

    fn measure_latency(&mut self, lane: &Lane<Output>) {
        match self {
            Self::Here(session) => session.measure_latency(lane),
            Self::Child(session) => {
                session.question(Question::MeasureLatency);
            }
        }
    }
}

fn number(part: usize) -> u32 {
    u32::try_from(part).unwrap_or(u32::MAX)
}

/// Sends an event of downstream into the chain of a child, beside its worker.
pub(crate) fn send_beside(
    beside: &Beside<RemoteHosted>,
    sent: &SentEvents,
    event: &gst::Event,
) -> bool {
    sent.note(event);
    let question = Question::Event(PackedEvent::new(event));
    matches!(beside.ask(question), Some(Answer::Event(true)))
}

/// Puts a query of downstream to the chain of a child, beside its worker.
pub(crate) fn query_beside(
    beside: &Beside<RemoteHosted>,
    query: &gst::Query,
) -> Option<gst::Query> {
    let question = Question::Query {
        from_src: true,
        query: PackedQuery::new(query),
    };
    match beside.ask(question) {
        Some(Answer::Query(answer)) => answer?.unpack(query),
        _ => None,
    }
}

// SPDX-License-Identifier: MPL-2.0
//! A chain of elements as a session. The worker is the chain's streaming thread: it
//! pushes into the first pad. What the chain gives, on whichever thread, is output.

use std::borrow::Cow;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use codecwatch_supervisor::{
    Amount, Codec, CodecError, Drained, Flush, Lane, Library, Name, Session,
};
use gst::prelude::*;
use gst::{FlowError, FlowSuccess};
use serde::{Deserialize, Serialize};

use crate::chain::Elements;
use crate::check::Gives;
use crate::description::Description;
use crate::entrance::Entrance;
use crate::in_flight::InFlight;
use crate::io::{Content, EventOutput, Input, Output, Posted, Report};
use crate::left_out::LeftOut;
use crate::link::Link;
use crate::pads::UPSTREAM_HOLDS;
use crate::span::Span;
use crate::{Outside, key_frame, relay, signals};

/// Opens a chain on its worker.
pub struct Hosted {
    /// The chain.
    pub description: Description,
    /// How many inputs it may take without any output before it owes some; `None` if
    /// there is no limit.
    pub most_inside: Option<usize>,
    /// What goes in is coded.
    pub decodes: bool,
    /// It begins at a key frame: buffers before the first one are left out, because they
    /// refer to frames that it does not get.
    pub from_key_frame: bool,
    /// The events that are in force where the stream goes on, such as its caps and its
    /// segment.
    pub in_force: Vec<gst::Event>,
    /// What an application wants in the stream.
    pub metadata: Metadata,
    /// Signals of its elements, and changes of their properties, are told.
    pub listens: bool,
    /// The pipeline around it.
    pub outside: Arc<dyn Outside>,
    /// Leads into the chain once it is open.
    pub entrance: Arc<Entrance>,
}

/// What an application has set through GstTagSetter and GstTocSetter.
#[derive(Debug, Clone, Default)]
pub struct Metadata {
    /// Tags.
    pub tags: Option<Tags>,
    /// Chapters and tracks. They stay in this process.
    pub toc: Option<gst::Toc>,
}

/// Tags that an application wants in the stream, and how they are merged with those of
/// upstream.
#[derive(Debug, Clone, PartialEq)]
pub struct Tags {
    /// The tags.
    pub list: gst::TagList,
    /// How they are merged.
    pub mode: gst::TagMergeMode,
}

impl std::fmt::Debug for Hosted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hosted")
            .field("description", &self.description)
            .finish_non_exhaustive()
    }
}

/// What others may know of a chain without entering it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, Option<u64>)", into = "(u64, Option<u64>)")]
pub struct Facts {
    /// The time that the chain adds.
    pub least_latency: gst::ClockTime,
    /// The most that it can hold back; `None` if there is no limit.
    pub most_latency: Option<gst::ClockTime>,
}

/// Before it is measured, a chain adds nothing.
impl Default for Facts {
    fn default() -> Self {
        Self {
            least_latency: gst::ClockTime::ZERO,
            most_latency: Some(gst::ClockTime::ZERO),
        }
    }
}

/// In nanoseconds.
impl From<Facts> for (u64, Option<u64>) {
    fn from(facts: Facts) -> Self {
        let most = facts.most_latency.map(gst::ClockTime::nseconds);
        (facts.least_latency.nseconds(), most)
    }
}

/// Times that are none count as no latency, or as no limit.
impl From<(u64, Option<u64>)> for Facts {
    fn from((least, most): (u64, Option<u64>)) -> Self {
        let time = |time: u64| gst::ClockTime::try_from(time).ok();
        Self {
            least_latency: time(least).unwrap_or_default(),
            most_latency: most.and_then(time),
        }
    }
}

/// A chain that plays.
pub struct HostedSession {
    elements: Elements,
    link: Arc<Link>,
    entrance: Arc<Entrance>,
    most_inside: Option<usize>,
    /// The name of the call that pushes a buffer.
    chain_call: Name,
    /// Events in force that the chain may lack; sent before the next input.
    in_force: Vec<gst::Event>,
    /// Until the first key frame, buffers are left out.
    awaits_key_frame: bool,
    /// The chain has answered EOS: it needs no more of this stream, and gets no more.
    has_enough: bool,
    /// The latency is measured after the next buffer.
    measures: bool,
    facts: Facts,
}

impl std::fmt::Debug for HostedSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostedSession")
            .field("first", &self.elements.first)
            .finish_non_exhaustive()
    }
}

impl Codec for Hosted {
    type Session = HostedSession;

    fn library(&self) -> Library {
        // Any name: whatever threads start while the chain starts are taken for its own.
        // If some are not, the watchdog waits longer at worst.
        const ANY: &[Name] = &[Name::from_static("")];
        Library::new(self.description.name()).with_thread_names(Cow::Borrowed(ANY))
    }

    /// Applications create elements on any thread, so elements bear to be opened beside
    /// each other. One at a time is for the evidence: whose threads have come up.
    fn opens_beside_after(&self) -> Option<Duration> {
        Some(Duration::from_millis(500))
    }

    fn open(self, lane: &Lane<Output>) -> Result<HostedSession, CodecError> {
        let in_flight = InFlight::new(self.most_inside, Gives::of(&self.description));
        let link = Arc::new(Link::new(lane.outlet(), self.outside, in_flight));
        link.listens.store(self.listens, Ordering::Release);
        lane.extend_witness(link.threads.clone());
        let elements = Elements::start(lane, &link, &self.description)?;
        if let Some(error) = link.failure() {
            link.close();
            elements.stop(lane);
            return Err(error);
        }
        self.entrance.open(&elements);
        let mut session = HostedSession {
            entrance: self.entrance,
            chain_call: format!("{}: chain", elements.first).into(),
            elements,
            link,
            most_inside: self.most_inside,
            in_force: self.in_force,
            awaits_key_frame: self.from_key_frame,
            has_enough: false,
            measures: true,
            facts: Facts::default(),
        };
        session.set_metadata(lane, &self.metadata);
        session.measure_latency(lane);
        Ok(session)
    }
}

impl Session for HostedSession {
    type Input = Input;
    type Output = Output;

    fn weigh(input: &Input) -> Amount {
        match input {
            Input::Buffer { .. } => Amount::ONE_FRAME,
            Input::List { .. } => Amount::ONE_FRAME,
            Input::Event(_) => Amount::NONE,
        }
    }

    fn delay(&self) -> Option<usize> {
        self.most_inside
    }

    fn send(&mut self, lane: &Lane<Output>, input: Input) -> Result<(), CodecError> {
        self.restate(lane);
        for event in std::mem::take(&mut self.in_force) {
            if !self.has(&event) {
                self.send_event(lane, event)?;
            }
        }
        let Some(input) = self.without_leading_deltas(lane, input) else {
            return Ok(());
        };
        match input {
            Input::Buffer { id, .. } | Input::List { id, .. } if self.has_enough => {
                let not_needed = LeftOut::new(vec![id], &[]);
                // Discarded: a flush, or a stop.
                let _ = lane.emit(Output::LeftOut(not_needed), Amount::ONE_FRAME);
                // Upstream may have got another answer meanwhile, for another downstream.
                let _ = lane.emit(Output::Enough(FlowError::Eos), Amount::NONE);
                return Ok(());
            }
            Input::Buffer { id, buffer } => {
                self.enter(id, Some(&buffer), buffer.duration());
                let flow = lane.call(&self.chain_call, || self.elements.feed.push(buffer));
                self.sent(lane, flow)?;
            }
            Input::List { id, list } => {
                let durations = list.iter().filter_map(gst::BufferRef::duration);
                let durations = durations.reduce(gst::ClockTime::saturating_add);
                self.enter(id, list.get(0), durations);
                let flow = lane.call(&self.chain_call, || self.elements.feed.push_list(list));
                self.sent(lane, flow)?;
            }
            Input::Event(event) => return self.send_event(lane, event),
        }
        if std::mem::take(&mut self.measures) {
            self.measure_latency(lane);
        }
        Ok(())
    }

    fn drain(&mut self, lane: &Lane<Output>) -> Result<Drained, CodecError> {
        self.push_event(lane, gst::event::Eos::new());
        self.check()?;
        // It may come on another thread. If outputs are discarded, none may come.
        if lane.wait_for_signal().is_ok() {
            self.check()?;
            self.report_missing(lane);
        }
        Ok(Drained::Spent)
    }

    fn flush(&mut self, lane: &Lane<Output>) -> Result<Flush, CodecError> {
        self.push_event(lane, gst::event::FlushStart::new());
        self.push_event(lane, gst::event::FlushStop::new(true));
        self.link.in_flight().clear();
        // What follows a flush is not what the restart has interrupted.
        self.awaits_key_frame = false;
        self.has_enough = false;
        self.check()?;
        Ok(Flush::Done)
    }

    fn close(self, lane: &Lane<Output>) -> Result<(), CodecError> {
        self.link.close();
        self.elements.stop(lane);
        Ok(())
    }
}

impl HostedSession {
    fn enter(&self, id: u32, first: Option<&gst::BufferRef>, duration: Option<gst::ClockTime>) {
        let pts = first.and_then(gst::BufferRef::pts);
        // Decoders give the decoding times of frames that have no others.
        let time = pts.or_else(|| first.and_then(gst::BufferRef::dts));
        let mut span = Span::on(&self.elements.feed, time, duration);
        let only_decoded =
            first.is_some_and(|buffer| buffer.flags().contains(gst::BufferFlags::DECODE_ONLY));
        if let Some(span) = span.as_mut() {
            span.is_shown &= !only_decoded;
        }
        self.link.in_flight().enter(id, pts, span);
    }

    /// Reports the inputs that went in and of which nothing came out. Elements end a stream
    /// in EOS even if the codec has failed at its end, or has dropped frames.
    fn report_missing(&self, lane: &Lane<Output>) {
        let missing = self.link.in_flight().missing();
        if let Some(left_out) = missing {
            let settles = u32::try_from(left_out.frames.len()).unwrap_or(u32::MAX);
            // Discarded: a flush, or a stop.
            let _ = lane.emit(Output::LeftOut(left_out), settles);
        }
    }

    /// The input without what comes before the key frame that the session begins at;
    /// `None` if nothing stays.
    fn without_leading_deltas(&mut self, lane: &Lane<Output>, input: Input) -> Option<Input> {
        let frame = match &input {
            _ if !self.awaits_key_frame => return Some(input),
            Input::Event(_) => return Some(input),
            Input::Buffer { id, .. } | Input::List { id, .. } => *id,
        };
        let (skipped, rest) = key_frame::split(input);
        self.awaits_key_frame = rest.is_none();
        if !skipped.is_empty() {
            let times: Vec<_> = skipped.iter().map(|buffer| buffer.pts()).collect();
            let frames = rest.is_none().then_some(frame).into_iter().collect();
            let left_out = LeftOut::new(frames, &times);
            let settles = match &*left_out.frames {
                [] => Amount::NONE,
                _ => Amount::ONE_FRAME,
            };
            // Discarded: a flush, which discards these, too.
            let _ = lane.emit(Output::LeftOut(left_out), settles);
        }
        rest
    }

    /// Sends the events again that a flush has dropped on their way to downstream.
    fn restate(&self, lane: &Lane<Output>) {
        let lost = {
            let lost = self.link.lost_events.lock();
            std::mem::take(&mut *lost.unwrap_or_else(PoisonError::into_inner))
        };
        for event in lost {
            let event = EventOutput::new(event, &self.link.lost_events);
            // Discarded: another flush, after which this is done again.
            let _ = lane.emit(Output::Event(event), Amount::NONE);
        }
    }

    /// Whether the chain has this event, and not only one that says the same. (A pad may
    /// send an event again that it has sent.)
    fn has(&self, event: &gst::Event) -> bool {
        let mut has = false;
        self.elements.feed.sticky_events_foreach(|sent| {
            has |= std::ptr::eq(sent.as_ptr(), event.as_ptr());
            std::ops::ControlFlow::Continue(gst::EventForeachAction::Keep)
        });
        has
    }

    fn send_event(&mut self, lane: &Lane<Output>, event: gst::Event) -> Result<(), CodecError> {
        let opens = event.type_() == gst::EventType::Caps;
        if let gst::EventType::StreamStart | gst::EventType::Segment = event.type_() {
            self.has_enough = false;
        }
        let taken = if opens {
            self.measures = true;
            // Most codecs open their library with the format, and start its threads.
            lane.opening(|| self.push_event(lane, event))?
        } else {
            self.push_event(lane, event)
        };
        self.check()?;
        if opens && !taken && !lane.discarding() {
            return Err(self.reported("does not take these caps"));
        }
        if opens {
            self.measure_latency(lane);
        }
        Ok(())
    }

    fn push_event(&self, lane: &Lane<Output>, event: gst::Event) -> bool {
        let name = format!("{}: {} event", self.elements.first, event.type_().name());
        lane.call(name, || self.elements.feed.push_event(event))
    }

    /// What the chain has answered to a buffer.
    fn sent(
        &mut self,
        lane: &Lane<Output>,
        flow: Result<FlowSuccess, FlowError>,
    ) -> Result<(), CodecError> {
        self.check()?;
        match flow {
            Ok(_) => Ok(()),
            Err(FlowError::Eos) => {
                self.has_enough = true;
                let _ = lane.emit(Output::Enough(FlowError::Eos), Amount::NONE);
                Ok(())
            }
            // The collector is flushing: outputs are discarded.
            Err(FlowError::Flushing) if lane.discarding() => Ok(()),
            Err(error) => Err(self.reported(&format!("answered '{error}' to a buffer"))),
        }
    }

    /// The error that an element has posted.
    fn check(&self) -> Result<(), CodecError> {
        self.link.failure().map_or(Ok(()), Err)
    }

    fn reported(&self, text: &str) -> CodecError {
        CodecError::Reported {
            part: self.elements.first.clone().into(),
            text: text.to_owned(),
        }
    }

    // ---- what is asked of the chain on its worker

    /// Puts a query to the chain from upstream (`from_src` false) or from downstream.
    /// Returns it with its answer.
    pub fn query(
        &mut self,
        lane: &Lane<Output>,
        from_src: bool,
        mut query: gst::Query,
    ) -> Option<gst::Query> {
        let kind = query.type_();
        let (part, pad) = if from_src {
            (&self.elements.last, &self.elements.collector)
        } else {
            (&self.elements.first, &self.elements.feed)
        };
        let name = format!("{part}: {} query", kind.name());
        lane.call(name, || pad.peer_query(query.make_mut()))
            .then_some(query)
    }

    /// Sends an event of downstream into the chain.
    pub fn upstream_event(&mut self, lane: &Lane<Output>, event: gst::Event) -> bool {
        self.entrance.send(lane, event)
    }

    /// Sends the events in force again before the next input: a flush may have dropped
    /// some on their way to the chain.
    pub fn resend(&mut self, in_force: Vec<gst::Event>) {
        self.in_force = in_force;
    }

    /// Sets a property of an element of the chain, by its place.
    pub fn set_property(&mut self, lane: &Lane<Output>, part: usize, property: &str, value: &str) {
        if let Err(error) = self.elements.set_property(lane, part, property, value) {
            // Checked before by its mirror, so only a class that differs gets here.
            let text = gst::glib::Error::new(gst::LibraryError::Settings, &error.to_string());
            let posted = Posted {
                part: self.elements.first.clone(),
                content: Content::Warning(Report {
                    error: text,
                    debug: None,
                    details: None,
                }),
            };
            lane.tell(Output::Posted(Box::new(posted)));
        }
    }

    /// The value of such a property, as GStreamer serialises it.
    pub fn property(&mut self, lane: &Lane<Output>, part: usize, property: &str) -> Option<String> {
        self.elements.property(lane, part, property)
    }

    /// Emits an action signal of the chain's first element, and returns what it returns.
    pub fn act(
        &mut self,
        lane: &Lane<Output>,
        signal: &str,
        arguments: Vec<gst::glib::SendValue>,
    ) -> Option<gst::glib::SendValue> {
        let returned = self.elements.act(lane, signal, arguments)?;
        signals::portable(&[returned])?.pop()
    }

    /// Gives the chain a context.
    pub fn set_context(&mut self, lane: &Lane<Output>, context: &gst::Context) {
        self.elements.set_context(lane, context);
    }

    /// Gives the chain the tags and the table of contents of an application.
    pub fn set_metadata(&mut self, lane: &Lane<Output>, metadata: &Metadata) {
        self.elements.set_metadata(lane, metadata);
    }

    /// Gives the chain a clock.
    pub fn set_clock(
        &mut self,
        lane: &Lane<Output>,
        clock: Option<&gst::Clock>,
        base_time: Option<gst::ClockTime>,
    ) {
        self.elements.set_clock(lane, clock, base_time);
    }

    /// Publishes the latency of the chain if it has changed.
    pub fn measure_latency(&mut self, lane: &Lane<Output>) {
        let query = relay::question(&gst::query::Latency::new());
        self.link.measuring.store(true, Ordering::Release);
        let answered = self.query(lane, true, query);
        self.link.measuring.store(false, Ordering::Release);
        let Some(answered) = answered else {
            return;
        };
        let gst::QueryView::Latency(latency) = answered.view() else {
            return;
        };
        let (_, least_latency, most_latency) = latency.result();
        let most_latency = most_latency.map(|most| most.saturating_sub(UPSTREAM_HOLDS));
        let facts = Facts {
            least_latency,
            most_latency,
        };
        if facts != self.facts {
            self.facts = facts;
            lane.publish(facts);
        }
    }
}

// SPDX-License-Identifier: MPL-2.0
//! The two ends of a chain: the pad by which the worker feeds it, and the pad that
//! collects what it gives. They belong to no element.

use std::sync::Arc;

use codecwatch_supervisor::{CodecError, Name};
use gst::prelude::*;
use gst::{EventView, FlowError, FlowSuccess, QueryViewMut};

use crate::device_memory::is_on_device;
use crate::io::{EventOutput, Output, PendingQuery};
use crate::link::Link;
use crate::span::Span;
use crate::{outside, relay};

/// How many buffers of a pool the element holds at most between the chain and
/// downstream: its outputs that wait, and the one that is pushed.
const HELD: u32 = 5;

/// What upstream of the chain is said to hold back at most while the latency of the chain is
/// measured: more than any chain does.
pub(crate) const UPSTREAM_HOLDS: gst::ClockTime = gst::ClockTime::from_seconds(24 * 60 * 60);

/// The pad that the worker pushes into.
pub(crate) fn feed(link: &Arc<Link>) -> gst::Pad {
    let (events, queries) = (link.clone(), link.clone());
    gst::Pad::builder(gst::PadDirection::Src)
        .name("feed")
        .event_function(move |_, _, event| send_upstream(&events, event))
        .query_function(move |_, _, query| query_upstream(&queries, query))
        .build()
}

/// The pad that receives what the chain gives, on whichever thread.
pub(crate) fn collector(link: &Arc<Link>) -> gst::Pad {
    let (buffers, lists) = (link.clone(), link.clone());
    let (events, queries) = (link.clone(), link.clone());
    gst::Pad::builder(gst::PadDirection::Sink)
        .name("collector")
        .chain_function(move |pad, _, buffer| collect(&buffers, pad, buffer))
        .chain_list_function(move |pad, _, list| collect_list(&lists, pad, list))
        .event_full_function(move |_, _, event| collect_event(&events, event))
        .query_function(move |_, _, query| query_downstream(&queries, query))
        .build()
}

fn collect(link: &Link, pad: &gst::Pad, buffer: gst::Buffer) -> Result<FlowSuccess, FlowError> {
    let buffer = readable(link, pad, buffer)?;
    let frames = settle(link, pad, &buffer)?;
    let amount = count(frames.len());
    let shared = None;
    let output = Output::Buffer {
        frames,
        buffer,
        shared,
    };
    emit(link, output, amount)
}

fn collect_list(
    link: &Link,
    pad: &gst::Pad,
    mut list: gst::BufferList,
) -> Result<FlowSuccess, FlowError> {
    if list.iter().any(is_on_device) {
        let buffers = list.iter_owned().map(|buffer| readable(link, pad, buffer));
        list = buffers.collect::<Result<_, _>>()?;
    }
    let mut frames = Vec::new();
    for buffer in list.iter() {
        frames.extend(settle(link, pad, buffer)?);
    }
    let amount = count(frames.len());
    let shared = None;
    let output = Output::List {
        frames,
        list,
        shared,
    };
    emit(link, output, amount)
}

/// The buffer so that downstream can read it without the chain's device.
fn readable(link: &Link, pad: &gst::Pad, buffer: gst::Buffer) -> Result<gst::Buffer, FlowError> {
    if !is_on_device(&buffer) {
        return Ok(buffer);
    }
    let part = pad.peer().and_then(|peer| peer.parent_element());
    let part = part.map(|part| part.name().to_string()).unwrap_or_default();
    if link.on_worker() {
        let call = format!("{part}: picture from device");
        link.outlet.call_reached(Name::from(call));
    }
    let caps = pad.current_caps();
    let readable = link.device_pictures.readable(caps.as_deref(), buffer);
    readable.map_err(|_| {
        link.fail(CodecError::Reported {
            part: part.into(),
            text: "its picture cannot be read from the device".to_owned(),
        });
        FlowError::Error
    })
}

/// The inputs that an output settles. Those that are lost, as it shows, are told before it.
fn settle(link: &Link, pad: &gst::Pad, buffer: &gst::BufferRef) -> Result<Vec<u32>, FlowError> {
    let span = Span::on(pad, buffer.pts(), buffer.duration());
    let is_header = buffer.flags().contains(gst::BufferFlags::HEADER);
    let settled = link.in_flight().settle(span, is_header);
    if let Some(left_out) = settled.left_out {
        let amount = count(left_out.frames.len());
        emit(link, Output::LeftOut(left_out), amount)?;
    }
    Ok(settled.frames)
}

fn count(frames: usize) -> u32 {
    u32::try_from(frames).unwrap_or(u32::MAX)
}

fn emit(link: &Link, output: Output, settles: u32) -> Result<FlowSuccess, FlowError> {
    let emitted = link.outlet.emit(output, settles);
    // An element that hears `Flushing` keeps its sticky events and sends them again.
    emitted.map_or(Err(FlowError::Flushing), |()| Ok(FlowSuccess::Ok))
}

fn collect_event(link: &Link, event: gst::Event) -> Result<FlowSuccess, FlowError> {
    match event.view() {
        // The element lets its own one pass when the drain is over.
        EventView::Eos(_) => link.outlet.signal(),
        // The element has sent them itself.
        EventView::FlushStart(_) | EventView::FlushStop(_) => {}
        EventView::CustomDownstreamOob(_) | EventView::CustomBothOob(_) => {
            link.outlet.tell(Output::OutOfBand(event));
        }
        _ => {
            let event = EventOutput::new(event, &link.lost_events);
            return emit(link, Output::Event(event), 0);
        }
    }
    Ok(FlowSuccess::Ok)
}

fn send_upstream(link: &Arc<Link>, event: gst::Event) -> bool {
    if event.type_() != gst::EventType::Seek {
        link.outlet.tell(Output::Upstream(event));
        return true;
    }
    // Whether it succeeds matters to the element. Upstream flushes before it answers.
    let asked = outside::ask_through_flush(&link.outside, &link.outlet, |outside| {
        outside.send_upstream(event)
    });
    asked.unwrap_or(false)
}

fn query_upstream(link: &Arc<Link>, query: &mut gst::QueryRef) -> bool {
    match query.view_mut() {
        // Some elements add something only where the source is live, and all of them only
        // to a limit: without one, nothing limits the whole.
        QueryViewMut::Latency(query) if link.is_measuring() => {
            query.set(true, gst::ClockTime::ZERO, UPSTREAM_HOLDS);
            true
        }
        // The worker pushes.
        QueryViewMut::Scheduling(query) => {
            query.set(gst::SchedulingFlags::SEQUENTIAL, 1, -1, 0);
            query.add_scheduling_modes([gst::PadMode::Push]);
            true
        }
        _ => put(link, query, |outside, query| outside.query_upstream(query)) || default(query),
    }
}

fn query_downstream(link: &Arc<Link>, query: &mut gst::QueryRef) -> bool {
    if query.is_serialized() {
        return put_in_order(link, query);
    }
    put(link, query, |outside, query| {
        outside.query_downstream(query)
    }) || default(query)
}

/// What is known of caps where nobody answers, because nothing is linked: any will do. (The
/// default of a pad without a template would be the caps that it has, and no others.)
fn default(query: &mut gst::QueryRef) -> bool {
    match query.view_mut() {
        QueryViewMut::AcceptCaps(query) => query.set_result(true),
        QueryViewMut::Caps(query) => {
            let filter = query.filter_owned();
            query.set_result(&filter.unwrap_or_else(gst::Caps::new_any));
        }
        _ => return false,
    }
    true
}

/// Asks the pipeline around the chain.
fn put(
    link: &Arc<Link>,
    query: &mut gst::QueryRef,
    ask: fn(&dyn outside::Outside, &mut gst::QueryRef) -> bool,
) -> bool {
    let mut question = relay::question(query);
    let answered = outside::ask(&link.outside, &link.outlet, move |outside| {
        ask(outside, question.make_mut()).then_some(question)
    });
    let Some(Some(answered)) = answered else {
        return false;
    };
    relay::answer(&answered, query);
    true
}

/// Asks downstream when it has taken the outputs before the question. Downstream bounds
/// the wait, as it does for outputs: a paused pipeline answers when it plays. A flush
/// and the end of the session end it.
fn put_in_order(link: &Link, query: &mut gst::QueryRef) -> bool {
    let (pending, answer) = PendingQuery::new(relay::question(query));
    if link.outlet.emit(Output::Query(pending), 0).is_err() {
        return false;
    }
    let wait = || outside::wait(&link.outlet, &answer, None);
    let Some(answered) = link.outlet.wait_for_others(wait) else {
        return false;
    };
    relay::answer_to_chain(&answered, query, HELD);
    true
}

// SPDX-License-Identifier: MPL-2.0
//! The sink pad.

use codecwatch_element::{
    Circumstances, EventDisposition, Frame, RecordedInput, SubmitError, Supervised,
};
use codecwatch_hosted::{ChainSession, Input, Output, RemoteHosted};
use codecwatch_process::PlacedSession;
use codecwatch_supervisor::Lane;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst::{EventView, FlowError, FlowSuccess};

use super::imp::CodecWatch;
use super::{forwarding, messages, queries};

type Flow = Result<FlowSuccess, FlowError>;

/// The pad, which hands everything to the element.
pub(super) fn pad(template: Option<gst::PadTemplate>) -> gst::Pad {
    let builder = match &template {
        Some(template) => gst::Pad::builder_from_template(template),
        None => gst::Pad::builder(gst::PadDirection::Sink),
    };
    builder
        .chain_function(|_, parent, buffer| {
            on_element(parent, Err(FlowError::Error), |imp| chain(imp, buffer))
        })
        .chain_list_function(|_, parent, list| {
            on_element(parent, Err(FlowError::Error), |imp| chain_list(imp, list))
        })
        .event_full_function(|_, parent, event| {
            on_element(parent, Err(FlowError::Error), |imp| sink_event(imp, event))
        })
        .query_function(|pad, parent, query| {
            on_element(parent, false, |imp| queries::from_upstream(imp, pad, query))
        })
        .build()
}

fn on_element<R>(
    parent: Option<&gst::Object>,
    fallback: R,
    call: impl FnOnce(&CodecWatch) -> R,
) -> R {
    CodecWatch::catch_panic_pad_function(parent, || fallback, call)
}

fn chain(imp: &CodecWatch, buffer: gst::Buffer) -> Flow {
    let pts = buffer.pts();
    let id = admit(imp, &buffer)?;
    record(imp, id, || [buffer.clone()]);
    submit(imp, Frame { id, pts }, Input::Buffer { id, buffer })
}

fn chain_list(imp: &CodecWatch, list: gst::BufferList) -> Flow {
    let Some(first) = list.get(0) else {
        return Ok(FlowSuccess::Ok);
    };
    let pts = first.pts();
    let id = admit(imp, first)?;
    record(imp, id, || list.iter_owned().collect::<Vec<_>>());
    submit(imp, Frame { id, pts }, Input::List { id, list })
}

/// Passes a buffer to the guard, and numbers it.
fn admit(imp: &CodecWatch, buffer: &gst::BufferRef) -> Result<u32, FlowError> {
    let (id, segment) = {
        let mut state = imp.state();
        (state.number(), state.segment.clone())
    };
    let checked = imp.supervision().check_frame(imp, &segment, buffer.pts());
    checked.map(|()| id)
}

/// Records buffers for the evidence of a fault. What a decoder of raw data is given, or an
/// encoder, is too much.
fn record<B>(imp: &CodecWatch, id: u32, buffers: impl FnOnce() -> B)
where
    B: IntoIterator<Item = gst::Buffer>,
{
    let supervision = imp.supervision();
    if !supervision.records() || !imp.decodes() {
        return;
    }
    let caps = imp.sink.current_caps();
    for buffer in buffers() {
        let begins = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        supervision.record(id, || RecordedInput::new(buffer, caps.clone(), begins));
    }
}

fn submit(imp: &CodecWatch, frame: impl Into<Option<Frame>>, input: Input) -> Flow {
    let submitted = imp.supervision().submit(imp, frame, input);
    submitted.map_err(FlowError::from)
}

fn sink_event(imp: &CodecWatch, event: gst::Event) -> Flow {
    let disposition = imp
        .supervision()
        .sink_event(imp, &event, Circumstances::default());
    disposition.trace(imp, &event);
    match disposition {
        EventDisposition::Forward => forward(imp, event),
        EventDisposition::Swallow => Ok(FlowSuccess::Ok),
        EventDisposition::Refuse => Err(FlowError::Flushing),
    }
}

fn forward(imp: &CodecWatch, event: gst::Event) -> Flow {
    match event.view() {
        EventView::FlushStop(_) => {
            imp.src.push_event(event);
            imp.state().segment = gst::Segment::default();
            messages::post_skipped(imp);
            // Some may have waited for the worker, and are dropped.
            let in_force = imp.events_in_force();
            let resend = move |session: &mut PlacedSession<RemoteHosted>, _: &_| {
                session.resend(in_force);
            };
            imp.supervision().notify(imp, resend);
            return Ok(FlowSuccess::Ok);
        }
        EventView::Eos(_) => {
            messages::post_skipped(imp);
            push_carried(imp);
            return passed(imp.src.push_event(event));
        }
        EventView::Segment(segment) => imp.state().segment = segment.segment().clone(),
        EventView::Caps(_) => {
            imp.supervision().check_announced_duration(imp)?;
            forwarding::renew_metadata(imp);
        }
        EventView::CustomDownstreamOob(_) | EventView::CustomBothOob(_) => {
            return passed(enter_chain(imp, event.clone()) || imp.src.push_event(event));
        }
        _ if !event.is_serialized() => return passed(imp.src.push_event(event)),
        _ => {}
    }
    match imp.supervision().submit(imp, None, Input::Event(event)) {
        // It is on its way; the answer to an earlier buffer goes with the next one.
        Ok(_) | Err(SubmitError::Downstream(_)) => Ok(FlowSuccess::Ok),
        Err(SubmitError::NotTaken(flow)) => Err(flow),
    }
}

/// Sends an event that is not in the order of the stream into the chain, beside its
/// worker. Returns at once; false if that is not possible now.
fn enter_chain(imp: &CodecWatch, event: gst::Event) -> bool {
    let entrance = imp.state().entrance.clone();
    let leads_down = entrance.leads_down();
    let enter = move |lane: &Lane<Output>| {
        entrance.send_down(lane, event);
    };
    leads_down && imp.supervision().beside("event", enter)
}

/// Events that waited for a session which was given up, after which none came: without
/// a chain, they go downstream as they are.
fn push_carried(imp: &CodecWatch) {
    for input in imp.supervision().take_carried() {
        if let Input::Event(event) = input {
            imp.src.push_event(event);
        }
    }
}

/// An event that nobody has taken is no reason for upstream to stop.
fn passed(_taken: bool) -> Flow {
    Ok(FlowSuccess::Ok)
}

/// Another session takes over with the next frame.
pub(super) fn restarted(imp: &CodecWatch) {
    if !imp.decodes() {
        // A new encoder begins with a key frame.
        return;
    }
    let request = gst_video::UpstreamForceKeyUnitEvent::builder()
        .all_headers(true)
        .build();
    imp.sink.push_event(request);
}

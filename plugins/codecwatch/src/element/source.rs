// SPDX-License-Identifier: MPL-2.0
//! The source pad.

use std::sync::mpsc;
use std::time::Duration;

use codecwatch_element::{SrcRule, Supervised};
use codecwatch_hosted::{ChainSession, Output, RemoteHosted};
use codecwatch_process::PlacedSession;
use codecwatch_supervisor::Lane;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst::{FlowError, FlowSuccess};

use super::imp::CodecWatch;
use super::{messages, queries};

/// The longest that a seek waits for the chain. Only parsers seek by themselves, by
/// asking upstream for bytes.
const SEEK: Duration = Duration::from_secs(5);

/// The pad, which hands everything to the element.
pub(super) fn pad(template: Option<gst::PadTemplate>) -> gst::Pad {
    let builder = match &template {
        Some(template) => gst::Pad::builder_from_template(template),
        None => gst::Pad::builder(gst::PadDirection::Src),
    };
    builder
        .event_function(|_, parent, event| {
            CodecWatch::catch_panic_pad_function(parent, || false, |imp| src_event(imp, event))
        })
        .query_function(|pad, parent, query| {
            let answer = |imp: &CodecWatch| queries::from_downstream(imp, pad, query);
            CodecWatch::catch_panic_pad_function(parent, || false, answer)
        })
        .build()
}

/// Pushes an output downstream, in the output task.
pub(super) fn deliver(imp: &CodecWatch, output: Output) -> Option<Result<FlowSuccess, FlowError>> {
    let format = imp.src.current_caps();
    let output = match output.settled(format.as_deref()) {
        Ok(output) => output,
        Err(error) => {
            gst::error!(crate::CAT, imp = imp, "an output is lost: {error}");
            return Some(Err(FlowError::Error));
        }
    };
    match output {
        Output::Buffer { mut buffer, .. } => {
            messages::post_skipped(imp);
            if imp.supervision().take_discont() {
                buffer.make_mut().set_flags(gst::BufferFlags::DISCONT);
            }
            Some(imp.src.push(buffer))
        }
        Output::List { mut list, .. } => {
            messages::post_skipped(imp);
            if imp.supervision().take_discont()
                && let Some(first) = list.make_mut().get_mut(0)
            {
                first.set_flags(gst::BufferFlags::DISCONT);
            }
            Some(imp.src.push_list(list))
        }
        Output::Event(event) => {
            if let Some(event) = event.take() {
                imp.src.push_event(event);
            }
            None
        }
        Output::Query(query) => {
            query.put(|query| imp.src.peer_query(query));
            None
        }
        Output::LeftOut(left_out) => {
            imp.state().skipped.add(&left_out);
            None
        }
        Output::Enough(flow) => Some(Err(flow)),
        // These are told, and do not come here.
        Output::Upstream(_) | Output::OutOfBand(_) | Output::Posted(_) | Output::Latency => None,
    }
}

fn src_event(imp: &CodecWatch, event: gst::Event) -> bool {
    match imp.supervision().src_event(imp, &event) {
        SrcRule::Pass => imp.sink.push_event(event),
        // As codecs do: upstream first.
        SrcRule::PassOrToChain => imp.sink.push_event(event.clone()) || seek_in_chain(imp, event),
        SrcRule::ToChain => send_to_chain(imp, event),
    }
}

/// Sends an event of downstream into the chain: in turn with its inputs, or beside the
/// worker while that is blocked.
fn send_to_chain(imp: &CodecWatch, event: gst::Event) -> bool {
    let (beside, in_turn) = (event.clone(), event.clone());
    let supervision = imp.supervision();
    if supervision.is_blocked() && enter_chain(imp, beside, |_taken| {}) {
        return true;
    }
    // If the session ends before it gets the event, upstream gets it.
    let otherwise = Output::Upstream(event.clone());
    let notification = move |session: &mut PlacedSession<RemoteHosted>, lane: &Lane<Output>| {
        session.upstream_event(lane, in_turn);
    };
    supervision.notify_or_tell(imp, notification, otherwise) || imp.sink.push_event(event)
}

/// Beside the worker: in a paused pipeline that waits for downstream in an output.
fn seek_in_chain(imp: &CodecWatch, event: gst::Event) -> bool {
    let (sender, sought) = mpsc::channel();
    enter_chain(imp, event, move |taken| {
        // Nobody waits any more if it came late.
        let _ = sender.send(taken);
    });
    // If there is no session, the other end is gone.
    sought.recv_timeout(SEEK).unwrap_or(false)
}

/// Sends an event into the chain beside its worker, which may wait for downstream.
/// Returns at once; false if that is not possible now.
fn enter_chain(
    imp: &CodecWatch,
    event: gst::Event,
    sent: impl FnOnce(bool) + Send + 'static,
) -> bool {
    let entrance = imp.state().entrance.clone();
    let enter = move |lane: &Lane<Output>| sent(entrance.send(lane, event));
    imp.supervision().beside("event", enter)
}

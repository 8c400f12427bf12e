// SPDX-License-Identifier: MPL-2.0
//! What the elements of a chain post. It is received where it is posted, on their
//! threads.

use std::sync::Arc;

use codecwatch_supervisor::{AdoptedThreads, CodecError};
use gst::prelude::*;
use gst::{Message, MessageView};

use crate::io::{Content, Output, Posted, Qos, Report};
use crate::link::Link;
use crate::other_message::Other;
use crate::{lent, outside};

/// A bus for the elements of a chain.
pub(crate) fn bus(link: &Arc<Link>) -> gst::Bus {
    let bus = gst::Bus::new();
    let link = link.clone();
    bus.set_sync_handler(move |_, message| {
        receive(&link, message);
        gst::BusSyncReply::Drop
    });
    bus
}

fn receive(link: &Arc<Link>, message: &Message) {
    let part = message.src().map(|src| src.name().to_string());
    let part = part.unwrap_or_default();
    let content = match message.view() {
        MessageView::Error(error) => {
            let debug = error.debug().map(|debug| format!(" ({debug})"));
            let text = format!("{}{}", error.error(), debug.unwrap_or_default());
            return link.fail(CodecError::Reported {
                part: part.into(),
                text,
            });
        }
        MessageView::Warning(warning) => Content::Warning(Report {
            error: warning.error(),
            debug: warning.debug().map(Into::into),
            details: warning.details().map(ToOwned::to_owned),
        }),
        MessageView::Info(info) => Content::Info(Report {
            error: info.error(),
            debug: info.debug().map(Into::into),
            details: info.details().map(ToOwned::to_owned),
        }),
        MessageView::Element(element) => match element.structure() {
            Some(structure) => Content::Element(structure.to_owned()),
            None => return,
        },
        MessageView::HaveContext(context) => {
            let context = context.context();
            lent::lend(&context);
            Content::HaveContext(context)
        }
        MessageView::Qos(qos) => {
            let (live, running_time, stream_time, timestamp, duration) = qos.get();
            if let Some(running_time) = running_time {
                link.in_flight().told(running_time.nseconds().into());
            }
            Content::Qos(Qos {
                live,
                times: [running_time, stream_time, timestamp, duration],
                values: qos.values(),
                stats: qos.stats(),
            })
        }
        MessageView::DurationChanged(_) => Content::DurationChanged,
        MessageView::NeedContext(need) => return provide(link, message, need.context_type()),
        MessageView::Latency(_) => return link.outlet.tell(Output::Latency),
        MessageView::StreamStatus(status) => return adopt(link, status.get().0),
        _ => match Other::of(message) {
            Some(other) => Content::Other(other),
            None => return,
        },
    };
    let content = Box::new(Posted { part, content });
    link.outlet.tell(Output::Posted(content));
}

/// Gives an element the context that it needs: the one that the element around has, or
/// gets from the application meanwhile. The asking thread waits for it.
fn provide(link: &Arc<Link>, message: &Message, context_type: &str) {
    let wanted = context_type.to_owned();
    let found = outside::ask(&link.outside, &link.outlet, move |outside| {
        let find = || {
            let mut contexts = outside.contexts().into_iter();
            contexts.find(|context| context.context_type() == wanted)
        };
        find().or_else(|| {
            outside.need_context(&wanted);
            find()
        })
    });
    let element = message
        .src()
        .and_then(|src| src.downcast_ref::<gst::Element>());
    if let (Some(element), Some(Some(context))) = (element, found) {
        element.set_context(&context);
    }
}

/// A thread of an element begins or ends; this is that thread.
fn adopt(link: &Link, status: gst::StreamStatusType) {
    let Some(thread) = AdoptedThreads::this_thread() else {
        return;
    };
    match status {
        gst::StreamStatusType::Enter => link.threads.adopt(thread),
        gst::StreamStatusType::Leave => link.threads.release(thread),
        _ => {}
    }
}

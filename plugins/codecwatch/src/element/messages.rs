// SPDX-License-Identifier: MPL-2.0
//! Messages: those of the chain's elements, which the element posts as its own, and its
//! own.

use codecwatch_element::Supervised;
use codecwatch_hosted::{ChainSession, Content, Description, Output, Posted, originals};
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::imp::CodecWatch;
use super::said;
use crate::CAT;

/// What the chain has told besides its output; on a thread of its own.
pub(super) fn told(imp: &CodecWatch, told: Output, missed: u64) {
    if missed > 0 {
        gst::warning!(
            CAT,
            imp = imp,
            "{missed} messages of the codec were dropped"
        );
    }
    match told {
        Output::Upstream(event) => {
            imp.sink.push_event(event);
        }
        Output::OutOfBand(event) => {
            imp.src.push_event(event);
        }
        Output::Posted(posted) => post(imp, *posted),
        Output::Latency => {
            imp.supervision()
                .notify(imp, |session, lane| session.measure_latency(lane));
        }
        _ => {}
    }
}

/// Posts a message of an inner element. Its source is this element: who holds a message
/// must not hold a part of the chain.
fn post(imp: &CodecWatch, posted: Posted) {
    let element = imp.obj();
    let message = match posted.content {
        Content::Said(said) => return said::repeat(imp, said),
        Content::Warning(report) => {
            let mut builder = gst::message::Warning::builder_from_error(report.error)
                .src(&*element)
                .debug_if_some(report.debug.as_deref());
            if let Some(details) = report.details {
                builder = builder.details(details);
            }
            builder.build()
        }
        Content::Info(report) => {
            let mut builder = gst::message::Info::builder_from_error(report.error)
                .src(&*element)
                .debug_if_some(report.debug.as_deref());
            if let Some(details) = report.details {
                builder = builder.details(details);
            }
            builder.build()
        }
        Content::Element(structure) => gst::message::Element::builder(structure)
            .src(&*element)
            .build(),
        Content::HaveContext(context) => {
            element.set_context(&context);
            gst::message::HaveContext::builder(context)
                .src(&*element)
                .build()
        }
        Content::Qos(qos) => {
            let [running_time, stream_time, timestamp, duration] = qos.times;
            let (jitter, proportion, quality) = qos.values;
            let (processed, dropped) = qos.stats;
            gst::message::Qos::builder(qos.live)
                .src(&*element)
                .running_time(running_time)
                .stream_time(stream_time)
                .timestamp(timestamp)
                .duration(duration)
                .values(jitter, proportion, quality)
                .stats(processed, dropped)
                .build()
        }
        Content::Other(other) => other.message(element.upcast_ref()),
        Content::DurationChanged => gst::message::DurationChanged::builder()
            .src(&*element)
            .build(),
    };
    gst::debug!(CAT, imp = imp, "{} has posted {message:?}", posted.part);
    let _ = element.post_message(message);
}

/// Posts that buffers were left out, if any were: after a restart, because no key frame had
/// come, or because nothing comes out of them.
pub(super) fn post_skipped(imp: &CodecWatch) {
    let Some(skipped) = imp.state().skipped.take() else {
        return;
    };
    gst::warning!(CAT, imp = imp, "{} buffers were left out", skipped.buffers);
    let structure = gst::Structure::builder("codecwatch-skipped")
        .field("buffers", skipped.buffers)
        .field("first-pts", skipped.first_pts)
        .field("last-pts", skipped.last_pts)
        .build();
    let element = imp.obj();
    let message = gst::message::Element::builder(structure)
        .src(&*element)
        .build();
    let _ = element.post_message(message);
}

/// Posts that an element is not installed, in the form that package installers read.
pub(super) fn post_missing(element: &super::CodecWatch, factory: &str) {
    let structure = gst::Structure::builder("missing-plugin")
        .field("type", "element")
        .field("detail", factory)
        .field("name", format!("GStreamer element {factory}"))
        .build();
    let message = gst::message::Element::builder(structure)
        .src(element)
        .build();
    let _ = element.post_message(message);
}

/// The plugins that a chain's elements come from, with their versions.
pub(super) fn versions(chain: &Description) -> Vec<(String, String)> {
    let parts = chain.parts.iter();
    let versions = parts.filter_map(|part| {
        let plugin = originals::find(&part.factory)?.plugin()?;
        let (name, version) = (plugin.plugin_name(), plugin.version());
        Some((part.factory.clone(), format!("{version} (plugin {name})")))
    });
    versions.collect()
}

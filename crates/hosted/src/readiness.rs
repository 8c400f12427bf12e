// SPDX-License-Identifier: MPL-2.0
//! Whether an element gets to READY, where most elements open their device, and what it
//! takes there. Programs that choose among elements go by both.

use std::time::Duration;

use gst::prelude::*;

use crate::description::Part;
use crate::originals;

/// What an element takes and gives in READY. `None`: anything, or nothing is known.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    /// The caps of its sink pad.
    pub sink_caps: Option<gst::Caps>,
    /// The caps of its source pad.
    pub src_caps: Option<gst::Caps>,
}

/// Takes a new element to READY and back, on a thread of its own, for which this waits for
/// `bound` at most. `None` if there is no answer in time.
///
/// # Errors
/// The text of the error with which it does not get there.
pub fn try_ready(
    part: &Part,
    contexts: Vec<gst::Context>,
    bound: Duration,
) -> Option<Result<Readiness, String>> {
    let (name, part) = (part.factory.clone(), part.clone());
    originals::look(&name, bound, move || {
        let element = match part.create() {
            Ok(element) => element,
            Err(error) => return Some(Err(error.to_string())),
        };
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        contexts
            .iter()
            .for_each(|context| element.set_context(context));
        let answer = match element.set_state(gst::State::Ready) {
            Ok(_) => Ok(Readiness {
                sink_caps: caps(&element, gst::PadDirection::Sink),
                src_caps: caps(&element, gst::PadDirection::Src),
            }),
            Err(_) => Err(reason(&bus)),
        };
        let _ = element.set_state(gst::State::Null);
        element.set_bus(None);
        Some(answer)
    })
}

fn caps(element: &gst::Element, direction: gst::PadDirection) -> Option<gst::Caps> {
    let mut pads = element.pads().into_iter();
    let pad = pads.find(|pad| pad.direction() == direction)?;
    let caps = pad.query_caps(None);
    (!caps.is_any() && !caps.is_empty()).then_some(caps)
}

/// The error that an element has posted.
fn reason(bus: &gst::Bus) -> String {
    let message = bus.pop_filtered(&[gst::MessageType::Error]);
    let error = message.as_ref().map(|message| message.view());
    match error {
        Some(gst::MessageView::Error(error)) => error.error().to_string(),
        _ => "it does not say why".to_owned(),
    }
}

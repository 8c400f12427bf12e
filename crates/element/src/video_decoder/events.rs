// SPDX-License-Identifier: MPL-2.0
//! Events on their way to the base class of a decoder.

use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_video::prelude::*;
use gst_video::subclass::prelude::*;

use super::{SupervisedVideoDecoder, decoder, losses, reverse};
use crate::{CAT, Circumstances, EventDisposition};

#[doc(hidden)]
pub fn sink_event<T: SupervisedVideoDecoder>(imp: &T, event: gst::Event) -> bool {
    let disposition = before(imp, &event);
    disposition.apply(imp, event, |event| forward(imp, event))
}

/// What has to happen before an event, and whether it may pass then.
fn before<T: SupervisedVideoDecoder>(imp: &T, event: &gst::Event) -> EventDisposition {
    let mut found = Circumstances::default();
    match event.view() {
        gst::EventView::Caps(caps) => {
            if imp.supervision().check_announced_duration(imp).is_err() {
                return EventDisposition::Refuse;
            }
            found.ends_session = needs_new_session(imp, caps.caps());
        }
        gst::EventView::Segment(segment) => {
            found.changes_direction = changes_direction(imp, segment.segment())
        }
        gst::EventView::Gap(_) => found.holds_back = imp.holds_back(),
        gst::EventView::Eos(_) | gst::EventView::SegmentDone(_) => reverse::decode_gathered(imp),
        _ => {}
    }
    let disposition = imp.supervision().sink_event(imp, event, found);
    if disposition != EventDisposition::Forward {
        return disposition;
    }
    match event.view() {
        gst::EventView::Segment(segment) if found.changes_direction => {
            let reverse = segment.segment().rate() < 0.0;
            gst::debug!(CAT, imp = imp, "reverse playback: {reverse}");
            imp.stream().state().reverse = reverse.then(Vec::new);
            disposition
        }
        gst::EventView::Eos(_) | gst::EventView::SegmentDone(_) => at_end(imp),
        _ => disposition,
    }
}

#[doc(hidden)]
pub fn src_event<T: SupervisedVideoDecoder>(imp: &T, event: gst::Event) -> bool {
    imp.supervision().src_event(imp, &event);
    imp.parent_src_event(event)
}

fn forward<T: SupervisedVideoDecoder>(imp: &T, event: gst::Event) -> bool {
    if event.type_() == gst::EventType::FlushStop {
        let mut state = imp.stream().state();
        state.loss = false;
        let dropped = (state.reverse.take(), state.formats.flush());
        drop(state);
        drop(dropped);
        imp.flushed();
    }
    imp.parent_sink_event(event)
}

/// If the bitstream changes, everything before it has to come out first: a session ends
/// and another begins. Otherwise the session goes on; the input of a picture determines
/// its format.
fn needs_new_session<T: SupervisedVideoDecoder>(imp: &T, caps: &gst::CapsRef) -> bool {
    let old = imp.stream().format();
    if old
        .as_ref()
        .is_some_and(|old| old.caps.is_strictly_equal(caps))
    {
        return false;
    }
    let live = imp.depends_on_live() && upstream_is_live(imp);
    let as_live = std::mem::replace(&mut imp.stream().state().live, live) == live;
    old.is_some_and(|old| !as_live || old.bitstream != T::bitstream(caps))
}

fn upstream_is_live<T: SupervisedVideoDecoder>(imp: &T) -> bool {
    let mut query = gst::query::Latency::new();
    decoder(imp).sink_pad().peer_query(&mut query) && query.result().0
}

/// Whether the direction of playback changes: the pictures inside have to come out in the
/// old one.
fn changes_direction<T: SupervisedVideoDecoder>(imp: &T, segment: &gst::Segment) -> bool {
    imp.stream().state().reverse.is_some() != (segment.rate() < 0.0)
}

/// Everything is out.
fn at_end<T: SupervisedVideoDecoder>(imp: &T) -> EventDisposition {
    losses::release_lost(imp);
    if let Some(text) = why_incomplete(imp) {
        // The base class would let EOS pass, even if it posts an error.
        let _error = imp.supervision().fail(imp, &text);
        return EventDisposition::Swallow;
    }
    EventDisposition::Forward
}

/// Why a stream that ends here is incomplete although the codec returned no error.
/// Everything is out.
fn why_incomplete<T: SupervisedVideoDecoder>(imp: &T) -> Option<String> {
    let reverse = imp.stream().state().reverse.is_some();
    imp.why_cut_short(reverse)
        .or_else(|| match losses::forgotten(imp) {
            0 => None,
            frames => Some(format!(
                "the stream ended, but the element neither finished nor released all of its \
                 frames: {frames} are left"
            )),
        })
}

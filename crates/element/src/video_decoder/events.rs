// SPDX-License-Identifier: MPL-2.0
//! Events on their way to the base class of a decoder.

use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_video::prelude::*;
use gst_video::subclass::prelude::*;

use super::{SupervisedVideoDecoder, decoder, losses, reverse};
use crate::{CAT, EventDisposition};

#[doc(hidden)]
pub fn sink_event<T: SupervisedVideoDecoder>(imp: &T, event: gst::Event) -> bool {
    let disposition = match event.view() {
        gst::EventView::Caps(caps) => before_caps(imp, caps.caps()),
        gst::EventView::Segment(segment) => before_segment(imp, &event, segment.segment()),
        gst::EventView::Gap(_) => before_gap(imp, &event),
        gst::EventView::Eos(_) | gst::EventView::SegmentDone(_) => before_end(imp, &event),
        _ => imp.supervision().sink_event(imp, &event),
    };
    gst::trace!(CAT, imp = imp, "{:?}: {disposition:?}", event.type_());
    disposition.apply(|| forward(imp, event))
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
fn before_caps<T: SupervisedVideoDecoder>(imp: &T, caps: &gst::CapsRef) -> EventDisposition {
    if imp.supervision().check_announced_duration(imp).is_err() {
        return EventDisposition::Refuse;
    }
    let old = imp.stream().format();
    if old
        .as_ref()
        .is_some_and(|old| old.caps.is_strictly_equal(caps))
    {
        return EventDisposition::Forward;
    }
    let live = imp.depends_on_live() && upstream_is_live(imp);
    let as_live = std::mem::replace(&mut imp.stream().state().live, live) == live;
    match old {
        Some(old) if !as_live || old.bitstream != T::bitstream(caps) => {
            imp.supervision().before_new_format(imp)
        }
        _ => EventDisposition::Forward,
    }
}

/// A gap waits for the pictures inside, if that costs nothing. A session that holds
/// pictures back outputs them only when drained, and if a drained session cannot go on
/// (dav1d before 1.5.1), everything up to the next key frame would be lost: then the
/// gap overtakes them, as it does in the base class and with every decoder that works
/// on several frames.
fn before_gap<T: SupervisedVideoDecoder>(imp: &T, event: &gst::Event) -> EventDisposition {
    if imp.holds_back() {
        EventDisposition::Forward
    } else {
        imp.supervision().sink_event(imp, event)
    }
}

fn upstream_is_live<T: SupervisedVideoDecoder>(imp: &T) -> bool {
    let mut query = gst::query::Latency::new();
    decoder(imp).sink_pad().peer_query(&mut query) && query.result().0
}

/// A change of direction waits for the pictures inside, which have to come out in the
/// old direction.
fn before_segment<T: SupervisedVideoDecoder>(
    imp: &T,
    event: &gst::Event,
    segment: &gst::Segment,
) -> EventDisposition {
    let reverse = segment.rate() < 0.0;
    let was_reverse = imp.stream().state().reverse.is_some();
    if was_reverse != reverse {
        gst::debug!(CAT, imp = imp, "reverse playback: {reverse}");
        let disposition = imp.supervision().drain_before(imp);
        if disposition != EventDisposition::Forward {
            return disposition;
        }
        imp.stream().state().reverse = reverse.then(Vec::new);
    }
    imp.supervision().sink_event(imp, event)
}

fn before_end<T: SupervisedVideoDecoder>(imp: &T, event: &gst::Event) -> EventDisposition {
    reverse::decode_gathered(imp);
    let disposition = imp.supervision().sink_event(imp, event);
    if disposition != EventDisposition::Forward {
        return disposition;
    }
    losses::release_lost(imp);
    if event.type_() == gst::EventType::Eos
        && let Some(text) = why_incomplete(imp)
    {
        // The base class would let EOS pass, even if it posts an error.
        let _error = imp.supervision().fail(imp, &text);
        return EventDisposition::Swallow;
    }
    disposition
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

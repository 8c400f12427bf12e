// SPDX-License-Identifier: MPL-2.0
//! What a chain in a child may send to upstream. Sources act on events: they seek, step, choose
//! streams, and some send what an event holds through a socket. A chain says of itself
//! how late it is, that it has to negotiate again, or that it needs a key frame. Whatever
//! else it sends, it hands on: downstream has sent it before, and upstream gets that event,
//! and not what the child has made of it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// The most events that are remembered. Few are on their way through a chain at a time.
const MOST: usize = 64;
/// Longest text of an event that is the chain's own. Those have a few numbers.
const LONGEST: usize = 1 << 16;

/// The newest events that a chain was sent by downstream.
#[derive(Debug, Default)]
pub(crate) struct SentEvents(Mutex<VecDeque<gst::Event>>);

impl SentEvents {
    /// To be called before the chain is sent an event.
    pub(super) fn note(&self, event: &gst::Event) {
        let mut sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sent.len() >= MOST {
            sent.pop_front();
        }
        sent.push_back(event.clone());
    }

    /// What upstream gets, when the chain sends it this event, with a text of this length.
    pub(super) fn answer(&self, event: gst::Event, length: usize) -> Option<gst::Event> {
        use gst::EventType as T;
        let sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut newest = sent.iter().rev();
        let original =
            newest.find(|sent| sent.seqnum() == event.seqnum() && sent.type_() == event.type_());
        match event.type_() {
            _ if length > LONGEST => original.cloned(),
            T::Qos | T::Reconfigure | T::Latency => Some(event),
            T::CustomUpstream if gst_video::ForceKeyUnitEvent::is(&event) => Some(event),
            // Elements that change the size of pictures change where a pointer is.
            T::Navigation => original.map(|_| event),
            // Parsers make one in bytes of one in time.
            T::Seek if is_in_bytes(&event) => original.map(|_| event),
            _ => original.cloned(),
        }
    }
}

fn is_in_bytes(event: &gst::EventRef) -> bool {
    match event.view() {
        gst::EventView::Seek(seek) => {
            let (_, _, _, start, ..) = seek.get();
            start.format() == gst::Format::Bytes
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use gst::event as e;

    use super::*;

    const SET: gst::SeekType = gst::SeekType::Set;
    const TO_END: gst::SeekType = gst::SeekType::None;

    fn in_time(seconds: u64, seqnum: gst::Seqnum) -> gst::Event {
        let start = gst::ClockTime::from_seconds(seconds);
        let end = gst::ClockTime::NONE;
        let seek = e::Seek::builder(1.0, gst::SeekFlags::FLUSH, SET, start, TO_END, end);
        seek.seqnum(seqnum).build()
    }

    fn in_bytes(seqnum: gst::Seqnum) -> gst::Event {
        let (start, end) = (gst::format::Bytes::from_u64(100), gst::format::Bytes::NONE);
        let seek = e::Seek::builder(1.0, gst::SeekFlags::FLUSH, SET, start, TO_END, end);
        seek.seqnum(seqnum).build()
    }

    #[test]
    fn what_a_chain_says_of_itself_goes_to_upstream_and_no_command_does() {
        gst::init().unwrap();
        let sent = SentEvents::default();
        let key_frame = gst_video::UpstreamForceKeyUnitEvent::builder().build();
        let qos = e::Qos::new(gst::QOSType::Underflow, 1.0, 0, gst::ClockTime::SECOND);
        for event in [key_frame, qos, e::Reconfigure::new()] {
            assert!(sent.answer(event.clone(), 100).is_some(), "{event:?}");
        }
        let number = gst::Seqnum::next();
        for event in [
            e::CustomUpstream::new(gst::Structure::new_empty("GstNetworkMessage")),
            e::Step::new(gst::ClockTime::SECOND, 1.0, true, false),
            e::TocSelect::new("id"),
            e::SelectStreams::new(["id"]),
            in_time(1, number),
            in_bytes(number),
        ] {
            assert!(sent.answer(event.clone(), 100).is_none(), "{event:?}");
        }
    }

    #[test]
    fn what_downstream_has_sent_reaches_upstream_as_downstream_has_sent_it() {
        gst::init().unwrap();
        let sent = SentEvents::default();
        let number = gst::Seqnum::next();
        let seek = in_time(1, number);
        sent.note(&seek);
        let answer = sent.answer(in_time(2, number), 100).unwrap();
        assert_eq!(answer.as_ptr(), seek.as_ptr());
        let long = sent.answer(in_bytes(number), LONGEST + 1).unwrap();
        assert_eq!(long.as_ptr(), seek.as_ptr());
        // What a parser makes of it.
        assert!(sent.answer(in_bytes(number), 100).is_some());
        let step = e::Step::builder(gst::ClockTime::SECOND, 1.0, true, false);
        assert!(sent.answer(step.seqnum(number).build(), 100).is_none());
        for _ in 0..MOST {
            sent.note(&e::Reconfigure::new());
        }
        assert!(sent.answer(in_time(1, number), 100).is_none());
    }
}

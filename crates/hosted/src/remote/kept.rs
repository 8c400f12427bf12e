// SPDX-License-Identifier: MPL-2.0
//! The parts of events that cannot be sent to the child. A table of contents, a
//! collection of streams, and tags with an image stay whole in the parent: a placeholder
//! goes through the child's chain instead, so that the event comes out between the same
//! buffers, but the chain's elements do not see it. The start of a stream goes to the chain without the
//! stream's object, which it gets back here.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gst::glib::translate::ToGlibPtr;

/// The name of what goes in their place, and of its field.
const NAME: &str = "codecwatch-kept";
const NUMBER: &str = "number";
/// The most that are kept: the oldest goes if a flush, or the chain, has dropped it.
const MOST: usize = 64;

/// See the module's description.
#[derive(Debug, Default)]
pub(super) struct KeptEvents(Mutex<Inside>);

#[derive(Debug, Default)]
struct Inside {
    /// Of the last event.
    number: u64,
    events: VecDeque<(u64, gst::Event)>,
    /// The object of the newest stream that has one.
    stream: Option<gst::Stream>,
}

impl KeptEvents {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps an event. What goes in its place.
    pub(super) fn keep(&self, event: gst::Event) -> gst::Event {
        let mut inside = self.lock();
        inside.number += 1;
        let number = inside.number;
        inside.events.push_back((number, event));
        if inside.events.len() > MOST {
            inside.events.pop_front();
        }
        let structure = gst::Structure::builder(NAME).field(NUMBER, number);
        gst::event::CustomDownstream::new(structure.build())
    }

    /// Keeps the object of the stream that begins with an event.
    pub(super) fn keep_stream(&self, event: &gst::EventRef) {
        if let gst::EventView::StreamStart(start) = event.view()
            && let Some(stream) = start.stream()
        {
            self.lock().stream = Some(stream);
        }
    }

    /// Gives the start of that stream its object again.
    fn with_stream(&self, mut event: gst::Event) -> gst::Event {
        let gst::EventView::StreamStart(start) = event.view() else {
            return event;
        };
        let stream = self.lock().stream.clone();
        let its_own =
            |stream: &gst::Stream| stream.stream_id().is_some_and(|id| id == start.stream_id());
        if let Some(stream) = stream.filter(its_own) {
            let pointer = event.make_mut().as_mut_ptr();
            // SAFETY: the start of a stream, which is writable; the stream is another
            // reference's, and gets one more.
            unsafe { gst::ffi::gst_event_set_stream(pointer, stream.to_glib_none().0) };
        }
        event
    }

    /// The event that has come out: what was kept, if it stands for that, and otherwise
    /// itself. `None` for what is kept no longer.
    pub(super) fn give_back(&self, event: gst::Event) -> Option<gst::Event> {
        let structure = event.structure().filter(|it| it.name() == NAME);
        let Some(structure) = structure else {
            return Some(self.with_stream(event));
        };
        let wanted: u64 = structure.get(NUMBER).ok()?;
        let mut inside = self.lock();
        let at = inside
            .events
            .iter()
            .position(|(number, _)| *number == wanted)?;
        inside.events.remove(at).map(|(_, event)| event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_comes_back_once_and_others_pass() {
        gst::init().unwrap();
        let kept = KeptEvents::default();
        let gap = gst::event::Gap::new(gst::ClockTime::SECOND, None);
        let toc = gst::event::Toc::new(&gst::Toc::new(gst::TocScope::Global), false);
        let instead = kept.keep(toc.clone());
        assert!(instead.is_serialized() && instead.is_downstream());
        let is_same = |event: Option<gst::Event>, other: &gst::Event| {
            event.is_some_and(|event| event.as_ptr() == other.as_ptr())
        };
        assert!(is_same(kept.give_back(gap.clone()), &gap));
        assert!(is_same(kept.give_back(instead.clone()), &toc));
        assert!(kept.give_back(instead).is_none());
        let first = kept.keep(toc.clone());
        for _ in 0..MOST {
            kept.keep(toc.clone());
        }
        assert!(kept.give_back(first).is_none());
    }

    #[test]
    fn a_stream_that_begins_has_its_object_again() {
        gst::init().unwrap();
        let stream = |id: &str| {
            let (kind, flags) = (gst::StreamType::VIDEO, gst::StreamFlags::SELECT);
            gst::Stream::new(Some(id), None, kind, flags)
        };
        let kept = KeptEvents::default();
        let one = stream("one");
        let start = gst::event::StreamStart::builder("one").stream(one.clone());
        kept.keep_stream(&start.build());
        for (id, expected) in [("one", Some(&one)), ("two", None)] {
            let event = kept.give_back(gst::event::StreamStart::new(id)).unwrap();
            let gst::EventView::StreamStart(start) = event.view() else {
                panic!("{event:?}");
            };
            assert_eq!(start.stream().as_ref(), expected);
        }
    }
}

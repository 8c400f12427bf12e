// SPDX-License-Identifier: MPL-2.0
//! What goes into a hosted session and what comes out.

use std::sync::{Arc, Mutex, PoisonError, mpsc};

use codecwatch_process::Copies;

use crate::left_out::LeftOut;
use crate::other_message::Other;
use crate::said::Said;

/// An input of a hosted session, in the order of the stream.
#[derive(Debug)]
pub enum Input {
    /// A buffer.
    Buffer {
        /// Its number, which the output that settles it carries.
        id: u32,
        /// The buffer itself; it is not copied.
        buffer: gst::Buffer,
    },
    /// Several buffers that stay together.
    List {
        /// The number of the list.
        id: u32,
        /// The buffers.
        list: gst::BufferList,
    },
    /// A serialized event.
    Event(gst::Event),
}

/// An output of a hosted session. The first six come in the order of the stream, the
/// others are told besides.
#[derive(Debug)]
pub enum Output {
    /// A buffer.
    Buffer {
        /// The inputs that it settles.
        frames: Vec<u32>,
        /// The buffer.
        buffer: gst::Buffer,
        /// Where a copy is counted, if a child can still write to its memory.
        shared: Option<Copies>,
    },
    /// Several buffers that stay together.
    List {
        /// The inputs that they settle.
        frames: Vec<u32>,
        /// The buffers.
        list: gst::BufferList,
        /// The same for the memory of any of them.
        shared: Option<Copies>,
    },
    /// A serialized event.
    Event(EventOutput),
    /// A question to downstream that has its place among the outputs.
    Query(PendingQuery),
    /// Nothing, for inputs that were left out.
    LeftOut(LeftOut),
    /// The chain needs no more input.
    Enough(gst::FlowError),
    /// An event for upstream.
    Upstream(gst::Event),
    /// An event for downstream that is not in the order of the stream.
    OutOfBand(gst::Event),
    /// Something that an element of the chain has posted.
    Posted(Box<Posted>),
    /// The latency of the chain may have changed.
    Latency,
}

impl Output {
    /// The inputs that it settles.
    pub fn frames(&self) -> &[u32] {
        match self {
            Self::Buffer { frames, .. } | Self::List { frames, .. } => frames,
            Self::LeftOut(left_out) => &left_out.frames,
            _ => &[],
        }
    }
}

/// An event on its way to downstream. If a flush drops it, and it would have stayed in
/// force, the chain sends it again: for the chain, it has left.
#[derive(Debug)]
pub struct EventOutput {
    event: Option<gst::Event>,
    lost: Arc<LostEvents>,
}

/// The most events that are kept: a stream has a handful in force.
const MOST_LOST: usize = 64;

/// Events that were dropped on their way to downstream, and would have stayed in force.
pub(crate) type LostEvents = Mutex<Vec<gst::Event>>;

impl EventOutput {
    pub(crate) fn new(event: gst::Event, lost: &Arc<LostEvents>) -> Self {
        Self {
            event: Some(event),
            lost: lost.clone(),
        }
    }

    /// The event, for the pad that sends it.
    pub fn take(mut self) -> Option<gst::Event> {
        self.event.take()
    }
}

impl Drop for EventOutput {
    fn drop(&mut self) {
        use gst::EventType::{Eos, Segment};
        let Some(event) = self.event.take() else {
            return;
        };
        // A flush ends what these two say.
        if event.is_sticky() && !matches!(event.type_(), Eos | Segment) {
            let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
            // As pads replace them.
            lost.retain(|older| !is_replaced(older, &event));
            if lost.len() >= MOST_LOST {
                lost.remove(0);
            }
            lost.push(event);
        }
    }
}

/// Whether an event is in force no longer when a newer one is.
fn is_replaced(older: &gst::EventRef, newer: &gst::EventRef) -> bool {
    let name = |event: &gst::EventRef| event.structure().map(|it| it.name().to_owned());
    older.type_() == newer.type_() && name(older) == name(newer)
}

/// A message of an inner element, without a reference to that element: the last one
/// would end it on the thread that holds it.
#[derive(Debug)]
pub struct Posted {
    /// The element's name.
    pub part: String,
    /// What it has posted.
    pub content: Content,
}

/// The content of a message.
#[derive(Debug)]
pub enum Content {
    /// A warning.
    Warning(Report),
    /// An information.
    Info(Report),
    /// An element message.
    Element(gst::Structure),
    /// A context that the element has made.
    HaveContext(gst::Context),
    /// The duration may have changed.
    DurationChanged,
    /// The element has dropped something, because it is late or damaged.
    Qos(Qos),
    /// No message, but a signal or a notification.
    Said(Said),
    /// Another message, which is passed on as it is.
    Other(Other),
}

/// What an element says of its quality of service.
#[derive(Debug)]
pub struct Qos {
    /// Whether it goes by the time of a live source.
    pub live: bool,
    /// Running time, stream time, timestamp and duration of what it has dropped.
    pub times: [Option<gst::ClockTime>; 4],
    /// Jitter, proportion and quality.
    pub values: (i64, f64, i32),
    /// How much it has processed and dropped so far.
    pub stats: (gst::GenericFormattedValue, gst::GenericFormattedValue),
}

/// A warning or an information.
#[derive(Debug)]
pub struct Report {
    /// Domain, code and text.
    pub error: gst::glib::Error,
    /// Text for developers.
    pub debug: Option<String>,
    /// Further values.
    pub details: Option<gst::Structure>,
}

/// A query on its way to downstream. Dropping it is the answer "not handled".
pub struct PendingQuery {
    /// The only reference: what reads an answer may write to it.
    query: Option<gst::Query>,
    reply: Option<Reply>,
}

/// Called once, with the answered query, or with nothing.
type Reply = Box<dyn FnOnce(Option<gst::Query>) + Send>;

impl std::fmt::Debug for PendingQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingQuery")
            .field("query", &self.query)
            .finish_non_exhaustive()
    }
}

impl PendingQuery {
    pub(crate) fn new(query: gst::Query) -> (Self, mpsc::Receiver<gst::Query>) {
        let (sender, answer) = mpsc::channel();
        let pending = Self::with_reply(query, move |answered| {
            if let Some(answered) = answered {
                // Nobody waits any more after a flush.
                let _ = sender.send(answered);
            }
        });
        (pending, answer)
    }

    /// `reply` must not block.
    pub(crate) fn with_reply(
        query: gst::Query,
        reply: impl FnOnce(Option<gst::Query>) + Send + 'static,
    ) -> Self {
        Self {
            query: Some(query),
            reply: Some(Box::new(reply)),
        }
    }

    /// Puts the query; `ask` returns whether it was answered.
    pub fn put(mut self, ask: impl FnOnce(&mut gst::QueryRef) -> bool) {
        if let Some(mut query) = self.query.take()
            && ask(query.make_mut())
            && let Some(reply) = self.reply.take()
        {
            reply(Some(query));
        }
    }

    /// The query, and where its answer goes.
    pub(crate) fn into_parts(mut self) -> (Option<gst::Query>, Option<Reply>) {
        (self.query.take(), self.reply.take())
    }
}

impl Drop for PendingQuery {
    fn drop(&mut self) {
        if let Some(reply) = self.reply.take() {
            reply(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_events_that_were_dropped_the_newest_of_each_name_is_kept() {
        gst::init().unwrap();
        let lost = Arc::<LostEvents>::default();
        let custom =
            |name| gst::event::CustomDownstreamSticky::new(gst::Structure::new_empty(name));
        let caps = |width: i32| {
            let caps = gst::Caps::builder("video/x-raw").field("width", width);
            gst::event::Caps::new(&caps.build())
        };
        let newest = caps(2);
        for event in [
            caps(1),
            custom("one"),
            newest.clone(),
            gst::event::Eos::new(),
            custom("two"),
            custom("one"),
        ] {
            drop(EventOutput::new(event, &lost));
        }
        let lost = lost.lock().unwrap();
        let name = |event: &gst::Event| event.structure().unwrap().name().to_string();
        let names: Vec<_> = lost.iter().map(name).collect();
        assert_eq!(names, ["GstEventCaps", "two", "one"]);
        assert_eq!(lost[0].as_ptr(), newest.as_ptr());
    }
}

// SPDX-License-Identifier: MPL-2.0
//! A codec alone between two pads that the test holds, bare or hosted, and what goes
//! in.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use gst::prelude::*;

use crate::record::Record;

/// Plenty of time for what takes little.
const BOUND: Duration = Duration::from_secs(60);

/// Something that goes in.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    Buffer(gst::Buffer),
    Event(gst::Event),
    /// The test waits until everything before it is out, as far as it comes out.
    Settle,
    /// The test asks what the codec takes, gives, allocates and how late it is.
    Ask,
}

/// What a pipeline gives at its end: the input of a codec.
pub(crate) fn produce(description: &str) -> Vec<Item> {
    let text = format!("{description} ! fakesink name=end sync=false");
    let pipeline = gst::parse::launch(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let items = Arc::new(Mutex::new(Vec::new()));
    let end = pipeline.by_name("end").unwrap().static_pad("sink").unwrap();
    let produced = items.clone();
    let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    end.add_probe(kinds, move |_, info| {
        let item = match &info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => Item::Buffer(buffer.copy_deep().unwrap()),
            Some(gst::PadProbeData::Event(event)) => Item::Event(event.clone()),
            _ => return gst::PadProbeReturn::Ok,
        };
        produced.lock().unwrap().push(item);
        gst::PadProbeReturn::Ok
    });
    let bus = pipeline.bus().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &wanted);
    let message = message.unwrap_or_else(|| panic!("{text}: no end"));
    assert_eq!(
        message.type_(),
        gst::MessageType::Eos,
        "{text}: {message:?}"
    );
    pipeline.set_state(gst::State::Null).unwrap();
    let items = std::mem::take(&mut *items.lock().unwrap());
    assert!(items.len() > 5, "{text} gives {items:?}");
    items
}

/// How many buffers come to the sink called `end`.
pub(crate) fn count_buffers(text: &str) -> usize {
    let pipeline = gst::parse::launch(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let end = pipeline.by_name("end").unwrap();
    let count = Arc::new(Mutex::new(0));
    let counted = count.clone();
    let pad = end.static_pad("sink").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        *counted.lock().unwrap() += 1;
        gst::PadProbeReturn::Ok
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
    let bus = pipeline.bus().unwrap();
    let message = bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &wanted);
    pipeline.set_state(gst::State::Null).unwrap();
    let message = message.unwrap_or_else(|| panic!("{text}: no end"));
    assert_eq!(
        message.type_(),
        gst::MessageType::Eos,
        "{text}: {message:?}"
    );
    *count.lock().unwrap()
}

/// How long a call of a codec is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// A codec and the two pads.
pub(crate) struct Rig {
    pub(crate) element: gst::Element,
    name: String,
    pub(crate) bus: gst::Bus,
    pub(crate) feed: gst::Pad,
    pub(crate) end: gst::Pad,
    pub(crate) out: Arc<Mutex<Vec<Record>>>,
    /// Events that came to upstream.
    pub(crate) upstream: Arc<Mutex<Vec<gst::Event>>>,
    pub(crate) downstream: Arc<Downstream>,
}

/// How the pad downstream behaves.
#[derive(Debug)]
pub(crate) struct Downstream {
    /// What it answers to a buffer.
    pub(crate) flow: Mutex<Result<gst::FlowSuccess, gst::FlowError>>,
    /// The caps that it takes; any if there are none.
    pub(crate) caps: Mutex<Option<gst::Caps>>,
    /// It takes no buffer, as a paused sink. A FLUSH_START ends that.
    blocks: Mutex<bool>,
    opened: Condvar,
}

impl Downstream {
    pub(crate) fn block(&self, blocks: bool) {
        *self.blocks.lock().unwrap() = blocks;
        self.opened.notify_all();
    }

    /// It takes buffers again at the latest when this is dropped.
    pub(crate) fn opens_at_last(&self) -> impl Drop + '_ {
        struct Opens<'a>(&'a Downstream);
        impl Drop for Opens<'_> {
            fn drop(&mut self) {
                self.0.block(false);
            }
        }
        Opens(self)
    }

    fn answer(&self) -> Result<gst::FlowSuccess, gst::FlowError> {
        let blocks = self.blocks.lock().unwrap();
        drop(self.opened.wait_while(blocks, |blocks| *blocks).unwrap());
        *self.flow.lock().unwrap()
    }
}

fn codecwatch(codec: &str, isolate: bool) -> gst::Element {
    let element = gst::ElementFactory::make("codecwatch")
        .property("codec", codec)
        .property("isolate", isolate)
        // Other tests of this process may have abandoned chains of the same name.
        .property("max-abandoned", 0_u32)
        .build();
    element.unwrap()
}

impl Rig {
    /// The codec as it is.
    pub(crate) fn bare(codec: &str) -> Self {
        let bin = gst::parse::bin_from_description(codec, true);
        let bin = bin.unwrap_or_else(|error| panic!("{codec}: {error}"));
        Self::around(bin.upcast(), format!("bare {codec}"))
    }

    /// The codec in `codecwatch`.
    pub(crate) fn hosted(codec: &str) -> Self {
        Self::around(codecwatch(codec, false), format!("hosted {codec}"))
    }

    /// The codec in `codecwatch`, in a child process.
    pub(crate) fn isolated(codec: &str) -> Self {
        Self::around(codecwatch(codec, true), format!("isolated {codec}"))
    }

    pub(crate) fn around(element: gst::Element, name: String) -> Self {
        let out = Arc::new(Mutex::new(Vec::new()));
        let upstream = Arc::new(Mutex::new(Vec::new()));
        let downstream = Arc::new(Downstream {
            flow: Mutex::new(Ok(gst::FlowSuccess::Ok)),
            caps: Mutex::new(None),
            blocks: Mutex::new(false),
            opened: Condvar::new(),
        });
        let came = upstream.clone();
        let feed = gst::Pad::builder(gst::PadDirection::Src)
            .event_function(move |_, _, event| {
                let seeks = event.type_() == gst::EventType::Seek;
                came.lock().unwrap().push(event);
                !seeks
            })
            .query_function(|pad, parent, query| match query.view_mut() {
                gst::QueryViewMut::Latency(query) => {
                    let ms = gst::ClockTime::from_mseconds;
                    query.set(true, ms(7), ms(900));
                    true
                }
                _ => gst::Pad::query_default(pad, parent, query),
            })
            .build();
        let (buffers, lists, events) = (out.clone(), out.clone(), out.clone());
        let [for_buffers, for_lists, for_events, for_queries] =
            [(); 4].map(|()| downstream.clone());
        // Without a template, a pad takes only the caps that it has.
        let any = gst::PadTemplate::new(
            "sink",
            gst::PadDirection::Sink,
            gst::PadPresence::Always,
            &gst::Caps::new_any(),
        );
        let end = gst::Pad::builder_from_template(&any.unwrap())
            .chain_function(move |pad, _, buffer| {
                let caps = pad.current_caps();
                let record = Record::buffer(&buffer, caps.as_ref(), false);
                for_buffers
                    .answer()
                    .inspect(|_| buffers.lock().unwrap().push(record))
            })
            .chain_list_function(move |pad, _, list| {
                let caps = pad.current_caps();
                let record = |buffer| Record::buffer(buffer, caps.as_ref(), true);
                let records: Vec<_> = list.iter().map(record).collect();
                for_lists
                    .answer()
                    .inspect(|_| lists.lock().unwrap().extend(records))
            })
            .event_function(move |_, _, event| {
                if event.type_() == gst::EventType::FlushStart {
                    for_events.block(false);
                }
                events
                    .lock()
                    .unwrap()
                    .push(Record::event(&event).with_ids(&event));
                true
            })
            .query_function(move |pad, parent, query| match query.view_mut() {
                gst::QueryViewMut::Allocation(query) => {
                    query.add_allocation_meta::<gst_video::VideoMeta>(None);
                    true
                }
                gst::QueryViewMut::Caps(query) if for_queries.caps.lock().unwrap().is_some() => {
                    let caps = for_queries.caps.lock().unwrap().clone().unwrap();
                    let filter = query.filter_owned();
                    let caps = filter.map_or(caps.clone(), |filter| filter.intersect(&caps));
                    query.set_result(&caps);
                    true
                }
                _ => gst::Pad::query_default(pad, parent, query),
            })
            .build();
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        feed.link(&element.static_pad("sink").unwrap()).unwrap();
        element.static_pad("src").unwrap().link(&end).unwrap();
        end.set_active(true).unwrap();
        element.set_state(gst::State::Playing).unwrap();
        feed.set_active(true).unwrap();
        Self {
            element,
            name,
            bus,
            feed,
            end,
            out,
            upstream,
            downstream,
        }
    }

    /// What it is called in messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether a hosted codec waits for downstream and takes no more.
    pub(crate) fn is_full(&self) -> bool {
        let stats = self.element.property::<gst::Structure>("stats");
        let full = stats.get("verdict") == Ok("backpressured")
            && stats.get::<u32>("queued").is_ok_and(|queued| queued >= 3);
        if !full {
            println!("{stats}");
        }
        full
    }

    /// Waits until a hosted codec is open.
    pub(crate) fn settle_open(&self) {
        let begun = Instant::now();
        loop {
            let stats = self.element.property::<gst::Structure>("stats");
            if stats.get::<&str>("phase") == Ok("running") {
                return;
            }
            assert!(begun.elapsed() < BOUND, "{}: {stats}", self.name);
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Puts everything in, whatever is answered, and returns what has come out.
    pub(crate) fn play_on(&self, items: &[Item]) -> Vec<Record> {
        for item in items {
            match item {
                Item::Buffer(buffer) => {
                    let _ = self.feed.push(buffer.copy_deep().unwrap());
                }
                Item::Event(event) => {
                    self.feed.push_event(event.copy());
                }
                Item::Settle | Item::Ask => self.settle(),
            }
        }
        self.out.lock().unwrap().clone()
    }

    /// Puts everything in, and returns what has come out.
    pub(crate) fn play(&self, items: &[Item]) -> Vec<Record> {
        for item in items {
            match item {
                Item::Buffer(buffer) => {
                    let flow = self.feed.push(buffer.copy_deep().unwrap());
                    assert!(flow.is_ok(), "{}: {flow:?}: {:?}", self.name, self.errors());
                }
                Item::Event(event) => {
                    // A new one each time: a pad does not send the same twice.
                    self.feed.push_event(event.copy());
                }
                Item::Settle => self.settle(),
                Item::Ask => {
                    self.settle();
                    self.ask();
                }
            }
        }
        self.out.lock().unwrap().clone()
    }

    /// Waits until a hosted codec has taken everything and downstream all that came out.
    pub(crate) fn settle(&self) {
        if self.element.find_property("stats").is_none() {
            return;
        }
        let begun = Instant::now();
        let sink = self.element.static_pad("sink").unwrap();
        loop {
            let waits = |name| {
                let stats = self.element.property::<gst::Structure>("stats");
                stats.get::<u32>(name).unwrap_or(0) > 0
            };
            if !waits("queued") {
                // Answered by the worker, when it has done what it has taken.
                let _ = sink.query_caps(None);
                let stats = self.element.property::<gst::Structure>("stats");
                let opens = matches!(stats.get::<&str>("phase"), Ok("opening" | "waiting"));
                let pushes = stats.get::<&str>("verdict") == Ok("backpressured");
                // On a busy machine the answer may be another's. A codec that hangs is as
                // settled as it gets.
                let call = stats.get::<&str>("calls").unwrap_or_default();
                let works = !call.is_empty() && begun.elapsed() < PATIENCE;
                if !opens && !pushes && !works && !waits("waiting-for-downstream") {
                    return;
                }
            }
            assert!(begun.elapsed() < BOUND, "{} does not settle", self.name);
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The errors and warnings that were posted.
    pub(crate) fn errors(&self) -> Vec<gst::Message> {
        let kinds = [gst::MessageType::Error, gst::MessageType::Warning];
        std::iter::from_fn(|| self.bus.pop_filtered(&kinds)).collect()
    }

    /// Puts the queries of a pipeline.
    fn ask(&self) {
        let mut answers = Vec::new();
        let [sink, src] = ["sink", "src"].map(|name| self.element.static_pad(name).unwrap());
        let caps = sink.query_caps(None);
        answers.push(format!("takes {caps}"));
        let filter = gst::Caps::builder_full()
            .structure(gst::Structure::new_empty("video/x-raw"))
            .structure(gst::Structure::new_empty("audio/x-raw"))
            .build();
        answers.push(format!("takes of raw {}", sink.query_caps(Some(&filter))));
        answers.push(format!("gives {}", src.query_caps(None)));
        if let Some(current) = sink.current_caps() {
            answers.push(format!(
                "accepts its own {}",
                sink.query_accept_caps(&current)
            ));
            let mut query = gst::query::Allocation::new(Some(&current), false);
            let answered = self.feed.peer_query(&mut query);
            let metas: Vec<_> = query
                .allocation_metas()
                .map(|(api, _)| api.name())
                .collect();
            answers.push(format!("allocates {answered}: {metas:?}"));
        }
        let other = gst::Caps::new_empty_simple("text/x-nothing");
        answers.push(format!("accepts text {}", sink.query_accept_caps(&other)));
        let mut latency = gst::query::Latency::new();
        let known = src.query(&mut latency);
        answers.push(format!("latency {known} {:?}", latency.result()));
        let time = gst::Format::Time;
        let others: [gst::Query; 4] = [
            gst::query::Seeking::new(time).into(),
            gst::query::Segment::new(time).into(),
            gst::query::Formats::new().into(),
            gst::query::Convert::new(gst::ClockTime::SECOND, gst::Format::Default).into(),
        ];
        for mut query in others {
            let known = src.query(query.make_mut());
            let answer = query.structure().filter(|_| known);
            answers.push(format!("{:?} {answer:?}", query.type_()));
        }
        let answers = answers.into_iter().map(Record::Query);
        self.out.lock().unwrap().extend(answers);
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.downstream.block(false);
        let _ = self.feed.set_active(false);
        let _ = self.element.set_state(gst::State::Null);
    }
}

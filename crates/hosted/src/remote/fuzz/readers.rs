// SPDX-License-Identifier: MPL-2.0
//! What reads what a child has said: the pipeline around an element.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gst::prelude::*;

use crate::io::Output;
use crate::outside::Outside;

/// What reads: elements that hand on, and elements that have to understand caps, segments
/// and pictures or samples to convert them; and with which format their streams begin.
const CHAINS: [(&str, &str); 4] = [
    ("identity name=first ! identity", PICTURES),
    ("videoconvert name=first ! video/x-raw,format=RGB", PICTURES),
    (
        "videoscale name=first ! video/x-raw,width=8,height=8",
        PICTURES,
    ),
    (
        "audioconvert name=first ! audioresample ! audio/x-raw,rate=8000,channels=1",
        SAMPLES,
    ),
];
pub(super) const PICTURES: &str =
    "video/x-raw, format=(string)I420, width=(int)16, height=(int)16, framerate=(fraction)25/1";
/// Bytes of one of them.
pub(super) const PICTURE: usize = 16 * 16 * 3 / 2;
pub(super) const SAMPLES: &str = "audio/x-raw, format=(string)S16LE, layout=(string)interleaved, rate=(int)48000, channels=(int)2";

/// Elements that read what comes, on both sides of where it comes from.
pub(super) struct Readers {
    pipeline: gst::Pipeline,
    source: gst::Pad,
    format: gst::Caps,
    used: AtomicU64,
    refused: AtomicBool,
}

impl Readers {
    /// The readers of each kind.
    pub(super) fn all() -> Vec<Arc<Self>> {
        let chains = CHAINS.iter();
        chains
            .map(|(chain, format)| Arc::new(Self::new(chain, format)))
            .collect()
    }

    fn new(chain: &str, format: &str) -> Self {
        let chain = format!("{chain} ! fakesink sync=false async=false");
        let pipeline = gst::parse::launch(&chain).unwrap();
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        let first = pipeline.by_name("first").unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        // As elements hand on: behind a format that was refused nothing goes through a pad.
        let source = gst::Pad::builder(gst::PadDirection::Src).build();
        source.set_active(true).unwrap();
        source.link(&first.static_pad("sink").unwrap()).unwrap();
        Self {
            source,
            pipeline,
            format: format.parse().unwrap(),
            used: AtomicU64::new(0),
            refused: AtomicBool::new(false),
        }
    }

    /// Begins a stream that is as it should be.
    pub(super) fn begin(&self) {
        use gst::event as e;
        // A stream ends when its format or a buffer was refused. (audioconvert in GStreamer 1.22 would go
        // on without its converter with the format before.)
        if self.refused.swap(false, Ordering::Relaxed) {
            for state in [gst::State::Ready, gst::State::Playing] {
                self.pipeline.set_state(state).unwrap();
            }
        }
        for event in [
            e::FlushStart::new(),
            e::FlushStop::new(true),
            e::StreamStart::new("a stream"),
            e::Caps::new(&self.format),
            e::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()),
        ] {
            assert!(self.source.push_event(event));
        }
    }

    /// How many buffers went through.
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    fn event(&self, event: gst::Event) {
        read_event(&event);
        let _ = format!("{event:?}");
        let is_format = event.type_() == gst::EventType::Caps;
        if !self.source.push_event(event) && is_format {
            self.refused.store(true, Ordering::Relaxed);
        }
    }

    /// Elements post errors for what they cannot use, and go on.
    fn buffer(&self, buffer: gst::Buffer) {
        if !self.refused.load(Ordering::Relaxed) {
            match self.source.push(buffer) {
                Ok(_) => drop(self.used.fetch_add(1, Ordering::Relaxed)),
                // A format may be refused as late as here.
                Err(_) => self.refused.store(true, Ordering::Relaxed),
            }
        }
        if let Some(bus) = self.pipeline.bus() {
            bus.set_flushing(true);
            bus.set_flushing(false);
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

impl Outside for Readers {
    fn query_upstream(&self, query: &mut gst::QueryRef) -> bool {
        read_query(query);
        self.source.peer_query(query)
    }

    fn query_downstream(&self, query: &mut gst::QueryRef) -> bool {
        self.query_upstream(query)
    }

    fn send_upstream(&self, event: gst::Event) -> bool {
        read_event(&event);
        true
    }

    fn need_context(&self, _context_type: &str) {}

    fn contexts(&self) -> Vec<gst::Context> {
        Vec::new()
    }

    fn clock(&self) -> (Option<gst::Clock>, Option<gst::ClockTime>) {
        (None, None)
    }
}

/// Reads what an event says, as elements do.
fn read_event(event: &gst::EventRef) {
    use gst::EventView as V;
    match event.view() {
        V::StreamStart(it) => drop((it.stream_id().len(), it.stream_flags(), it.group_id())),
        V::Caps(it) => drop(it.caps().structure(0).map(|first| first.name().len())),
        V::Segment(it) => {
            let segment = it.segment();
            if let Some(time) = segment.downcast_ref::<gst::ClockTime>() {
                let _ = time.to_running_time(gst::ClockTime::SECOND);
                let _ = time.to_stream_time(gst::ClockTime::SECOND);
            }
        }
        V::Tag(it) => drop(it.tag().to_string()),
        V::Buffersize(it) => drop(it.get()),
        V::Protection(it) => {
            let (_, data, _) = it.get();
            let _ = data.size();
        }
        V::SegmentDone(it) => drop(it.get()),
        V::Gap(it) => drop((it.get(), it.gap_flags())),
        V::InstantRateChange(it) => drop(it.get()),
        V::InstantRateSyncTime(it) => drop((it.running_time(), it.upstream_running_time())),
        V::StreamGroupDone(it) => drop(it.group_id()),
        V::Qos(it) => drop(it.get()),
        V::Seek(it) => drop((it.get(), it.trickmode_interval())),
        V::Latency(it) => drop(it.latency()),
        V::Step(it) => drop(it.get()),
        V::TocSelect(it) => drop(it.uid().len()),
        V::SelectStreams(it) => drop(it.streams()),
        V::Toc(it) => drop(it.toc().0.entries()),
        V::StreamCollection(it) => drop(it.stream_collection().len()),
        _ => drop(event.structure().map(ToString::to_string)),
    }
}

/// Does with caps what elements do when they negotiate. (Subtracting is left out: GStreamer
/// 1.22 aborts for any two ranges with different steps.)
fn use_caps(caps: gst::Caps) {
    let others: [gst::Caps; 2] = [
        "video/x-raw, width=(int)[ 2, 4096, 2 ], height=(int){ 16, 32 }, framerate=(fraction)[ 0/1, 60/1 ]",
        "audio/x-raw, rate=(int)[ 1, max ], channels=(int)[ 1, 8 ]",
    ]
    .map(|text| text.parse().unwrap());
    for other in others {
        let mut both = caps.intersect(&other);
        both.simplify();
        let _ = caps.is_subset(&other) || other.can_intersect(&caps);
    }
    let mut fixed = caps;
    if !fixed.is_any() && !fixed.is_empty() {
        fixed.fixate();
    }
}

/// Reads what a query says, as elements do.
pub(super) fn read_query(query: &gst::QueryRef) {
    use gst::QueryView as V;
    match query.view() {
        V::Position(it) => drop((it.format(), it.result())),
        V::Duration(it) => drop((it.format(), it.result())),
        V::Latency(it) => drop(it.result()),
        V::Seeking(it) => drop(it.result()),
        V::Segment(it) => drop(it.result()),
        V::Convert(it) => drop((it.get(), it.result())),
        V::Formats(it) => drop(it.result()),
        V::Buffering(it) => drop((it.percent(), it.range(), it.stats())),
        V::Uri(it) => drop((it.uri(), it.redirection())),
        V::Scheduling(it) => drop((it.result(), it.scheduling_modes())),
        V::AcceptCaps(it) => drop((
            it.caps().structure(0).map(|it| it.name().len()),
            it.result(),
        )),
        V::Caps(it) => {
            let both = [it.filter_owned(), it.result_owned()];
            both.into_iter().flatten().for_each(use_caps);
        }
        V::Allocation(it) => drop((it.get_owned(), it.allocation_pools().count())),
        V::Bitrate(it)
            if query
                .structure()
                .is_some_and(|it| it.has_field("nominal-bitrate")) =>
        {
            let _ = it.bitrate();
        }
        _ => {}
    }
    let _ = format!("{query:?}");
}

pub(super) fn read_output(output: Output, readers: &Readers) {
    let format = readers.source.current_caps();
    match output.settled(format.as_deref()).unwrap() {
        Output::Buffer { buffer, .. } => {
            let mapped = buffer.map_readable().unwrap();
            assert!(mapped.iter().map(|&byte| u64::from(byte)).sum::<u64>() < 1 << 20);
            drop(mapped);
            readers.buffer(buffer);
        }
        Output::Event(event) => drop(event.take().map(|event| readers.event(event))),
        Output::Query(pending) => pending.put(|query| readers.query_upstream(query)),
        Output::Upstream(event) => read_event(&event),
        other => drop(format!("{other:?}")),
    }
}

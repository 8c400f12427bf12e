// SPDX-License-Identifier: MPL-2.0
//! What reads what a child has said: the pipeline around an element.

use gst::prelude::*;

use crate::io::Output;
use crate::outside::Outside;

/// Elements that read what comes, on both sides of where it comes from.
pub(super) struct Readers {
    pipeline: gst::Pipeline,
    downstream: gst::Pad,
}

impl Readers {
    pub(super) fn new() -> Self {
        let pipeline =
            gst::parse::launch("identity name=first ! identity ! fakesink sync=false async=false");
        let pipeline = pipeline.unwrap().downcast::<gst::Pipeline>().unwrap();
        let first = pipeline.by_name("first").unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        Self {
            downstream: first.static_pad("sink").unwrap(),
            pipeline,
        }
    }

    fn event(&self, event: gst::Event) {
        read_event(&event);
        let _ = format!("{event:?}");
        self.downstream.send_event(event);
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
        self.downstream.query(query)
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
    match output {
        Output::Buffer { buffer, .. } => {
            let mapped = buffer.map_readable().unwrap();
            assert!(mapped.iter().map(|&byte| u64::from(byte)).sum::<u64>() < 1 << 20);
        }
        Output::Event(event) => drop(event.take().map(|event| readers.event(event))),
        Output::Query(pending) => pending.put(|query| readers.query_upstream(query)),
        Output::Upstream(event) => read_event(&event),
        other => drop(format!("{other:?}")),
    }
}

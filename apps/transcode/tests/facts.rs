// SPDX-License-Identifier: MPL-2.0
//! What is in a file, decoded.

use std::path::Path;
use std::sync::{Arc, Mutex};

use gst::prelude::*;

/// A decoded stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stream {
    pub(crate) caps: Option<gst::Caps>,
    /// In nanoseconds of the medium, in order.
    pub(crate) times: Vec<u64>,
    /// The end of the last buffer.
    pub(crate) end: u64,
    /// Of text.
    pub(crate) texts: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub(crate) video: Stream,
    pub(crate) audio: Stream,
    pub(crate) text: Stream,
    pub(crate) tags: gst::TagList,
    /// Of the film, and of each stream.
    pub(crate) titles: Vec<String>,
    /// Titles of chapters, and when they begin.
    pub(crate) chapters: Vec<(String, i64)>,
}

/// Decodes a file to its end.
pub(crate) fn of(path: &Path) -> Facts {
    support::init();
    // It has what the bitstream says, whatever the container does.
    let decoder = gst::ElementFactory::find("dav1dwatchdec").unwrap();
    decoder.set_rank(gst::Rank::PRIMARY + 100);
    let pipeline = gst::parse::launch("filesrc name=in ! decodebin name=decoder")
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
    pipeline
        .by_name("in")
        .unwrap()
        .set_property("location", path.to_str().unwrap());
    let facts = Arc::new(Mutex::new(Facts::default()));
    let found = facts.clone();
    let weak = pipeline.downgrade();
    pipeline
        .by_name("decoder")
        .unwrap()
        .connect_pad_added(move |_, pad| {
            let sink = gst::ElementFactory::make("fakesink")
                .property("sync", false)
                .property("async", false)
                .build()
                .unwrap();
            weak.upgrade().unwrap().add(&sink).unwrap();
            sink.sync_state_with_parent().unwrap();
            pad.link(&sink.static_pad("sink").unwrap()).unwrap();
            watch(pad, &found);
        });
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    loop {
        let message = bus
            .timed_pop(gst::ClockTime::from_seconds(60))
            .expect("no end");
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => panic!("{}: {error:?}", path.display()),
            gst::MessageView::Tag(tag) => {
                let tags = tag.tags();
                let mut facts = facts.lock().unwrap();
                facts.titles.extend(
                    tags.get::<gst::tags::Title>()
                        .map(|title| title.get().to_owned()),
                );
                facts.tags.make_mut().insert(&tags, gst::TagMergeMode::Keep);
            }
            gst::MessageView::Toc(toc) => {
                facts.lock().unwrap().chapters = chapters(&toc.toc().0.entries());
            }
            _ => {}
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
    let facts = facts.lock().unwrap();
    facts.clone()
}

fn chapters(entries: &[gst::TocEntry]) -> Vec<(String, i64)> {
    let inside = entries.iter().flat_map(|entry| {
        let title = entry
            .tags()
            .and_then(|tags| Some(tags.get::<gst::tags::Title>()?.get().to_owned()));
        let own = title.map(|title| (title, entry.start_stop_times().unwrap().0));
        own.into_iter().chain(chapters(&entry.sub_entries()))
    });
    inside.collect()
}

fn watch(pad: &gst::Pad, facts: &Arc<Mutex<Facts>>) {
    let facts = facts.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let buffer = info.buffer().unwrap();
        let caps = pad.current_caps().unwrap();
        let name = caps.structure(0).unwrap().name().to_string();
        let mut facts = facts.lock().unwrap();
        let stream = match name.split('/').next() {
            Some("video") => &mut facts.video,
            Some("audio") => &mut facts.audio,
            _ => &mut facts.text,
        };
        // matroskamux writes an empty block for each gap between subtitles (GStreamer 1.24).
        if name.starts_with("text/") && buffer.size() == 0 {
            return gst::PadProbeReturn::Ok;
        }
        if name.starts_with("text/") {
            let mapped = buffer.map_readable().unwrap();
            stream
                .texts
                .push(String::from_utf8_lossy(&mapped).into_owned());
        }
        let segment = pad.sticky_event::<gst::event::Segment>(0).unwrap();
        let segment = segment
            .segment()
            .downcast_ref::<gst::ClockTime>()
            .unwrap()
            .clone();
        // The last buffer may end behind the segment, and the first begin before it.
        let time = |time: gst::ClockTime| match segment.to_stream_time_full(time) {
            Some(gst::Signed::Positive(time)) => time.nseconds(),
            _ => 0,
        };
        let pts = buffer.pts().unwrap();
        stream.caps = Some(caps);
        stream.times.push(time(pts));
        stream.end = stream
            .end
            .max(time(pts + buffer.duration().unwrap_or_default()));
        gst::PadProbeReturn::Ok
    });
}

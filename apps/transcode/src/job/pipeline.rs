// SPDX-License-Identifier: MPL-2.0
//! The whole pipeline: source, parsebin, a branch for each stream, muxer, sink.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gst::prelude::*;

use super::branches::{self, Branch, VIDEO_DECODER, VIDEO_ENCODER};
use super::completeness::Completeness;
use super::container::{Container, parser};
use super::output::{Output, Taken};
use crate::cli::StreamOptions;
use crate::end::Failure;
use crate::media::{Kind, Stream, link_when_there, make, source_of};
use crate::probe::{Counter, Probe};

/// What is read ahead of each stream, in bytes as it is encoded: minutes of audio. The
/// encoder holds seconds of video before the muxer gets any.
pub(super) const AHEAD: u32 = 32 * 1024 * 1024;

/// A pipeline, and what is counted in it.
pub(crate) struct Job {
    pub(crate) pipeline: gst::Pipeline,
    /// Between the streams and their branches.
    pub(crate) queue: gst::Element,
    pub(crate) sink: gst::Element,
    /// What a reader of the output has taken; `None` where nobody reads it.
    pub(crate) taken: Option<Arc<Taken>>,
    /// Frames that left the encoder.
    pub(crate) frames: Arc<AtomicU64>,
    /// Where the last of them ends, in nanoseconds.
    pub(crate) position: Arc<AtomicU64>,
    /// The most that was written, in bytes: a muxer goes back to write its header.
    pub(crate) bytes: AtomicU64,
    /// What the user is told.
    pub(crate) notes: Vec<String>,
}

/// A stream that waits for its pad.
struct Waiting {
    stream: Stream,
    /// Its pad of the queue; `None` if it is left out.
    pad: Option<gst::Pad>,
    counter: Arc<Mutex<Counter>>,
}

/// A video that is encoded already, in the place of the input's.
pub(crate) struct Encoded {
    pub(crate) source: gst::Element,
    /// Frames that there have to be.
    pub(crate) frames: u64,
}

/// Builds the pipeline for an input that has been looked at. Nothing plays yet.
///
/// # Errors
/// What cannot be put together: missing elements, streams that the output cannot hold.
pub(crate) fn build(
    input: &str,
    streams: &StreamOptions,
    output: Output,
    probe: &Probe,
    encoded: Option<Encoded>,
) -> Result<Job, Failure> {
    let pipeline = gst::Pipeline::new();
    let Output {
        container,
        muxer,
        sink,
        taken,
    } = output;
    let (parsebin, queue) = (make("parsebin")?, make("multiqueue")?);
    let source = source_of(input)?;
    queue.set_property("max-size-buffers", 0_u32);
    queue.set_property("max-size-time", 0_u64);
    queue.set_property("max-size-bytes", AHEAD);
    let added = pipeline.add_many([&source, &parsebin, &queue, &muxer, &sink]);
    added.map_err(|error| Failure::error(error.to_string()))?;
    link(&muxer, &sink)?;
    link_when_there(&source, &parsebin);

    let mut notes = Vec::new();
    let mut waiting = Vec::new();
    let mut has_video = false;
    for stream in &probe.streams {
        let branch = match stream.kind {
            Kind::Video if has_video => {
                Branch::Dropped(Some("a second video stream is left out".to_owned()))
            }
            Kind::Video if encoded.is_some() => {
                has_video = true;
                Branch::Dropped(None)
            }
            Kind::Video => {
                has_video = true;
                Branch::Elements(branches::video(stream, streams)?)
            }
            Kind::Audio => branches::audio(stream, container, streams)?,
            Kind::Subtitle => branches::subtitles(stream, container, streams)?,
            Kind::Other => Branch::Dropped(Some(format!(
                "a stream of the type {} is left out",
                stream.media()
            ))),
        };
        let pad = match branch {
            Branch::Elements(elements) => {
                let template = container.template(stream.kind);
                let pad = attach(&pipeline, &queue, &elements, &muxer, template)?;
                Some(pad)
            }
            Branch::Dropped(note) => {
                notes.extend(note);
                None
            }
        };
        waiting.push(Waiting {
            stream: stream.clone(),
            pad,
            counter: Arc::default(),
        });
    }
    let joined = encoded
        .map(|encoded| attach_encoded(&pipeline, &muxer, container, encoded))
        .transpose()?;
    if joined.is_none() && waiting.iter().all(|waiting| waiting.pad.is_none()) {
        return Err(Failure::error(format!(
            "{input}: there is nothing to write"
        )));
    }
    keep_chapters(probe, &muxer, &mut notes);

    let completeness = Completeness {
        declared: probe.claims.duration,
        allowed: streams.max_damaged.into(),
        counters: waiting
            .iter()
            .map(|waiting| (waiting.stream.clone(), waiting.counter.clone()))
            .collect(),
        decoder: pipeline
            .by_name(VIDEO_DECODER)
            .map(|decoder| decoder.downgrade()),
        decoded: pipeline
            .by_name(VIDEO_DECODER)
            .map(|decoder| count(&decoder, &Arc::default())),
        encoded: joined
            .as_ref()
            .map(|(frames, wanted, _)| (frames.clone(), *wanted)),
    };
    completeness.guard(&pipeline, &sink);
    connect(&parsebin, waiting);

    let (frames, position) = match joined {
        Some((frames, _, position)) => (Some(frames), position),
        None => {
            let position = Arc::default();
            let encoder = pipeline.by_name(VIDEO_ENCODER);
            (encoder.map(|encoder| count(&encoder, &position)), position)
        }
    };
    Ok(Job {
        pipeline,
        queue,
        sink,
        taken,
        frames: frames.unwrap_or_default(),
        position,
        bytes: AtomicU64::new(0),
        notes,
    })
}

/// Adds a branch between the queue and the muxer, and answers the pad of the queue where
/// it begins.
pub(super) fn attach(
    pipeline: &gst::Pipeline,
    queue: &gst::Element,
    elements: &[gst::Element],
    muxer: &gst::Element,
    template: Option<&str>,
) -> Result<gst::Pad, Failure> {
    let error = |text: String| Failure::error(text);
    pipeline
        .add_many(elements)
        .map_err(|added| error(added.to_string()))?;
    let sink = queue.request_pad_simple("sink_%u");
    let sink = sink.ok_or_else(|| error("the queue has no pad".to_owned()))?;
    // The queue names them alike.
    let source = queue.static_pad(&sink.name().replace("sink", "src"));
    let mut before = source.ok_or_else(|| error("the queue has no source pad".to_owned()))?;
    for element in elements {
        let pads = element.static_pad("sink").zip(element.static_pad("src"));
        let (sink, source) =
            pads.ok_or_else(|| error(format!("{} has no pads", element.name())))?;
        link_pads(&before, &sink)?;
        before = source;
    }
    let last = template.and_then(|template| muxer.request_pad_simple(template));
    let last = last.ok_or_else(|| error(format!("{} has no pad for it", muxer.name())))?;
    link_pads(&before, &last)?;
    Ok(sink)
}

/// Frames that came, frames that have to come, and where the last of them ends.
type Joined = (Arc<AtomicU64>, u64, Arc<AtomicU64>);

/// Adds a source of encoded video, with the parser that its muxer needs.
fn attach_encoded(
    pipeline: &gst::Pipeline,
    muxer: &gst::Element,
    container: &Container,
    encoded: Encoded,
) -> Result<Joined, Failure> {
    let caps = encoded.source.property::<Option<gst::Caps>>("caps");
    let media = caps
        .as_ref()
        .and_then(|caps| Some(caps.structure(0)?.name().to_string()));
    let parser = media
        .and_then(|media| parser(&media, None))
        .map(make)
        .transpose()?;
    let queue = make("queue")?;
    pipeline
        .add_many([&encoded.source, &queue])
        .and_then(|()| pipeline.add_many(&parser))
        .map_err(|added| Failure::error(added.to_string()))?;
    link(&encoded.source, &queue)?;
    let last = parser.as_ref().unwrap_or(&queue);
    if let Some(parser) = &parser {
        link(&queue, parser)?;
    }
    let pads = last.static_pad("src").zip(
        container
            .template(Kind::Video)
            .and_then(|template| muxer.request_pad_simple(template)),
    );
    let (source, sink) = pads.ok_or_else(|| Failure::error("the muxer takes no video"))?;
    link_pads(&source, &sink)?;
    let position = Arc::default();
    Ok((count(last, &position), encoded.frames, position))
}

pub(super) fn link(before: &gst::Element, after: &gst::Element) -> Result<(), Failure> {
    let linked = before.link(after);
    linked.map_err(|_| Failure::error(format!("{} and {} do not fit", before.name(), after.name())))
}

fn link_pads(before: &gst::Pad, after: &gst::Pad) -> Result<(), Failure> {
    let name = |pad: &gst::Pad| {
        pad.parent_element()
            .map(|element| element.name().to_string())
    };
    let linked = before.link(after);
    linked.map(drop).map_err(|_| {
        Failure::error(format!(
            "what {} gives, {} does not take",
            name(before).unwrap_or_default(),
            name(after).unwrap_or_default()
        ))
    })
}

/// Links each stream to its branch when its pad comes, and counts what comes out of it.
fn connect(parsebin: &gst::Element, waiting: Vec<Waiting>) {
    let waiting = Mutex::new(waiting);
    parsebin.connect_pad_added(move |parsebin, pad| {
        let stream = Stream::of(pad);
        let mut waiting = lock(&waiting);
        let is_it = |other: &Waiting| other.stream.id.is_some() && other.stream.id == stream.id;
        let found = waiting.iter().position(is_it);
        // The same kind in the same order, where streams have no names.
        let found = found.or_else(|| {
            waiting
                .iter()
                .position(|other| other.stream.kind == stream.kind)
        });
        let Some(found) = found.map(|found| waiting.remove(found)) else {
            gst::element_warning!(
                parsebin,
                gst::StreamError::Demux,
                ("A stream has appeared that was not there before: it is left out")
            );
            watch(pad, &Arc::default(), true);
            return;
        };
        watch(pad, &found.counter, found.pad.is_none());
        if let Some(sink) = found.pad
            && let Err(error) = pad.link(&sink)
        {
            gst::element_error!(
                parsebin,
                gst::CoreError::Negotiation,
                ("The {} stream cannot be used: {error}", stream.kind.name())
            );
        }
    });
}

/// Counts the buffers of a stream; drops them if nothing is linked behind it.
pub(super) fn watch(pad: &gst::Pad, counter: &Arc<Mutex<Counter>>, is_dropped: bool) {
    let counter = counter.clone();
    let kinds = gst::PadProbeType::BUFFER
        | gst::PadProbeType::BUFFER_LIST
        | gst::PadProbeType::EVENT_DOWNSTREAM;
    pad.add_probe(kinds, move |_, info| {
        let mut counter = lock(&counter);
        match &info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => counter.add(buffer),
            Some(gst::PadProbeData::BufferList(list)) => {
                list.iter().for_each(|buffer| counter.add(buffer));
            }
            Some(gst::PadProbeData::Event(event)) => {
                if let gst::EventView::Segment(segment) = event.view() {
                    counter.set_segment(segment);
                }
                return gst::PadProbeReturn::Ok;
            }
            _ => return gst::PadProbeReturn::Ok,
        }
        if is_dropped {
            gst::PadProbeReturn::Drop
        } else {
            gst::PadProbeReturn::Ok
        }
    });
}

/// Counts the frames that leave an element, and notes where the last of them ends in the
/// medium.
pub(super) fn count(element: &gst::Element, position: &Arc<AtomicU64>) -> Arc<AtomicU64> {
    let counter = Arc::new(Mutex::new(Counter::default()));
    let frames = Arc::new(AtomicU64::new(0));
    let (counted, position) = (frames.clone(), position.clone());
    let Some(pad) = element.static_pad("src") else {
        return frames;
    };
    watch(&pad, &counter, false);
    // After the one that counts.
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        let counter = lock(&counter);
        counted.store(counter.frames, Ordering::Relaxed);
        position.store(counter.end, Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
    frames
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives the muxer the chapters, if it can write them.
fn keep_chapters(probe: &Probe, muxer: &gst::Element, notes: &mut Vec<String>) {
    let Some(toc) = &probe.toc else { return };
    match muxer.dynamic_cast_ref::<gst::TocSetter>() {
        Some(setter) => setter.set_toc(Some(toc)),
        None => notes.push(format!(
            "chapters are left out: {} cannot write them",
            muxer
                .factory()
                .map_or_else(String::new, |factory| factory.name().to_string())
        )),
    }
}

// SPDX-License-Identifier: MPL-2.0
//! Looks at an input without a codec: its container is read, and its streams are parsed
//! (`parsebin`), but nothing is decoded, so no codec exists meanwhile.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;

use crate::end::{End, Failure};
use crate::guard::{Claims, Video};
use crate::media::{Kind, Stream, is_demuxer, source_of};

mod matroska;
mod scan;

pub(crate) use scan::{Counter, Cut, Scan, VideoScan};

/// How long an input may take to say what it is. Files take milliseconds; what comes
/// from a network takes its time.
const OPENING: Duration = Duration::from_secs(30);

/// How long is waited for the first frame of each stream (its tags come before it), once
/// the streams are known.
const FIRST_FRAMES: Duration = Duration::from_millis(500);

/// How long a file may give nothing while it is read.
const STANDSTILL: Duration = Duration::from_secs(60);

/// How often the bus is looked at while a file is read.
const LOOK: Duration = Duration::from_millis(50);

/// An input that has been opened. Dropped, it is closed.
pub(crate) struct Probe {
    pipeline: gst::Pipeline,
    pads: Arc<Mutex<Vec<Watched>>>,
    events: Receiver<Seen>,
    /// Streams that ended while the headers were read.
    ended: HashSet<usize>,
    /// What the file says of itself.
    pub(crate) claims: Claims,
    /// Its streams, in the order in which they came.
    pub(crate) streams: Vec<Stream>,
    /// Chapters and the like.
    pub(crate) toc: Option<gst::Toc>,
    /// The media type of the whole, such as `video/quicktime`.
    pub(crate) container: Option<String>,
}

/// A pad of a stream, whose buffers are counted and dropped from the first on.
struct Watched {
    pad: gst::Pad,
    scan: Arc<Mutex<Counter>>,
}

/// What threads of the pipeline have seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// All pads are there before any of them has a buffer.
    FirstBuffer(usize),
    End(usize),
}

impl Probe {
    /// Opens an input, and reads as far as the first frame of each stream.
    ///
    /// # Errors
    /// [`End::Error`] for what cannot be read at all, [`End::Damaged`] if a demuxer
    /// says so, and what `interrupted` answers, which is asked now and then.
    pub(crate) fn open(
        input: &str,
        interrupted: &dyn Fn() -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        Self::open_and_keep(input, false, interrupted)
    }

    /// The same for a scan that keeps the time of each frame.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn open_for_times(
        input: &str,
        interrupted: &dyn Fn() -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        Self::open_and_keep(input, true, interrupted)
    }

    fn open_and_keep(
        input: &str,
        keeps_times: bool,
        interrupted: &dyn Fn() -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        let file = crate::media::local_file(input);
        let bytes = match &file {
            Some(path) => Some(crate::media::size_of(path)?),
            None => None,
        };
        let raw_duration = file.as_deref().and_then(matroska::duration);
        let (pipeline, parsebin) = open_pipeline(input)?;
        let (send, events) = channel();
        let pads = Arc::new(Mutex::new(Vec::new()));
        watch_streams(&parsebin, &pads, &send, keeps_times);
        let mut probe = Self {
            pipeline,
            pads,
            events,
            claims: Claims::default(),
            streams: Vec::new(),
            ended: HashSet::new(),
            toc: None,
            container: None,
        };
        probe.ended = probe.read_headers(interrupted)?;
        probe.describe();
        probe.claims = Claims {
            duration: probe.declared_duration(&parsebin),
            raw_duration,
            bytes,
            video: probe.video().and_then(Stream::video),
        };
        Ok(probe)
    }

    /// The first video stream.
    pub(crate) fn video(&self) -> Option<&Stream> {
        self.streams
            .iter()
            .find(|stream| stream.kind == Kind::Video)
    }

    /// Answers which streams have ended meanwhile.
    fn read_headers(
        &self,
        interrupted: &dyn Fn() -> Result<(), Failure>,
    ) -> Result<HashSet<usize>, Failure> {
        // An input that cannot start says why on the bus.
        let live = match self.pipeline.set_state(gst::State::Paused) {
            Ok(success) => success == gst::StateChangeSuccess::NoPreroll,
            Err(_) => {
                return Err(self
                    .error()
                    .unwrap_or_else(|| Failure::error("the input cannot be opened")));
            }
        };
        if live {
            let _ = self.pipeline.set_state(gst::State::Playing);
        }
        let deadline = Instant::now() + OPENING;
        let mut known = None;
        let (mut ready, mut ended) = (HashSet::new(), HashSet::new());
        loop {
            interrupted()?;
            if let Some(failure) = self.error() {
                return Err(failure);
            }
            match self.events.recv_timeout(LOOK) {
                Ok(seen) => {
                    known = known.or_else(|| Some(Instant::now()));
                    let (Seen::FirstBuffer(index) | Seen::End(index)) = seen;
                    ready.insert(index);
                    if seen == Seen::End(index) {
                        ended.insert(index);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = Instant::now();
            match known {
                Some(since) if self.is_described(&ready) || now > since + FIRST_FRAMES => break,
                None if now > deadline => {
                    return Err(Failure::error(format!(
                        "the input did not say within {} s what it is",
                        OPENING.as_secs()
                    )));
                }
                _ => {}
            }
        }
        Ok(ended)
    }

    /// Whether each stream has had a buffer, but for those that may have none for long.
    fn is_described(&self, ready: &HashSet<usize>) -> bool {
        let pads = lock(&self.pads);
        let mut waiting = (0..pads.len()).filter(|index| !ready.contains(index));
        waiting.all(|index| {
            let kind = pads.get(index).map(|watched| Stream::of(&watched.pad).kind);
            !matches!(kind, Some(Kind::Video | Kind::Audio))
        })
    }

    fn describe(&mut self) {
        let pads = lock(&self.pads);
        self.streams = pads
            .iter()
            .map(|watched| Stream::of(&watched.pad))
            .collect();
        self.toc = pads.iter().find_map(|watched| {
            let event = watched.pad.sticky_event::<gst::event::Toc>(0)?;
            Some(event.toc().0.to_owned())
        });
    }

    /// Nanoseconds, as upstream answers. A bare elementary stream declares none: its
    /// parser guesses from the bit rate.
    fn declared_duration(&mut self, parsebin: &gst::Element) -> Option<u64> {
        let bin = parsebin.downcast_ref::<gst::Bin>()?;
        self.container = bin
            .by_name("typefind")
            .and_then(|typefind| typefind.property::<Option<gst::Caps>>("caps"))
            .and_then(|caps| Some(caps.structure(0)?.name().to_string()));
        let has_demuxer = bin
            .iterate_recurse()
            .into_iter()
            .flatten()
            .any(|element| is_demuxer(&element));
        let pads = lock(&self.pads);
        let answers = pads.iter().filter_map(|watched| {
            let mut query = gst::query::Duration::new(gst::Format::Time);
            let answered = watched.pad.query(&mut query);
            match query.result() {
                gst::GenericFormattedValue::Time(Some(time)) if answered => Some(time.nseconds()),
                _ => None,
            }
        });
        answers.max().filter(|_| has_demuxer)
    }

    /// The first error on the bus.
    fn error(&self) -> Option<Failure> {
        let bus = self.pipeline.bus()?;
        let message = bus.pop_filtered(&[gst::MessageType::Error])?;
        match message.view() {
            gst::MessageView::Error(error) => Some(crate::job::failure_of(error)),
            _ => None,
        }
    }

    /// Reads all of the input, and counts.
    ///
    /// # Errors
    /// [`End::Damaged`] if a demuxer or a parser says so, [`End::Refused`] above
    /// `most_frames`, and what `interrupted` answers, which is asked now and then.
    pub(crate) fn scan(
        &self,
        most_frames: u64,
        interrupted: &dyn Fn() -> Result<(), Failure>,
    ) -> Result<Scan, Failure> {
        let mut ended = self.ended.clone();
        let mut moved = (0, Instant::now());
        while ended.len() < lock(&self.pads).len() {
            interrupted()?;
            let read: u64 = self.counters().map(|counter| counter.frames).sum();
            if read != moved.0 {
                moved = (read, Instant::now());
            } else if moved.1.elapsed() > STANDSTILL {
                return Err(Failure::error(format!(
                    "nothing of the input came for {} s, and it has not ended",
                    STANDSTILL.as_secs()
                )));
            }
            if let Some(failure) = self.error() {
                return Err(failure);
            }
            match self.events.recv_timeout(LOOK) {
                Ok(Seen::End(index)) => {
                    ended.insert(index);
                }
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::new(End::Error, "the input has gone"));
                }
            }
            let frames = self.counters().map(|counter| counter.frames).max();
            if frames.is_some_and(|frames| frames > most_frames) {
                return Err(Failure::refused(format!(
                    "the video has more than {most_frames} frames, --max-frames allows no more"
                )));
            }
        }
        if lock(&self.pads).len() != self.streams.len() {
            return Err(Failure::new(
                End::Damaged,
                "streams begin in the middle of the input: several files in one, or a damaged one",
            ));
        }
        let video = self
            .streams
            .iter()
            .position(|stream| stream.kind == Kind::Video);
        Ok(Scan::of(self.counters().collect(), video))
    }

    fn counters(&self) -> impl Iterator<Item = Counter> {
        let pads = lock(&self.pads);
        let counters: Vec<Counter> = pads
            .iter()
            .map(|watched| lock(&watched.scan).clone())
            .collect();
        counters.into_iter()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // Nothing in it waits for a codec.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open_pipeline(input: &str) -> Result<(gst::Pipeline, gst::Element), Failure> {
    let pipeline = gst::Pipeline::new();
    let parsebin = crate::media::make("parsebin")?;
    if crate::media::local_file(input).is_some_and(|path| is_ivf(&path)) {
        // Whoever looks for the type asks libavcodec, too, whose libraries take longer to
        // load than everything else.
        let caps = gst::Caps::new_empty_simple("video/x-ivf");
        parsebin.set_property("sink-caps", caps);
    }
    let source = source_of(input)?;
    let added = pipeline.add_many([&source, &parsebin]);
    added.map_err(|error| Failure::error(error.to_string()))?;
    crate::media::link_when_there(&source, &parsebin);
    Ok((pipeline, parsebin))
}

fn is_ivf(path: &Path) -> bool {
    let mut begins = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut begins));
    read.is_ok() && begins == *b"DKIF"
}

/// Counts the buffers of each stream, and drops them.
fn watch_streams(
    parsebin: &gst::Element,
    pads: &Arc<Mutex<Vec<Watched>>>,
    send: &Sender<Seen>,
    keeps_times: bool,
) {
    let (pads, sender) = (pads.clone(), send.clone());
    parsebin.connect_pad_added(move |_, pad| {
        if pad.direction() != gst::PadDirection::Src {
            return;
        }
        let mut pads = lock(&pads);
        let index = pads.len();
        let counter = Arc::new(Mutex::new(Counter::new(keeps_times)));
        let (counted, seen) = (counter.clone(), sender.clone());
        let kinds = gst::PadProbeType::BUFFER
            | gst::PadProbeType::BUFFER_LIST
            | gst::PadProbeType::EVENT_DOWNSTREAM;
        pad.add_probe(kinds, move |_, info| {
            let mut counter = lock(&counted);
            let is_first = counter.frames == 0;
            match &info.data {
                Some(gst::PadProbeData::Buffer(buffer)) => counter.add(buffer),
                Some(gst::PadProbeData::BufferList(list)) => {
                    list.iter().for_each(|buffer| counter.add(buffer));
                }
                Some(gst::PadProbeData::Event(event)) => {
                    match event.view() {
                        gst::EventView::Segment(segment) => counter.set_segment(segment),
                        gst::EventView::Eos(_) => {
                            let _ = seen.send(Seen::End(index));
                        }
                        _ => {}
                    }
                    return gst::PadProbeReturn::Ok;
                }
                _ => return gst::PadProbeReturn::Ok,
            }
            if is_first && counter.frames > 0 {
                let _ = seen.send(Seen::FirstBuffer(index));
            }
            // Nothing is linked behind it.
            gst::PadProbeReturn::Drop
        });
        pads.push(Watched {
            pad: pad.clone(),
            scan: counter,
        });
    });
}

impl Stream {
    /// The picture and the rate of a video stream, by its caps.
    pub(crate) fn video(&self) -> Option<Video> {
        let structure = self.caps.structure(0)?;
        let rate = structure.get::<gst::Fraction>("framerate").ok();
        Some(Video {
            width: structure.get("width").ok()?,
            height: structure.get("height").ok()?,
            rate: rate.map(|rate| (rate.numer(), rate.denom())),
        })
    }
}

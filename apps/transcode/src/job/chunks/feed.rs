// SPDX-License-Identifier: MPL-2.0
//! The frames of all chunks, one after the other, each at the time of its frame in the
//! input.
//!
//! A chunk's container rounds times, and begins at zero where it was sought. The order
//! of the times within a chunk is kept, though, so the frame that is shown n-th there is
//! the n-th of that part of the input.
//!
//! Matroska does not say when a frame is decoded, and MP4 has to. The frame that is
//! decoded n-th is decoded when the n-th frame of the input is shown, and every frame is
//! shown later by a delay: the least with which none is shown before it is decoded. The
//! segment begins after the delay, so what is written has the times of the input.

use std::path::Path;

use gst::prelude::*;

use super::Piece;
use crate::end::{End, Failure};
use crate::job::failures;
use crate::media::{Kind, Stream, link_when_there, make, source_of};

/// The longest wait for a packet of a chunk, which is read from a disk.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(60);

/// How much may wait for the muxer, in bytes.
const AHEAD: u64 = 16 * 1024 * 1024;

/// What all chunks have in common.
#[derive(Debug)]
pub(super) struct Joint {
    caps: gst::Caps,
    /// From the decoding of the frame that waits longest to be shown.
    delay: gst::ClockTime,
    /// Those of all frames of the input, in order, in nanoseconds.
    times: Vec<u64>,
}

impl Joint {
    /// Reads all chunks. May block on the disk.
    ///
    /// # Errors
    /// If a chunk does not have the frames of the plan, or was encoded in another way.
    pub(super) fn of(
        chunks: &[Piece],
        times: Vec<u64>,
        check: &dyn Fn() -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        let mut common: Option<gst::Caps> = None;
        let mut delay = 0;
        for chunk in chunks {
            check()?;
            let (caps, buffers) = read(chunk)?;
            let common = common.get_or_insert_with(|| caps.clone());
            if *common != caps {
                return Err(Failure::error(format!(
                    "{} was encoded in another way than the first chunk: {caps}",
                    chunk.path.display()
                )));
            }
            let times = chunk.times(&times);
            let ranks = ranks(chunk, &buffers, times)?;
            let waits = times.iter().zip(ranks).filter_map(|(decoded, rank)| {
                let shown = times.get(rank)?;
                decoded.checked_sub(*shown)
            });
            delay = waits.fold(delay, u64::max);
        }
        Ok(Self {
            caps: common.ok_or_else(|| Failure::error("the plan has no chunks"))?,
            delay: gst::ClockTime::from_nseconds(delay),
            times,
        })
    }

    /// The source of the joined video.
    pub(super) fn source(&self) -> gst_app::AppSrc {
        gst_app::AppSrc::builder()
            .name("joined")
            .caps(&self.caps)
            .format(gst::Format::Time)
            .handle_segment_change(true)
            .block(true)
            .max_bytes(AHEAD)
            .build()
    }
}

impl Piece {
    /// Those of this chunk's frames, and of what follows.
    fn times<'a>(&self, all: &'a [u64]) -> &'a [u64] {
        let from = usize::try_from(self.first_frame).unwrap_or(usize::MAX);
        all.get(from..).unwrap_or_default()
    }
}

/// Feeds the source, on a thread of its own, which ends with the pipeline.
pub(super) fn start(
    source: gst_app::AppSrc,
    chunks: Vec<Piece>,
    joint: Joint,
    pipeline: &gst::Pipeline,
) -> Result<(), Failure> {
    let pipeline = pipeline.downgrade();
    let feeding = std::thread::Builder::new()
        .name("feed".to_owned())
        .spawn(move || {
            if let Err(failure) = feed(&source, &chunks, &joint)
                && let Some(pipeline) = pipeline.upgrade()
            {
                failures::post(pipeline.upcast_ref(), &failure);
            }
        });
    feeding
        .map(drop)
        .map_err(|error| Failure::error(format!("no thread: {error}")))
}

fn feed(source: &gst_app::AppSrc, chunks: &[Piece], joint: &Joint) -> Result<(), Failure> {
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_start(joint.delay);
    for chunk in chunks {
        let (_, buffers) = read(chunk)?;
        for buffer in timed(chunk, buffers, joint)? {
            let sample = gst::Sample::builder().buffer(&buffer).segment(&segment);
            if source.push_sample(&sample.build()).is_err() {
                // The pipeline has stopped, and says why.
                return Ok(());
            }
        }
    }
    let _ = source.end_of_stream();
    Ok(())
}

/// Gives each packet the time of its frame.
fn timed(
    chunk: &Piece,
    mut buffers: Vec<gst::Buffer>,
    joint: &Joint,
) -> Result<Vec<gst::Buffer>, Failure> {
    let times = chunk.times(&joint.times);
    let ranks = ranks(chunk, &buffers, times)?;
    for ((buffer, rank), decoded) in buffers.iter_mut().zip(ranks).zip(times) {
        let time = |rank: usize| times.get(rank).copied().map(gst::ClockTime::from_nseconds);
        let (shown, next) = (time(rank), time(rank + 1));
        let buffer = buffer.make_mut();
        buffer.set_pts(shown.map(|shown| shown + joint.delay));
        buffer.set_dts(gst::ClockTime::from_nseconds(*decoded));
        if let (Some(shown), Some(next)) = (shown, next) {
            buffer.set_duration(next - shown);
        }
    }
    Ok(buffers)
}

/// Of each packet the place of its frame among those that are shown. `times` begins with
/// the chunk's first frame.
fn ranks(chunk: &Piece, buffers: &[gst::Buffer], times: &[u64]) -> Result<Vec<usize>, Failure> {
    let mut order: Vec<(Option<gst::ClockTime>, usize)> = buffers
        .iter()
        .enumerate()
        .map(|(index, buffer)| (buffer.pts(), index))
        .collect();
    order.sort_unstable();
    let frames = buffers.len();
    let is_distinct = order.windows(2).all(|pair| pair[0].0 != pair[1].0);
    if frames as u64 != chunk.frames || times.len() < frames || !is_distinct {
        return Err(Failure::new(
            End::Damaged,
            format!(
                "{} has {frames} frames, the plan has {}",
                chunk.path.display(),
                chunk.frames
            ),
        ));
    }
    let mut ranks = vec![0; frames];
    for (rank, (_, index)) in order.into_iter().enumerate() {
        ranks[index] = rank;
    }
    Ok(ranks)
}

/// All packets of a chunk, in the order of decoding, and their caps.
fn read(chunk: &Piece) -> Result<(gst::Caps, Vec<gst::Buffer>), Failure> {
    let reader = Reader::open(&chunk.path)?;
    let mut found = (None, Vec::new());
    while let Some(sample) = reader.next()? {
        found.0 = found.0.or_else(|| sample.caps_owned());
        found.1.extend(sample.buffer_owned());
    }
    match found {
        (Some(caps), buffers) => Ok((caps, buffers)),
        (None, _) => Err(Failure::new(
            End::Damaged,
            format!("{} has no frame", chunk.path.display()),
        )),
    }
}

/// A chunk's file.
struct Reader {
    pipeline: gst::Pipeline,
    sink: gst_app::AppSink,
    shown: String,
}

impl Reader {
    fn open(path: &Path) -> Result<Self, Failure> {
        let shown = path.display().to_string();
        let (source, parsebin) = (source_of(&shown)?, make("parsebin")?);
        let sink = gst_app::AppSink::builder().sync(false).build();
        let pipeline = gst::Pipeline::new();
        let error = |error: &dyn std::fmt::Display| Failure::error(format!("{shown}: {error}"));
        pipeline
            .add_many([&source, &parsebin, sink.upcast_ref()])
            .map_err(|added| error(&added))?;
        link_when_there(&source, &parsebin);
        let pad = sink.static_pad("sink");
        parsebin.connect_pad_added(move |_, added| {
            let is_video = Stream::of(added).kind == Kind::Video;
            if let Some(pad) = pad.as_ref().filter(|pad| is_video && !pad.is_linked()) {
                let _ = added.link(pad);
            }
        });
        pipeline
            .set_state(gst::State::Playing)
            .map_err(|started| error(&started))?;
        Ok(Self {
            pipeline,
            sink,
            shown,
        })
    }

    /// The next packet, or none at the end.
    fn next(&self) -> Result<Option<gst::Sample>, Failure> {
        match self.sink.try_pull_sample(PATIENCE) {
            Some(sample) => Ok(Some(sample)),
            None if self.sink.is_eos() => Ok(None),
            None => Err(Failure::error(format!("{} cannot be read", self.shown))),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

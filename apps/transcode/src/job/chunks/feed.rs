// SPDX-License-Identifier: MPL-2.0
//! The frames of all chunks, one after the other, each at the time of its frame in the
//! input.
//!
//! A chunk's container rounds times, and begins at zero where it was sought. The order
//! of the times within a chunk is kept, though, so the frame that is shown n-th there is
//! the n-th of that part of the input.

use std::path::Path;

use gst::prelude::*;

use super::Piece;
use crate::end::{End, Failure};
use crate::job::verdict;
use crate::media::{Kind, Stream, link_when_there, make, source_of};

/// The longest wait for a packet of a chunk, which is read from a disk.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(60);

/// How much may wait for the muxer, in bytes.
const AHEAD: u64 = 16 * 1024 * 1024;

/// The source of the joined video, with the caps of the first chunk.
pub(super) fn source(chunks: &[Piece]) -> Result<gst_app::AppSrc, Failure> {
    let first = chunks
        .first()
        .ok_or_else(|| Failure::error("the plan has no chunks"))?;
    let (caps, _) = read(first)?;
    Ok(gst_app::AppSrc::builder()
        .name("joined")
        .caps(&caps)
        .format(gst::Format::Time)
        .block(true)
        .max_bytes(AHEAD)
        .build())
}

/// Feeds the source, on a thread of its own, which ends with the pipeline. `times` are
/// those of all frames of the input, in order.
pub(super) fn start(
    source: gst_app::AppSrc,
    chunks: Vec<Piece>,
    times: Vec<u64>,
    pipeline: &gst::Pipeline,
) -> Result<(), Failure> {
    let pipeline = pipeline.downgrade();
    let feeding = std::thread::Builder::new()
        .name("feed".to_owned())
        .spawn(move || {
            if let Err(failure) = feed(&source, &chunks, &times)
                && let Some(pipeline) = pipeline.upgrade()
            {
                verdict::post(pipeline.upcast_ref(), &failure);
            }
        });
    feeding
        .map(drop)
        .map_err(|error| Failure::error(format!("no thread: {error}")))
}

fn feed(source: &gst_app::AppSrc, chunks: &[Piece], times: &[u64]) -> Result<(), Failure> {
    let wanted = source.caps();
    for chunk in chunks {
        let (caps, buffers) = read(chunk)?;
        let shown = chunk.path.display();
        if wanted.as_ref() != Some(&caps) {
            return Err(Failure::new(
                End::Error,
                format!("{shown} was encoded in another way than the first chunk: {caps}"),
            ));
        }
        let from = usize::try_from(chunk.first_frame).unwrap_or(usize::MAX);
        let times = times.get(from..).unwrap_or_default();
        for buffer in timed(chunk, buffers, times)? {
            if source.push_buffer(buffer).is_err() {
                // The pipeline has stopped, and says why.
                return Ok(());
            }
        }
    }
    let _ = source.end_of_stream();
    Ok(())
}

/// Gives each packet the time of its frame. `times` begins with the chunk's first frame.
fn timed(
    chunk: &Piece,
    mut buffers: Vec<gst::Buffer>,
    times: &[u64],
) -> Result<Vec<gst::Buffer>, Failure> {
    let shown = chunk.path.display();
    let frames = buffers.len();
    let order = {
        let mut order: Vec<(Option<gst::ClockTime>, usize)> = buffers
            .iter()
            .enumerate()
            .map(|(index, buffer)| (buffer.pts(), index))
            .collect();
        order.sort_unstable();
        order
    };
    let is_distinct = order.windows(2).all(|pair| pair[0].0 != pair[1].0);
    if frames as u64 != chunk.frames || times.len() < frames || !is_distinct {
        return Err(Failure::new(
            End::Damaged,
            format!("{shown} has {frames} frames, the plan has {}", chunk.frames),
        ));
    }
    let in_order = order
        .iter()
        .enumerate()
        .all(|(rank, (_, index))| rank == *index);
    for (rank, (before, index)) in order.iter().enumerate() {
        let Some(buffer) = buffers.get_mut(*index) else {
            continue;
        };
        let at = gst::ClockTime::from_nseconds(times[rank]);
        let next = times
            .get(rank + 1)
            .map(|next| gst::ClockTime::from_nseconds(*next));
        let buffer = buffer.make_mut();
        let dts = match (buffer.dts(), before) {
            // What is shown in the order of decoding is decoded when it is shown.
            _ if in_order => Some(at),
            (Some(dts), Some(before)) => Some((at + dts).saturating_sub(*before)),
            _ => None,
        };
        buffer.set_pts(at);
        buffer.set_dts(dts);
        if let Some(next) = next {
            buffer.set_duration(next - at);
        }
    }
    Ok(buffers)
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

// SPDX-License-Identifier: MPL-2.0

//! Peak signal-to-noise ratio of one video against another, over all their frames.

use std::fmt;

use gst::prelude::*;
use gst_video::prelude::*;
use gst_video::video_frame::Readable;

use crate::{Failure, launch, quoted};

/// Longest wait for a decoded frame.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(30);

/// The squared errors of three planes, summed up over `frames` frames.
pub(crate) struct Quality {
    /// How many frames were compared.
    pub(crate) frames: u64,
    squares: [u64; 3],
    samples: [u64; 3],
}

/// 8-bit PSNR in dB. Videos without any difference have an infinite one.
fn decibels(squares: u64, samples: u64) -> f64 {
    10.0 * (255.0 * 255.0 * samples as f64 / squares as f64).log10()
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [y, u, v] = [0, 1, 2].map(|plane| decibels(self.squares[plane], self.samples[plane]));
        let all = decibels(self.squares.iter().sum(), self.samples.iter().sum());
        write!(f, "{all:.2} dB (Y {y:.2}, U {u:.2}, V {v:.2})")
    }
}

/// One decoded file.
struct Video {
    pipeline: gst::Pipeline,
    sink: gst_app::AppSink,
}

impl Video {
    fn open(path: &str, decoder: &str) -> Result<Self, Failure> {
        let pipeline = launch(&format!(
            "filesrc location={} ! matroskademux ! av1parse ! {decoder} ! video/x-raw,format=I420 ! appsink name=sink \
             sync=false max-buffers=2",
            quoted(path)
        ))?;
        let sink = pipeline
            .by_name("sink")
            .and_downcast::<gst_app::AppSink>()
            .ok_or_else(|| Failure::Setup("no appsink".into()))?;
        pipeline.set_state(gst::State::Playing)?;
        Ok(Self { pipeline, sink })
    }

    /// The next frame, or none at the end.
    fn next(&self) -> Result<Option<gst::Sample>, Failure> {
        let sample = self.sink.try_pull_sample(PATIENCE);
        if sample.is_none() && !self.sink.is_eos() {
            return Err(Failure::Setup(
                "a file cannot be decoded for comparison".into(),
            ));
        }
        Ok(sample)
    }
}

impl Drop for Video {
    fn drop(&mut self) {
        // The pipeline is done with either way; a decoder that did not stop has said so on the bus.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Compares the pictures of two Matroska files with AV1 video of 8 bits, 4:2:0, frame by frame.
pub(crate) fn compare(before: &str, after: &str, decoder: &str) -> Result<Quality, Failure> {
    let videos = (Video::open(before, decoder)?, Video::open(after, decoder)?);
    let mut quality = Quality {
        frames: 0,
        squares: [0; 3],
        samples: [0; 3],
    };
    loop {
        match (videos.0.next()?, videos.1.next()?) {
            (Some(before), Some(after)) => quality.add(&before, &after)?,
            (None, None) => return Ok(quality),
            _ => {
                return Err(Failure::Setup(
                    "the files differ in their number of frames".into(),
                ));
            }
        }
    }
}

impl Quality {
    fn add(&mut self, before: &gst::Sample, after: &gst::Sample) -> Result<(), Failure> {
        let unreadable = || Failure::Setup("a frame cannot be read".into());
        let map = |sample: &gst::Sample| {
            let info = gst_video::VideoInfo::from_caps(sample.caps()?).ok()?;
            gst_video::VideoFrame::from_buffer_readable(sample.buffer_owned()?, &info).ok()
        };
        let before = map(before).ok_or_else(unreadable)?;
        let after = map(after).ok_or_else(unreadable)?;
        if (before.width(), before.height()) != (after.width(), after.height()) {
            return Err(Failure::Setup("the files differ in their size".into()));
        }

        for plane in 0..3 {
            let width = before.comp_width(plane) as usize;
            let height = before.comp_height(plane) as usize;
            let before = rows(&before, plane).ok_or_else(unreadable)?;
            let after = rows(&after, plane).ok_or_else(unreadable)?;
            self.squares[plane as usize] += before
                .zip(after)
                .take(height)
                .flat_map(|(before, after)| before.iter().zip(after).take(width))
                .map(|(before, after)| u64::from(before.abs_diff(*after)).pow(2))
                .sum::<u64>();
            self.samples[plane as usize] += (width * height) as u64;
        }
        self.frames += 1;
        Ok(())
    }
}

/// The rows of a plane, padding included.
fn rows(
    frame: &gst_video::VideoFrame<Readable>,
    plane: u32,
) -> Option<impl Iterator<Item = &[u8]>> {
    let stride = usize::try_from(*frame.plane_stride().get(plane as usize)?).ok()?;
    Some(frame.plane_data(plane).ok()?.chunks(stride.max(1)))
}

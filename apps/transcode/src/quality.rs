// SPDX-License-Identifier: MPL-2.0
//! PSNR and SSIM of one video against another, over all their frames, of 8 bits and
//! 4:2:0.

use std::fmt;

use gst::prelude::*;
use gst_video::prelude::*;
use gst_video::video_frame::Readable;

use crate::end::Failure;
use crate::interrupt::Interrupt;

/// The longest wait for a decoded frame, in looks of 100 ms.
const LOOKS: usize = 300;
const LOOK: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// Sides of the windows of SSIM, as in the x264 encoder.
const WINDOW: usize = 8;

/// What was measured.
#[derive(Debug, Default)]
pub(crate) struct Quality {
    /// How many frames were compared.
    pub(crate) frames: u64,
    squares: u64,
    samples: u64,
    /// The sum of the windows' SSIM (luma), and their number.
    ssim: f64,
    windows: u64,
}

impl Quality {
    /// In dB, over all planes; infinite without any difference.
    pub(crate) fn psnr(&self) -> f64 {
        10.0 * (255.0 * 255.0 * self.samples as f64 / self.squares as f64).log10()
    }

    /// The mean over luma; 1 without any difference.
    pub(crate) fn ssim(&self) -> f64 {
        self.ssim / self.windows.max(1) as f64
    }

    fn add(&mut self, before: &gst::Sample, after: &gst::Sample) -> Result<(), Failure> {
        let (before, after) = (mapped(before)?, mapped(after)?);
        if (before.width(), before.height()) != (after.width(), after.height()) {
            return Err(Failure::error(
                "the files cannot be compared: they differ in their size",
            ));
        }
        for plane in 0..before.n_planes() {
            let (before, after) = (Plane::of(&before, plane)?, Plane::of(&after, plane)?);
            for (before, after) in before.rows().zip(after.rows()) {
                let pairs = before.iter().zip(after);
                let square = |(a, b): (&u8, &u8)| u64::from(a.abs_diff(*b)).pow(2);
                self.squares += pairs.map(square).sum::<u64>();
                self.samples += before.len() as u64;
            }
            if plane == 0 {
                self.add_windows(&before, &after);
            }
        }
        self.frames += 1;
        Ok(())
    }

    fn add_windows(&mut self, before: &Plane<'_>, after: &Plane<'_>) {
        let before: Vec<&[u8]> = before.rows().collect();
        let after: Vec<&[u8]> = after.rows().collect();
        for (before, after) in before.chunks_exact(WINDOW).zip(after.chunks_exact(WINDOW)) {
            let width = before.first().map_or(0, |row| row.len());
            for left in (0..width.saturating_sub(WINDOW - 1)).step_by(WINDOW) {
                self.ssim += window(before, after, left);
                self.windows += 1;
            }
        }
    }
}

/// The structural similarity of a window, by its definition.
fn window(before: &[&[u8]], after: &[&[u8]], left: usize) -> f64 {
    const C1: f64 = (0.01 * 255.0) * (0.01 * 255.0);
    const C2: f64 = (0.03 * 255.0) * (0.03 * 255.0);
    let (mut a, mut b, mut aa, mut bb, mut ab) = (0_u32, 0_u32, 0_u32, 0_u32, 0_u32);
    for (before, after) in before.iter().zip(after) {
        for (x, y) in before[left..left + WINDOW]
            .iter()
            .zip(&after[left..left + WINDOW])
        {
            let (x, y) = (u32::from(*x), u32::from(*y));
            (a, b, aa, bb, ab) = (a + x, b + y, aa + x * x, bb + y * y, ab + x * y);
        }
    }
    let count = (WINDOW * WINDOW) as f64;
    let (a, b) = (f64::from(a) / count, f64::from(b) / count);
    let (variance_a, variance_b) = (f64::from(aa) / count - a * a, f64::from(bb) / count - b * b);
    let covariance = f64::from(ab) / count - a * b;
    (2.0 * a * b + C1) * (2.0 * covariance + C2)
        / ((a * a + b * b + C1) * (variance_a + variance_b + C2))
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (psnr, ssim, frames) = (self.psnr(), self.ssim(), self.frames);
        write!(
            f,
            "PSNR {psnr:.2} dB, SSIM {ssim:.4}, {frames} frames compared"
        )
    }
}

/// Compares the videos of two files frame by frame.
///
/// # Errors
/// Where one cannot be decoded, or they differ in size or number of frames.
pub(crate) fn compare(
    before: &str,
    after: &std::path::Path,
    interrupt: &Interrupt,
) -> Result<Quality, Failure> {
    let after = after.to_string_lossy();
    let videos = [Video::open(before)?, Video::open(&after)?];
    let mut quality = Quality::default();
    loop {
        interrupt.check()?;
        match (videos[0].next()?, videos[1].next()?) {
            (Some(before), Some(after)) => quality.add(&before, &after)?,
            (None, None) => return Ok(quality),
            _ => {
                return Err(Failure::error(
                    "the files cannot be compared: they differ in their number of frames",
                ));
            }
        }
    }
}

/// A file that is decoded.
struct Video {
    pipeline: gst::Pipeline,
    sink: gst_app::AppSink,
}

impl Video {
    fn open(input: &str) -> Result<Self, Failure> {
        let pipeline = gst::Pipeline::new();
        let (source, decoder) = (
            crate::media::source_of(input)?,
            crate::media::make("decodebin")?,
        );
        let convert = crate::media::make("videoconvert")?;
        // Turned pictures are compared as they are shown.
        let flip = crate::media::make("videoflip")?;
        flip.set_property_from_str("video-direction", "auto");
        let caps = gst_video::VideoCapsBuilder::new()
            .format(gst_video::VideoFormat::I420)
            .build();
        let sink = gst_app::AppSink::builder()
            .caps(&caps)
            .sync(false)
            .max_buffers(2)
            .build();
        let error = |error: &dyn fmt::Display| Failure::error(format!("{input}: {error}"));
        pipeline
            .add_many([&source, &decoder, &convert, &flip, sink.upcast_ref()])
            .map_err(|added| error(&added))?;
        gst::Element::link_many([&convert, &flip, sink.upcast_ref()])
            .map_err(|linked| error(&linked))?;
        crate::media::link_when_there(&source, &decoder);
        let first = convert.static_pad("sink");
        decoder.connect_pad_added(move |_, pad| {
            let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
            let is_video = caps
                .structure(0)
                .is_some_and(|caps| caps.name().starts_with("video/"));
            if let Some(first) = first
                .as_ref()
                .filter(|first| is_video && !first.is_linked())
            {
                let _ = pad.link(first);
            }
        });
        pipeline
            .set_state(gst::State::Playing)
            .map_err(|started| error(&started))?;
        Ok(Self { pipeline, sink })
    }

    /// The next frame, or none at the end.
    fn next(&self) -> Result<Option<gst::Sample>, Failure> {
        for _ in 0..LOOKS {
            if let Some(sample) = self.sink.try_pull_sample(LOOK) {
                return Ok(Some(sample));
            }
            if self.sink.is_eos() {
                return Ok(None);
            }
        }
        Err(Failure::error(
            "a file cannot be decoded for the comparison",
        ))
    }
}

impl Drop for Video {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn mapped(sample: &gst::Sample) -> Result<gst_video::VideoFrame<Readable>, Failure> {
    let info = sample
        .caps()
        .and_then(|caps| gst_video::VideoInfo::from_caps(caps).ok());
    let frame = info
        .zip(sample.buffer_owned())
        .and_then(|(info, buffer)| gst_video::VideoFrame::from_buffer_readable(buffer, &info).ok());
    frame.ok_or_else(|| Failure::error("a frame cannot be read"))
}

/// The samples of one plane.
struct Plane<'a> {
    bytes: &'a [u8],
    stride: usize,
    width: usize,
    height: usize,
}

impl<'a> Plane<'a> {
    fn of(frame: &'a gst_video::VideoFrame<Readable>, plane: u32) -> Result<Self, Failure> {
        let stride = frame.plane_stride().get(plane as usize).copied();
        let stride = stride
            .and_then(|stride| usize::try_from(stride).ok())
            .filter(|stride| *stride > 0);
        let bytes = frame.plane_data(plane).ok();
        let (stride, bytes) = stride
            .zip(bytes)
            .ok_or_else(|| Failure::error("a frame cannot be read"))?;
        Ok(Self {
            bytes,
            stride,
            width: frame.comp_width(plane) as usize,
            height: frame.comp_height(plane) as usize,
        })
    }

    fn rows(&self) -> impl Iterator<Item = &'a [u8]> {
        let width = self.width;
        self.bytes
            .chunks(self.stride)
            .take(self.height)
            .filter_map(move |row| row.get(..width))
    }
}

// SPDX-License-Identifier: MPL-2.0

//! The transcoding pipeline, and the report on its result.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gst::MessageView;
use gst::prelude::*;

use crate::progress::Progress;
use crate::{Failure, bus_error, launch, psnr, quoted};

/// How often the bar is redrawn.
const REDRAW: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// Transcodes `input` into `output` and prints frames, size, quality and speed.
pub(crate) fn transcode(
    input: &str,
    output: &str,
    decoder: &str,
    encoder: &str,
) -> Result<(), Failure> {
    let description = format!(
        "filesrc location={} ! matroskademux ! av1parse ! {decoder} ! {encoder} name=encoder ! matroskamux ! \
         filesink location={}",
        quoted(input),
        quoted(output)
    );
    println!(
        "  gst-launch-1.0 {}",
        description.replace(" name=encoder", "")
    );
    let pipeline = launch(&description)?;
    let encoder = pipeline
        .by_name("encoder")
        .ok_or_else(|| Failure::Setup("no encoder".into()))?;
    let frames = count_buffers(&encoder)?;

    let outcome = play(&pipeline, &encoder, &frames);
    // Bounded by the element's close-timeout, also after an error.
    pipeline.set_state(gst::State::Null)?;
    let (elapsed, fps) = outcome?;

    let frames = frames.load(Ordering::Relaxed);
    let [size_before, size_after] =
        [input, output].map(|path| std::fs::metadata(path).map(|file| file.len()));
    let quality = psnr::compare(input, output, decoder)?;
    let seconds = elapsed.as_secs_f64();
    println!("  frames   {frames} in, {} compared", quality.frames);
    println!(
        "  size     {} kB before, {} kB after",
        size_before? / 1000,
        size_after? / 1000
    );
    println!("  PSNR     {quality}");
    println!(
        "  speed    {:.1} s, {:.0} fps, {:.1} times real time",
        seconds,
        frames as f64 / seconds,
        frames as f64 / seconds / fps
    );
    Ok(())
}

/// Counts the buffers that leave `element`.
pub(crate) fn count_buffers(element: &gst::Element) -> Result<Arc<AtomicU64>, Failure> {
    let pad = element
        .static_pad("src")
        .ok_or_else(|| Failure::Setup("no source pad".into()))?;
    let count = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&count);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        counter.fetch_add(1, Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
    Ok(count)
}

/// Runs the pipeline to its end. Answers how long that took, and the frame rate of the video.
///
/// The bus decides: EOS means that the file is whole, an error that it is not. Nothing else is asked.
fn play(
    pipeline: &gst::Pipeline,
    encoder: &gst::Element,
    frames: &AtomicU64,
) -> Result<(Duration, f64), Failure> {
    let bus = pipeline
        .bus()
        .ok_or_else(|| Failure::Setup("no bus".into()))?;
    let began = Instant::now();
    pipeline.set_state(gst::State::Playing)?;

    let mut bar: Option<(Progress, f64)> = None;
    loop {
        let message = bus.timed_pop(REDRAW);
        if bar.is_none() {
            bar =
                expected(pipeline, encoder).map(|(total, fps)| (Progress::new(total, began), fps));
        }
        if let Some((bar, _)) = &mut bar {
            bar.show(frames.load(Ordering::Relaxed));
        }
        match message.as_ref().map(|message| message.view()) {
            Some(MessageView::Error(error)) => return Err(bus_error(error)),
            Some(MessageView::Eos(_)) => break,
            _ => (),
        }
    }
    let elapsed = began.elapsed();
    let (bar, fps) = bar.ok_or_else(|| Failure::Setup("the file has no video".into()))?;
    bar.finish();
    Ok((elapsed, fps))
}

/// Frames to come and frame rate, as soon as both are known.
fn expected(pipeline: &gst::Pipeline, encoder: &gst::Element) -> Option<(u64, f64)> {
    let caps = encoder.static_pad("sink")?.current_caps()?;
    let rate = caps.structure(0)?.get::<gst::Fraction>("framerate").ok()?;
    let fps = f64::from(rate.numer()) / f64::from(rate.denom());
    let duration = pipeline.query_duration::<gst::ClockTime>()?;
    Some(((duration.seconds_f64() * fps).round() as u64, fps))
}

// SPDX-License-Identifier: MPL-2.0
//! Feeds the bundled clip to an encoder and measures what comes out.
//!
//!     codecwatch-feed live|fast FRAMES ENCODER...
//!
//! The clip is decoded beforehand and kept in memory, so that nothing but the
//! encoder is at work, and repeated until there are FRAMES frames. `live`: they
//! come at the clip's rate, as from a camera; `fast`: as fast as they are taken.
//! ENCODER is an element as `gst-launch-1.0` takes it.
//!
//! Prints frames in and out, bitrate, speed, and the lag of each frame from the
//! source's pad to the encoder's source pad: median, 95th and 99th percentile,
//! most.
//! Ends with exit code 1 after an error, and where a frame did not come out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a measuring program that nobody embeds"
)]

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gst::prelude::*;

/// When each frame went in, by its time stamp, and what is known of those that
/// came out.
#[derive(Default)]
struct Watch {
    inside: HashMap<gst::ClockTime, Instant>,
    lags: Vec<Duration>,
    bytes: u64,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (live, frames, encoder) = match arguments.as_slice() {
        [mode, frames, encoder @ ..] if !encoder.is_empty() => {
            match (mode.as_str(), frames.parse()) {
                ("live", Ok(frames)) => (true, frames, encoder.join(" ")),
                ("fast", Ok(frames)) => (false, frames, encoder.join(" ")),
                _ => return usage(),
            }
        }
        _ => return usage(),
    };
    support::init();
    let (caps, clip) = decoded_clip();
    match feed(&encoder, &caps, &clip, frames, live) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("codecwatch-feed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: codecwatch-feed live|fast FRAMES ENCODER...");
    ExitCode::from(2)
}

fn decoded_clip() -> (gst::Caps, Vec<gst::Buffer>) {
    let pipeline = parse(&format!(
        "filesrc location={} ! matroskademux ! av1parse ! dav1dwatchdec ! appsink name=out sync=false",
        support::media::clip().display()
    ));
    let out = pipeline.by_name("out").unwrap();
    let out = out.downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let samples: Vec<_> = std::iter::from_fn(|| out.pull_sample().ok()).collect();
    pipeline.set_state(gst::State::Null).unwrap();
    let caps = samples[0].caps_owned().unwrap();
    // Copies: the decoder's own memory would be kept from being reused.
    let copy = |sample: &gst::Sample| sample.buffer().unwrap().copy_deep().unwrap();
    (caps, samples.iter().map(copy).collect())
}

fn parse(description: &str) -> gst::Pipeline {
    let pipeline = gst::parse::launch(description).unwrap();
    pipeline.downcast().unwrap()
}

/// Answers whether every frame came out.
fn feed(
    encoder: &str,
    caps: &gst::Caps,
    clip: &[gst::Buffer],
    frames: usize,
    live: bool,
) -> Result<bool, String> {
    let pipeline = gst::parse::launch(&format!(
        "appsrc name=in format=time block=true max-buffers=1 ! {encoder} ! fakesink name=out sync=false async=false"
    ))
    .map_err(|error| format!("{encoder}: {error}"))?;
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let input = pipeline.by_name("in").unwrap();
    let input = input.downcast::<gst_app::AppSrc>().unwrap();
    input.set_caps(Some(caps));
    input.set_is_live(live);
    let watch = Arc::new(Mutex::new(Watch::default()));
    watch_pads(&pipeline, &watch);

    let rate = caps.structure(0).unwrap().get::<gst::Fraction>("framerate");
    let rate = rate.map_err(|error| error.to_string())?;
    let period = Duration::from_nanos(
        1_000_000_000 * u64::try_from(rate.denom()).unwrap() / u64::try_from(rate.numer()).unwrap(),
    );
    pipeline.set_state(gst::State::Playing).unwrap();
    let start = Instant::now();
    for number in 0..u32::try_from(frames).unwrap() {
        let time = period * number;
        if live {
            std::thread::sleep((start + time).saturating_duration_since(Instant::now()));
        }
        let mut buffer = clip[number as usize % clip.len()].copy();
        let times = buffer.make_mut();
        times.set_pts(gst::ClockTime::try_from(time).unwrap());
        times.set_duration(gst::ClockTime::try_from(period).unwrap());
        if input.push_buffer(buffer).is_err() {
            // The bus says why.
            break;
        }
    }
    let _ = input.end_of_stream();
    let end = pipeline.bus().unwrap().timed_pop_filtered(
        gst::ClockTime::from_seconds(600),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    let took = start.elapsed();
    pipeline.set_state(gst::State::Null).unwrap();
    match end.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Eos(_)) => {}
        Some(gst::MessageView::Error(error)) => return Err(error.error().to_string()),
        _ => return Err("it does not end".into()),
    }
    let mut watch = watch.lock().unwrap();
    report(&mut watch, frames, period, took);
    Ok(watch.lags.len() == frames)
}

fn watch_pads(pipeline: &gst::Pipeline, watch: &Arc<Mutex<Watch>>) {
    let into = pipeline.by_name("in").unwrap().static_pad("src").unwrap();
    let seen = watch.clone();
    // At the pad in front of the encoder: what waits there waits for it.
    into.peer()
        .unwrap()
        .add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let Some(pts) = info.buffer().and_then(|buffer| buffer.pts()) {
                seen.lock().unwrap().inside.insert(pts, Instant::now());
            }
            gst::PadProbeReturn::Ok
        });
    let out = pipeline.by_name("out").unwrap().static_pad("sink").unwrap();
    let seen = watch.clone();
    out.peer()
        .unwrap()
        .add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let Some(buffer) = info.buffer() {
                let mut watch = seen.lock().unwrap();
                watch.bytes += buffer.size() as u64;
                if let Some(since) = buffer.pts().and_then(|pts| watch.inside.remove(&pts)) {
                    watch.lags.push(since.elapsed());
                }
            }
            gst::PadProbeReturn::Ok
        });
}

fn report(watch: &mut Watch, frames: usize, period: Duration, took: Duration) {
    watch.lags.sort_unstable();
    let lag = |percent: usize| {
        let rank = (watch.lags.len() * percent).div_ceil(100).max(1) - 1;
        watch
            .lags
            .get(rank)
            .map_or(0.0, |lag| lag.as_secs_f64() * 1e3)
    };
    let seconds = period.as_secs_f64() * frames as f64;
    println!(
        "{} of {frames} frames, {:.0} kbit/s, {:.2} times real time, lag p50 {:.1} p95 {:.1} p99 {:.1} most {:.1} ms",
        watch.lags.len(),
        watch.bytes as f64 * 8.0 / 1e3 / seconds,
        seconds / took.as_secs_f64(),
        lag(50),
        lag(95),
        lag(99),
        lag(100),
    );
}

// SPDX-License-Identifier: MPL-2.0
//! Whether everything is there at the end.
//!
//! Not every demuxer and decoder says when something is missing: a file that was cut off
//! ends, for many of them, as one that is whole. So before EOS reaches the sink, what
//! came is compared with what the input declares, and an error is posted if that is not
//! there: the sink then leaves the output as it was.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gst::prelude::*;

use super::branches::{VIDEO_DECODER, VIDEO_ENCODER};
use super::failures;
use crate::end::{End, Failure};
use crate::media::{Kind, Stream};
use crate::probe::Counter;

/// How much earlier than declared an input may end: containers round, and a stream may
/// end before the longest of them.
const SLACK: Duration = Duration::from_secs(1);

/// Media types of which each buffer is one frame, and no frame is hidden.
const ONE_FRAME_EACH: [&str; 4] = ["video/x-h264", "video/x-h265", "video/mpeg", "image/jpeg"];

/// What is compared at the end.
pub(crate) struct Completeness {
    /// Nanoseconds.
    pub(crate) declared: Option<u64>,
    /// Frames of the video that may be missing.
    pub(crate) allowed: u64,
    pub(crate) counters: Vec<(Stream, Arc<Mutex<Counter>>)>,
    pub(crate) decoder: Option<gst::glib::WeakRef<gst::Element>>,
    /// Frames that left the decoder.
    pub(crate) decoded: Option<Arc<AtomicU64>>,
    /// Frames that reached the muxer, and how many have to, where that is known.
    pub(crate) encoded: Option<(Arc<AtomicU64>, u64)>,
}

impl Completeness {
    /// Checks when EOS is about to reach the sink.
    pub(crate) fn guard(self, pipeline: &gst::Pipeline, sink: &gst::Element) {
        let Some(pad) = sink.static_pad("sink") else {
            return;
        };
        let pipeline = pipeline.downgrade();
        let checked = AtomicBool::new(false);
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            let is_eos = info
                .event()
                .is_some_and(|event| event.type_() == gst::EventType::Eos);
            if is_eos
                && !checked.swap(true, Ordering::Relaxed)
                && let Some(pipeline) = pipeline.upgrade()
                && !has_failed_codec(&pipeline)
                && let Err(failure) = self.check()
            {
                failures::post(pipeline.upcast_ref(), &failure);
            }
            gst::PadProbeReturn::Ok
        });
    }

    fn check(&self) -> Result<(), Failure> {
        let damaged = |text: String| Err(Failure::new(End::Damaged, text));
        let missing = self.missing();
        if missing > self.allowed {
            return damaged(format!(
                "{missing} frames of the video are damaged or could not be decoded, --max-damaged \
                 allows {}",
                self.allowed
            ));
        }
        if let Some((frames, wanted)) = &self.encoded {
            let frames = frames.load(Ordering::Relaxed);
            if frames != *wanted {
                return damaged(format!(
                    "{frames} frames were written, the plan has {wanted}"
                ));
            }
        }
        let ends = self.counters.iter().map(|(_, counter)| lock(counter).end);
        let end = Duration::from_nanos(ends.max().unwrap_or(0));
        let declared = Duration::from_nanos(self.declared.unwrap_or(0));
        if declared > end + SLACK {
            return damaged(format!(
                "the input is cut off: it declares a duration of {declared:.1?} and ends at {end:.1?}"
            ));
        }
        Ok(())
    }

    /// Frames of the video that did not come out of the decoder, as far as that is known.
    fn missing(&self) -> u64 {
        let video = self
            .counters
            .iter()
            .find(|(stream, _)| stream.kind == Kind::Video);
        let Some((stream, counter)) = video else {
            return 0;
        };
        let (frames, corrupted) = {
            let counter = lock(counter);
            (counter.shown, counter.corrupted)
        };
        // dav1dwatchdec counts.
        let stats = self.decoder.as_ref().and_then(|decoder| decoder.upgrade());
        let stats = stats.and_then(|decoder| decoder.property::<Option<gst::Structure>>("stats"));
        let count = |name: &str| {
            let count = stats.as_ref().map(|stats| stats.get::<u64>(name));
            count.and_then(Result::ok).unwrap_or(0)
        };
        let told = count("damaged") + count("unreferenced");
        let decoded = self
            .decoded
            .as_ref()
            .map(|decoded| decoded.load(Ordering::Relaxed));
        let lost = match decoded {
            Some(decoded)
                if ONE_FRAME_EACH.contains(&stream.media()) && !stream.is_interlaced() =>
            {
                frames.saturating_sub(decoded)
            }
            _ => 0,
        };
        told.max(lost).max(corrupted)
    }
}

/// Whether a supervised codec has failed. Its error says so, and may come behind its EOS
/// (`eos-after-failure`); what is missing then is not the input's fault.
fn has_failed_codec(pipeline: &gst::Pipeline) -> bool {
    [VIDEO_DECODER, VIDEO_ENCODER].iter().any(|name| {
        let stats = pipeline
            .by_name(name)
            .filter(|codec| codec.has_property_with_type("stats", gst::Structure::static_type()))
            .and_then(|codec| codec.property::<Option<gst::Structure>>("stats"));
        stats.is_some_and(|stats| stats.get("failed") == Ok(true))
    })
}

fn lock(counter: &Mutex<Counter>) -> std::sync::MutexGuard<'_, Counter> {
    counter.lock().unwrap_or_else(PoisonError::into_inner)
}

// SPDX-License-Identifier: MPL-2.0
//! The element: its implementation of the base class's wiring, and its state.
//!
//! Lock order: the values of the properties, then `state`; neither is held while the
//! supervision or the base class is called. The base class's stream lock comes before
//! both.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use codecwatch_dav1d as dav1d;
use codecwatch_element::video_decoder::{
    DecoderStream, Encoded, SupervisedVideoDecoder, request_key_frame,
};
use codecwatch_element::{
    PadCaps, SampleForm, SessionParts, Stored, Supervised, Supervision, place,
};
use codecwatch_process::Placed;
use codecwatch_supervisor::guard;
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_video::prelude::*;

use super::caps;
use super::input::Bitstream;
use super::negotiation::Latest;
use super::picture_source::PictureSource;
use super::settings::Settings;
use super::tally::Tally;
use crate::CAT;

/// Frame rate for the latency of streams whose own is missing or implausible. The
/// decoder uses the rate for nothing else, so it refuses none.
const ASSUMED_FRAME_RATE: (u32, u32) = (30, 1);

/// The state of the stream.
#[derive(Default)]
pub(super) struct State {
    /// The format of the last picture.
    pub(super) latest: Option<Latest>,
    /// Allocates memory for pictures. An abandoned call keeps its own.
    pub(super) pictures: Arc<PictureSource>,
    /// Whether downstream supports any layout of a picture.
    pub(super) takes_video_meta: bool,
    pub(super) tally: Tally,
}

#[derive(Default)]
pub struct Dav1dWatchDec {
    settings: Stored<Settings>,
    state: Mutex<State>,
    pub(super) stream: DecoderStream<dav1d::Decoded, Bitstream>,
    pub(super) supervision: Supervision<dav1d::Chunk, dav1d::Decoded>,
}

impl Dav1dWatchDec {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pictures held back by the session that gives output.
    fn held_back(&self) -> Option<usize> {
        let facts = self.supervision.facts::<dav1d::Facts>()?;
        Some(facts.held_back)
    }

    /// Announces the latency: how long pictures are held back.
    fn announce_latency(&self) {
        let (Some(held_back), Some(format)) = (self.held_back(), self.stream.format()) else {
            return;
        };
        let held_back = held_back as u64;
        let fps = format.input.info().fps();
        let (numerator, denominator) = (fps.numer(), fps.denom());
        let (numerator, denominator) = if guard::is_plausible_frame_rate(numerator, denominator) {
            (numerator.unsigned_abs(), denominator.unsigned_abs())
        } else {
            ASSUMED_FRAME_RATE
        };
        let latency = gst::ClockTime::SECOND
            .mul_div_floor(held_back * u64::from(denominator), u64::from(numerator))
            .unwrap_or_default();
        gst::debug!(CAT, imp = self, "{held_back} pictures are held back");
        self.obj().set_latency(latency, None);
    }
}

#[glib::object_subclass]
impl ObjectSubclass for Dav1dWatchDec {
    const NAME: &'static str = "GstDav1dWatchDec";
    type Type = super::Dav1dWatchDec;
    type ParentType = gst_video::VideoDecoder;
}

codecwatch_element::video_decoder!(
    Dav1dWatchDec,
    fn decide_allocation(
        &self,
        query: &mut gst::query::Allocation,
    ) -> Result<(), gst::LoggableError> {
        self.choose_pool(query)
    }
);

impl SupervisedVideoDecoder for Dav1dWatchDec {
    type Bitstream = Bitstream;

    fn stream(&self) -> &DecoderStream<dav1d::Decoded, Bitstream> {
        &self.stream
    }

    fn bitstream(caps: &gst::CapsRef) -> Bitstream {
        Bitstream::of(caps)
    }

    fn input(&self, encoded: Encoded<'_, Bitstream>) -> dav1d::Chunk {
        self.state().tally.inputs += 1;
        let kept = self.supervision.records().then(|| encoded.buffer.clone());
        let bytes = match encoded.bitstream.bytes(encoded.buffer) {
            Ok(bytes) => {
                if let Some(kept) = kept {
                    let recorded = || encoded.bitstream.recorded(kept, (*bytes).as_ref());
                    self.supervision.record(encoded.id, recorded);
                }
                Some(bytes)
            }
            Err(text) => {
                gst::warning!(CAT, imp = self, "input {}: {text}", encoded.id);
                None
            }
        };
        dav1d::Chunk {
            id: encoded.id.into(),
            bytes,
            follows_loss: encoded.follows_loss,
        }
    }

    fn finish_output(&self, output: dav1d::Decoded) -> Option<super::pictures::Flow> {
        self.finish(output)
    }

    fn depends_on_live(&self) -> bool {
        self.settings.get().max_frame_delay < 0
    }

    fn holds_back(&self) -> bool {
        self.held_back().is_some_and(|pictures| pictures > 0)
    }

    fn format_changed(&self) {
        self.announce_latency();
    }

    fn why_cut_short(&self, reverse: bool) -> Option<String> {
        let allowed = u32::try_from(self.obj().max_errors()).ok();
        let allowed = allowed.filter(|_| !reverse);
        self.state().tally.why_cut_short(allowed)
    }

    fn flushed(&self) {
        self.state().tally.restart();
    }

    fn stopped(&self) {
        let state = std::mem::take(&mut *self.state());
        state.pictures.retire();
    }
}

impl Supervised for Dav1dWatchDec {
    type Input = dav1d::Chunk;
    type Output = dav1d::Decoded;
    type Codec = Placed<dav1d::RemoteDav1d>;
    type Settings = Settings;

    fn describe() -> gst::subclass::ElementMetadata {
        gst::subclass::ElementMetadata::new(
            "dav1d AV1 decoder under supervision",
            "Codec/Decoder/Video",
            "Decodes AV1 with dav1d; a wedged, panicking or failing library ends in an \
             error, never in a hang or a clean end",
            env!("CARGO_PKG_AUTHORS"),
        )
    }

    fn pad_caps() -> PadCaps {
        PadCaps {
            sink: caps::sink_caps(),
            src: gst_video::VideoCapsBuilder::new()
                .format_list(caps::video_formats())
                .build(),
        }
    }

    fn supervision(&self) -> &Supervision<Self::Input, Self::Output> {
        &self.supervision
    }

    fn settings(&self) -> &Stored<Settings> {
        &self.settings
    }

    fn add_stats(&self, stats: &mut gst::Structure) {
        self.state().tally.add_to(stats);
    }

    fn sample_form(&self) -> Option<SampleForm> {
        let headers = self.stream.format()?.bitstream.headers;
        Some(SampleForm::Ivf { headers })
    }

    fn versions(&self) -> Vec<(String, String)> {
        vec![("dav1d".to_owned(), dav1d::version())]
    }

    fn codec(&self) -> Option<Self::Codec> {
        let format = self.stream.format()?;
        let config = dav1d::Config {
            headers: format.bitstream.headers,
            ..self.settings.get().codec(self.stream.is_live())
        };
        let parts = SessionParts {
            config,
            library: dav1d::LIBRARY,
            parent: (),
            log: Some(|_level, line| gst::debug!(CAT, "dav1d: {line}")),
        };
        Some(place(self, parts, |config| {
            let environment = dav1d::Environment {
                allocator: self.state().pictures.clone(),
                log: Some(Arc::new(|line| gst::debug!(CAT, "dav1d: {line}"))),
            };
            dav1d::Dav1d::new(config, environment)
        }))
    }

    fn frame_in(chunk: &dav1d::Chunk) -> Option<u32> {
        Some(chunk.id as u32)
    }

    fn frames_of(output: &Self::Output) -> impl IntoIterator<Item = u32> {
        let id = match output {
            dav1d::Decoded::Picture(picture) => picture.id,
            dav1d::Decoded::NoPicture { id } => *id,
            dav1d::Decoded::Damaged(damage) => damage.id,
        };
        u32::try_from(id).ok()
    }

    fn facts_changed(&self) {
        self.announce_latency();
    }

    fn restarted(&self) {
        request_key_frame(self);
    }
}

// SPDX-License-Identifier: MPL-2.0
//! The element: properties, pads, formats, and the way of a frame to the codec.
//!
//! Lock order: `settings`, then `state`; neither is held while the supervision
//! or the base class is called. The base class's stream lock comes before both.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use codecwatch_dav1d as dav1d;
use codecwatch_element::{
    Frame, Role, Settings as SharedSettings, SubmitError, Supervised, Supervision, position,
};
use codecwatch_supervisor::guard;
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_video::prelude::*;
use gst_video::subclass::prelude::*;

use super::caps;
use super::container_hdr;
use super::input::{self, Bitstream};
use super::negotiation::Latest;
use super::picture_source::PictureSource;
use super::pictures::Tally;
use super::settings::Settings;

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "dav1dwatchdec",
        gst::DebugColorFlags::empty(),
        Some("dav1d decoder under supervision"),
    )
});

/// `max-errors` until the user says otherwise. The base class has -1, which lets
/// a stream of nothing but errors pass for a complete one. A damaged frame costs
/// everything up to the next key frame, and what comes out then starts the count
/// anew; so ten errors in a row are ten key frames that were not to be had.
const MAX_ERRORS: i32 = 10;

/// Frame rate for the latency of streams that do not say theirs, or one that
/// cannot be. The decoder uses the rate for nothing else, so it refuses none.
const ASSUMED_FRAME_RATE: (u32, u32) = (30, 1);

/// The stream as the caps describe it, and what was made of it.
#[derive(Default)]
pub(super) struct State {
    /// The formats of the inputs that are inside and of the next one, each with
    /// the first input that has it; the front is that of the last picture.
    pub(super) formats: VecDeque<(u64, Format)>,
    /// What -1 stands for in `max-frame-delay`.
    pub(super) live: bool,
    /// The stream so far, for the guard.
    pub(super) length: guard::Length,
    /// Frames that were lost with a session and wait to be let go of.
    pub(super) lost: Vec<u32>,
    /// Inputs are missing before the next one: they never reached the codec.
    pub(super) loss: bool,
    /// The format of the last picture.
    pub(super) latest: Option<Latest>,
    /// Where pictures are decoded into. A call that was abandoned keeps its own.
    pub(super) pictures: Arc<PictureSource>,
    /// Whether downstream takes any layout of a picture.
    pub(super) takes_video_meta: bool,
    pub(super) tally: Tally,
    /// In reverse playback: what came out and has not been finished.
    pub(super) reverse: Option<Vec<dav1d::Decoded>>,
}

impl State {
    /// The format of the next input.
    pub(super) fn format(&self) -> Option<&Format> {
        self.formats.back().map(|(_, format)| format)
    }

    /// The format that input `id` came with. Whatever came before is out.
    pub(super) fn format_of(&mut self, id: u64) -> Option<&Format> {
        while self.formats.get(1).is_some_and(|(first, _)| *first <= id) {
            self.formats.pop_front();
            self.latest = None;
        }
        self.formats.front().map(|(_, format)| format)
    }
}

/// An accepted input format.
#[derive(Clone)]
pub(super) struct Format {
    pub(super) input: gst_video::VideoCodecState<'static, gst_video::video_codec_state::Readable>,
    pub(super) caps: gst::Caps,
    pub(super) bitstream: Bitstream,
}

#[derive(Default)]
pub struct Dav1dWatchDec {
    settings: Mutex<Settings>,
    state: Mutex<State>,
    pub(super) supervision: Supervision<dav1d::Chunk, dav1d::Decoded>,
}

impl Dav1dWatchDec {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pictures that the session holds back which gives output.
    pub(super) fn held_back(&self) -> Option<usize> {
        let facts = self.supervision.facts::<dav1d::Facts>()?;
        Some(facts.held_back)
    }

    /// Tells how long pictures are held back.
    pub(super) fn announce_latency(&self) {
        let fps = self
            .state()
            .format()
            .map(|format| format.input.info().fps());
        let (Some(held_back), Some(fps)) = (self.held_back(), fps) else {
            return;
        };
        let held_back = held_back as u64;
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

    /// Hands an input to the codec. Its frame is in the base class's list.
    fn decode(&self, frame: Frame, buffer: gst::Buffer) -> Result<gst::FlowSuccess, SubmitError> {
        let id = frame.id;
        let position = position(&self.obj().input_segment(), frame.pts);
        let (length, bitstream) = {
            let mut state = self.state();
            let Some((first, format)) = state.formats.back_mut() else {
                return Err(SubmitError::NotTaken(gst::FlowError::NotNegotiated));
            };
            *first = (*first).min(id.into());
            let bitstream = format.bitstream.clone();
            state.tally.inputs += 1;
            (state.length.add(position), bitstream)
        };
        self.supervision
            .check_frame(self, &length)
            .map_err(SubmitError::NotTaken)?;
        let discont = buffer.flags().contains(gst::BufferFlags::DISCONT);
        let bytes = match bitstream.bytes(buffer) {
            Ok(bytes) => Some(bytes),
            Err(text) => {
                gst::warning!(CAT, imp = self, "input {id}: {text}");
                None
            }
        };
        let follows_loss = self.take_loss(discont);
        let chunk = dav1d::Chunk {
            id: id.into(),
            bytes,
            follows_loss,
        };
        self.supervision.submit(self, frame, chunk)
    }

    /// In trick mode each key frame shall show at once, and the base class asks
    /// for a drain before it; but it does so with its stream lock held. So it is
    /// done before.
    fn drain_between_key_frames(&self, pad: &gst::Pad, buffer: &gst::BufferRef) {
        if !buffer.flags().contains(gst::BufferFlags::DISCONT) {
            return;
        }
        let segment = pad.sticky_event::<gst::event::Segment>(0);
        let only_keys = segment.is_some_and(|event| {
            let segment = event.segment();
            let flags = segment.flags();
            segment.rate() > 0.0 && flags.contains(gst::SegmentFlags::TRICKMODE_KEY_UNITS)
        });
        if only_keys {
            // However it ended: `submit` looks for itself.
            let _ = self.supervision.drain_before(self);
        }
    }
}

#[glib::object_subclass]
impl ObjectSubclass for Dav1dWatchDec {
    const NAME: &'static str = "GstDav1dWatchDec";
    type Type = super::Dav1dWatchDec;
    type ParentType = gst_video::VideoDecoder;
}

impl ObjectImpl for Dav1dWatchDec {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let mut all = Settings::param_specs();
            all.extend(SharedSettings::param_specs());
            all
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let name = pspec.name();
        if !self.supervision.set_property(name, value) {
            self.settings().set(name, value);
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "stats" => {
                let mut stats = self.supervision.stats();
                self.state().tally.add_to(&mut stats);
                stats.to_value()
            }
            name => self
                .supervision
                .property(name)
                .or_else(|| self.settings().get(name))
                .unwrap_or_else(|| pspec.default_value().clone()),
        }
    }

    fn constructed(&self) {
        self.parent_constructed();
        let element = self.obj();
        element.set_needs_format(true);
        // The codec knows key frames by the bitstream, not by buffer flags.
        element.set_needs_sync_point(false);
        element.set_max_errors(MAX_ERRORS);
        Supervision::install_backpressure_probe(self);
        Supervision::watch_links(self);
        container_hdr::install(element.sink_pad());
        let weak = element.downgrade();
        element
            .sink_pad()
            .add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
                if let (Some(element), Some(buffer)) = (weak.upgrade(), info.buffer()) {
                    element.imp().drain_between_key_frames(pad, buffer);
                }
                gst::PadProbeReturn::Ok
            });
    }
}

impl GstObjectImpl for Dav1dWatchDec {}

impl ElementImpl for Dav1dWatchDec {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "dav1d AV1 decoder under supervision",
                "Codec/Decoder/Video",
                "Decodes AV1 with dav1d; a wedged, panicking or failing library ends in an \
                 error, never in a hang or a clean end",
                env!("CARGO_PKG_AUTHORS"),
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let sink = gst::Caps::builder_full()
                .structure(
                    gst::Structure::builder("video/x-av1")
                        .field("stream-format", "obu-stream")
                        .field("alignment", gst::List::new(["tu", "frame"]))
                        .build(),
                )
                .structure(
                    gst::Structure::builder("video/x-av1")
                        .field("stream-format", "annexb")
                        .field("alignment", "tu")
                        .build(),
                )
                .build();
            let src = gst_video::VideoCapsBuilder::new()
                .format_list(caps::video_formats())
                .build();
            [
                ("sink", gst::PadDirection::Sink, sink),
                ("src", gst::PadDirection::Src, src),
            ]
            .into_iter()
            .filter_map(|(name, direction, caps)| {
                gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps).ok()
            })
            .collect()
        });
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        self.supervision.before_state_change(transition);
        self.parent_change_state(transition)
    }
}

impl VideoDecoderImpl for Dav1dWatchDec {
    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        self.supervision.stop(self);
        let state = std::mem::take(&mut *self.state());
        state.pictures.retire();
        drop(state);
        Ok(())
    }

    fn set_format(
        &self,
        input: &gst_video::VideoCodecState<'static, gst_video::video_codec_state::Readable>,
    ) -> Result<(), gst::LoggableError> {
        let caps = input.caps_owned().unwrap_or_else(gst::Caps::new_empty);
        let format = Format {
            input: input.clone(),
            bitstream: Bitstream::of(&caps),
            caps,
        };
        // Its first input is still to come.
        let mut state = self.state();
        let is_unused = state
            .formats
            .back()
            .is_some_and(|(first, _)| *first == u64::MAX);
        let unused = is_unused.then(|| state.formats.pop_back());
        state.formats.push_back((u64::MAX, format));
        drop(state);
        drop(unused);
        self.announce_latency();
        Ok(())
    }

    fn handle_frame(
        &self,
        frame: gst_video::VideoCodecFrame<'_>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let id = frame.system_frame_number();
        let pts = frame.pts();
        let buffer = frame.input_buffer_owned();
        // The frame holds the stream lock, and the base class keeps its own reference.
        drop(frame);
        let submitted = match buffer {
            Some(buffer) if !input::is_empty(&buffer) => self.decode(Frame { id, pts }, buffer),
            buffer => {
                self.skip_empty(buffer.as_deref());
                self.release(id.into());
                Ok(gst::FlowSuccess::Ok)
            }
        };
        if let Err(SubmitError::NotTaken(_)) = submitted {
            self.release(id.into());
            self.state().loss = true;
        }
        submitted.map_err(Into::into)
    }

    fn flush(&self) -> bool {
        // Done in `sink_event`, before the base class took its lock; in reverse
        // playback the session is drained between two groups of pictures.
        true
    }

    fn drain(&self) -> Result<gst::FlowSuccess, gst::FlowError> {
        // Done in `sink_event` or in a probe, before the base class took its lock;
        // in reverse playback it has to be done here.
        self.finish_group()
    }

    fn finish(&self) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.drain()
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        self.on_sink_event(event)
    }

    fn src_event(&self, event: gst::Event) -> bool {
        self.supervision.src_event(&event);
        self.parent_src_event(event)
    }

    fn decide_allocation(
        &self,
        query: &mut gst::query::Allocation,
    ) -> Result<(), gst::LoggableError> {
        self.choose_pool(query)
    }
}

impl Supervised for Dav1dWatchDec {
    type Input = dav1d::Chunk;
    type Output = dav1d::Decoded;
    type Codec = dav1d::Dav1d;

    const ROLE: Role = Role::Decoder;

    fn supervision(&self) -> &Supervision<Self::Input, Self::Output> {
        &self.supervision
    }

    fn codec(&self) -> Option<Self::Codec> {
        let settings = self.settings().clone();
        let state = self.state();
        let format = state.format()?;
        let config = dav1d::Config {
            headers: format.bitstream.headers.clone(),
            ..settings.codec(state.live)
        };
        let environment = dav1d::Environment {
            allocator: state.pictures.clone(),
            log: Some(Arc::new(|line| gst::debug!(CAT, "dav1d: {line}"))),
        };
        Some(dav1d::Dav1d::new(config, environment))
    }

    fn frame_of(output: &Self::Output) -> Option<u32> {
        let id = match output {
            dav1d::Decoded::Picture(picture) => picture.id,
            dav1d::Decoded::NoPicture { id } => *id,
            dav1d::Decoded::Damaged(damage) => damage.id,
        };
        u32::try_from(id).ok()
    }

    fn deliver(&self, output: Self::Output) -> Option<Result<gst::FlowSuccess, gst::FlowError>> {
        self.on_output(output)
    }

    fn facts_changed(&self) {
        self.announce_latency();
    }

    fn let_go(&self, frames: &[u32]) {
        self.state().lost.extend(frames);
    }

    fn restarted(&self) {
        self.ask_for_key_frame();
    }
}

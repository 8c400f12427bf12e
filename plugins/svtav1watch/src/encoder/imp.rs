// SPDX-License-Identifier: MPL-2.0
//! The element: properties, pads, formats, and the way of a frame to the codec.
//!
//! Lock order: `settings`, then `state`; neither is held while the supervision
//! or the base class is called.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use codecwatch_element::{
    EventDisposition, Frame, Role, Settings as SharedSettings, SubmitError, Supervised,
    Supervision, position,
};
use codecwatch_supervisor::{CodecError, Session, guard};
use codecwatch_svtav1 as svtav1;
use gst::glib;
use gst::subclass::prelude::*;
use gst_video::prelude::*;
use gst_video::subclass::prelude::*;
use gst_video::{VideoCodecFrameFlags, VideoInfo, VideoInterlaceMode};

use super::format;
use super::frame::MappedFrame;
use super::pixels::Pixels;
use super::settings::{BITRATES, Settings};
use super::timestamps::Timestamps;

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "svtav1watchenc",
        gst::DebugColorFlags::empty(),
        Some("SVT-AV1 encoder under supervision"),
    )
});

/// Memory that a session takes at the very least. Measured: 226 (2160p) to 340
/// (360p) bytes per pixel, SvtAv1EncApp 1.4.1 at preset 10 on two processors,
/// 30 frames (`/usr/bin/time -v`). Less than half of it, so that nothing is
/// refused that would have worked.
const LEAST_BYTES_PER_PIXEL: u64 = 100;

/// Pictures of upstream's pool that are here at most: those that wait for the
/// worker, the one that the library copies, and the one that is being handed over.
const BUFFERS_HELD: u32 = <svtav1::SvtAv1Session as Session>::QUEUE as u32 + 2;

/// The stream as the caps describe it, and what was made of it.
#[derive(Default)]
pub(super) struct State {
    pub(super) format: Option<Format>,
    /// Frames seen since the element left READY.
    frames: u64,
    /// The stream so far, for the guard.
    pub(super) length: guard::Length,
    /// The times of the frames so far.
    pub(super) times: Timestamps,
    /// Frames that were lost with a session and wait to be let go of.
    pub(super) lost: Vec<u32>,
    /// A bitrate property was set: the next frame carries the change to the codec.
    pub(super) bitrate_was_set: bool,
    /// A new stream begins with the next frame, and has to be decodable from there.
    pub(super) stream_begins: bool,
    /// Caps are on their way that only serve to make the base class forget the old ones.
    pub(super) priming: bool,
}

/// An accepted input format.
#[derive(Clone)]
pub(super) struct Format {
    pub(super) input: gst_video::VideoCodecState<'static, gst_video::video_codec_state::Readable>,
    pub(super) caps: gst::Caps,
    pub(super) info: VideoInfo,
    /// The codec's settings; rebuilt on the first frame if the frame rate is variable.
    pub(super) config: svtav1::Config,
    /// The frame rate is variable, and no frame has come yet.
    rate_is_open: bool,
    /// What the next session has instead of its rate control.
    pub(super) next_rate_control: Option<svtav1::RateControl>,
}

#[derive(Default)]
pub struct SvtAv1WatchEnc {
    settings: Mutex<Settings>,
    pub(super) state: Mutex<State>,
    pub(super) pixels: Pixels,
    pub(super) supervision: Supervision<svtav1::Picture, svtav1::Output>,
}

impl SvtAv1WatchEnc {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a format over, or says on the bus why not.
    fn accept(
        &self,
        input: &gst_video::VideoCodecState<'static, gst_video::video_codec_state::Readable>,
    ) -> Result<(), gst::LoggableError> {
        let info = input.info().clone();
        let caps = input.caps_owned().unwrap_or_else(gst::Caps::new_empty);
        if info.interlace_mode() != VideoInterlaceMode::Progressive {
            return Err(self.refuse(
                gst::StreamError::Format,
                "interlaced video cannot be encoded as AV1: deinterlace it first".to_owned(),
            ));
        }
        let fps = info.fps();
        if let Err(refusal) = guard::check_frame_rate(fps.numer(), fps.denom()) {
            return Err(self.refuse_as(&refusal));
        }
        let pixels = u64::from(info.width()) * u64::from(info.height());
        let what = format!("encoding {}x{}", info.width(), info.height());
        let needed = pixels * LEAST_BYTES_PER_PIXEL;
        if let Err(refusal) = guard::check_memory(needed, guard::available_memory(), &what) {
            return Err(self.refuse_as(&refusal));
        }
        let settings = self.settings().clone();
        let config = settings
            .config(&caps, &info, None)
            .and_then(|config| self.checked(config))
            .map_err(|error| self.refuse_settings(&error))?;
        self.announce_latency(&config, &info);
        let format = Format {
            input: input.clone(),
            caps,
            info,
            config,
            next_rate_control: None,
            rate_is_open: fps.numer() == 0,
        };
        let old = self.state().format.replace(format);
        drop(old);
        Ok(())
    }

    /// Settings that the library takes; what it makes of them that the user may
    /// not expect is said on the bus.
    fn checked(&self, config: svtav1::Config) -> Result<svtav1::Config, CodecError> {
        for remark in config.check()? {
            gst::info!(CAT, imp = self, "{remark}");
            gst::element_imp_warning!(self, gst::LibraryError::Settings, ("{remark}"));
        }
        Ok(config)
    }

    fn refuse(
        &self,
        code: impl gst::MessageErrorDomain + Send + 'static,
        text: String,
    ) -> gst::LoggableError {
        let _ = self.supervision.refuse_with(self, code, &text);
        gst::loggable_error!(CAT, "{text}")
    }

    fn refuse_as(&self, refusal: &guard::Refusal) -> gst::LoggableError {
        let _ = self.supervision.refuse(self, refusal);
        gst::loggable_error!(CAT, "{refusal}")
    }

    fn refuse_settings(&self, error: &CodecError) -> gst::LoggableError {
        self.refuse(gst::LibraryError::Settings, error.to_string())
    }

    /// The lag in frames that the library has with these settings, as time.
    fn announce_latency(&self, config: &svtav1::Config, info: &VideoInfo) {
        // The library is told no rate below one per second; frames come slower all the same.
        let fps = info.fps();
        let (numerator, denominator) = match (fps.numer(), fps.denom()) {
            (n, d) if 0 < n && n < d => (n.unsigned_abs(), d.unsigned_abs()),
            _ => (config.frame_rate.numerator, config.frame_rate.denominator),
        };
        let frames = u64::from(config.latency_frames());
        let latency = gst::ClockTime::SECOND
            .mul_div_floor(frames * u64::from(denominator), u64::from(numerator.max(1)));
        self.obj().set_latency(latency.unwrap_or_default(), None);
    }

    /// If the frame rate is variable, the first frame of the format says how fast it is.
    fn settle_variable_rate(&self, duration: Option<gst::ClockTime>) -> Result<(), gst::FlowError> {
        let format = match &self.state().format {
            Some(format) if format.rate_is_open => format.clone(),
            _ => return Ok(()),
        };
        let settings = self.settings().clone();
        let config = settings
            .config(&format.caps, &format.info, duration)
            .and_then(|config| self.checked(config))
            .map_err(|error| {
                self.refuse_settings(&error);
                gst::FlowError::Error
            })?;
        self.announce_latency(&config, &format.info);
        let settled = Format {
            config,
            rate_is_open: false,
            ..format
        };
        let old = self.state().format.replace(settled);
        drop(old);
        Ok(())
    }

    fn map(&self, buffer: gst::Buffer, info: &VideoInfo) -> Result<MappedFrame, gst::FlowError> {
        let size = buffer.size();
        gst_video::VideoFrame::from_buffer_readable(buffer, info)
            .map(MappedFrame)
            .map_err(|_| {
                self.refuse(
                    gst::StreamError::Format,
                    format!(
                        "a buffer of {size} bytes is no {}x{} {} picture, which has {} bytes",
                        info.width(),
                        info.height(),
                        info.format(),
                        info.size()
                    ),
                );
                gst::FlowError::Error
            })
    }
}

#[glib::object_subclass]
impl ObjectSubclass for SvtAv1WatchEnc {
    const NAME: &'static str = "GstSvtAv1WatchEnc";
    type Type = super::SvtAv1WatchEnc;
    type ParentType = gst_video::VideoEncoder;
}

impl ObjectImpl for SvtAv1WatchEnc {
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
        if self.supervision.set_property(name, value) {
            return;
        }
        self.settings().set(name, value);
        if BITRATES.contains(&name) {
            self.state().bitrate_was_set = true;
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let name = pspec.name();
        self.supervision
            .property(name)
            .or_else(|| self.settings().get(name))
            .unwrap_or_else(|| pspec.default_value().clone())
    }

    fn constructed(&self) {
        self.parent_constructed();
        Supervision::install_backpressure_probe(self);
        Supervision::watch_links(self);
        self.install_input_probes();
    }
}

impl GstObjectImpl for SvtAv1WatchEnc {}

impl ElementImpl for SvtAv1WatchEnc {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "SVT-AV1 encoder under supervision",
                "Codec/Encoder/Video",
                "Encodes AV1 with SVT-AV1; a wedged, panicking or failing library ends in an \
                 error, never in a hang or a clean end",
                env!("CARGO_PKG_AUTHORS"),
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            // Sizes and rates are checked in `set_format`, where the answer can
            // say what is wrong with them.
            let sink = gst::Caps::builder("video/x-raw")
                .field("format", gst::List::new(["I420", "I420_10LE"]))
                .field("width", gst::IntRange::new(1, 16384))
                .field("height", gst::IntRange::new(1, 8704))
                .build();
            let src = format::bare_src_caps();
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

impl VideoEncoderImpl for SvtAv1WatchEnc {
    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        self.supervision.stop(self);
        self.pixels.release();
        let old = std::mem::take(&mut *self.state());
        drop(old);
        Ok(())
    }

    fn set_format(
        &self,
        input: &gst_video::VideoCodecState<'static, gst_video::video_codec_state::Readable>,
    ) -> Result<(), gst::LoggableError> {
        if self.state().priming {
            return Ok(());
        }
        self.accept(input)
    }

    fn handle_frame(
        &self,
        frame: gst_video::VideoCodecFrame<'_>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let number = {
            let mut state = self.state();
            state.frames += 1;
            state.frames - 1
        };
        self.settle_variable_rate(frame.duration())?;
        let pts = frame.pts();
        let position = position(&self.obj().input_segment(), pts);
        let length = self.state().length.add(position);
        self.supervision.check_frame(self, &length)?;
        let bitrate = self.new_bitrate();
        let (info, config) = match &self.state().format {
            Some(format) => (format.info.clone(), format.config.clone()),
            None => return Err(gst::FlowError::NotNegotiated),
        };
        let stream_begins = std::mem::take(&mut self.state().stream_begins);
        let force_key =
            stream_begins || frame.flags().contains(VideoCodecFrameFlags::FORCE_KEYFRAME);
        let id = frame.system_frame_number();
        // The frame holds the stream lock.
        drop(frame);
        // None: a flush came in between.
        let buffer = self.pixels.take().ok_or(gst::FlowError::Flushing)?;
        let planes = Box::new(self.map(buffer, &info)?);
        if force_key && number > 0 && !config.can_force_key() {
            gst::debug!(
                CAT,
                imp = self,
                "frame {id} has to be a key frame: a new session"
            );
            self.supervision
                .hand_over(self)
                .inspect_err(|_| self.let_go(&[id]))?;
        }
        let picture = svtav1::Picture {
            planes,
            id: u64::from(id),
            force_key,
            bitrate,
        };
        let submitted = self.supervision.submit(self, Frame { id, pts }, picture);
        if let Err(SubmitError::NotTaken(_)) = submitted {
            self.let_go(&[id]);
        }
        submitted.map_err(Into::into)
    }

    fn finish(&self) -> Result<gst::FlowSuccess, gst::FlowError> {
        // Drained in `sink_event`, before the base class took its lock.
        Ok(gst::FlowSuccess::Ok)
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        match self.supervision.sink_event(self, &event) {
            EventDisposition::Forward => self.forward(event),
            EventDisposition::Swallow => true,
            EventDisposition::Refuse => false,
        }
    }

    fn src_event(&self, event: gst::Event) -> bool {
        self.supervision.src_event(&event);
        self.parent_src_event(event)
    }

    fn propose_allocation(
        &self,
        query: &mut gst::query::Allocation,
    ) -> Result<(), gst::LoggableError> {
        query.add_allocation_meta::<gst_video::VideoMeta>(None);
        self.parent_propose_allocation(query)?;
        let pools: Vec<_> = query.allocation_pools().collect();
        for (index, (pool, size, min, max)) in (0..).zip(pools) {
            query.set_nth_allocation_pool(index, pool.as_ref(), size, min.max(BUFFERS_HELD), max);
        }
        Ok(())
    }
}

impl Supervised for SvtAv1WatchEnc {
    type Input = svtav1::Picture;
    type Output = svtav1::Output;
    type Codec = svtav1::SvtAv1;

    const ROLE: Role = Role::Encoder;

    fn supervision(&self) -> &Supervision<Self::Input, Self::Output> {
        &self.supervision
    }

    fn codec(&self) -> Option<Self::Codec> {
        let (config, info, changed) = {
            let mut state = self.state();
            let format = state.format.as_mut()?;
            let next = format.next_rate_control.take();
            format.config.rate_control = next.unwrap_or(format.config.rate_control);
            (format.config.clone(), format.info.clone(), next.is_some())
        };
        if changed {
            self.announce_latency(&config, &info);
        }
        Some(svtav1::SvtAv1::new(config))
    }

    fn frame_of(output: &Self::Output) -> Option<u32> {
        match output {
            svtav1::Output::Header(_) => None,
            svtav1::Output::Packet(packet) => u32::try_from(packet.id).ok(),
        }
    }

    fn deliver(&self, output: Self::Output) -> Option<Result<gst::FlowSuccess, gst::FlowError>> {
        self.push(output)
    }

    fn let_go(&self, frames: &[u32]) {
        self.state().lost.extend(frames);
    }
}

// SPDX-License-Identifier: MPL-2.0
//! The element: formats, and the way of a frame to the codec.
//!
//! Lock order: the values of the properties, then `state`; neither is held while the
//! supervision or the base class is called.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use codecwatch_element::video_encoder::{
    EncoderStream, FrameRequest, InputState, SupervisedVideoEncoder,
};
use codecwatch_element::{PadCaps, Role, Stored, Supervised, Supervision};
use codecwatch_supervisor::{CodecError, guard};
use codecwatch_svtav1 as svtav1;
use gst::glib;
use gst::subclass::prelude::*;
use gst_video::prelude::*;
use gst_video::{VideoInfo, VideoInterlaceMode};

use super::format;
use super::frame::MappedFrame;
use super::settings::{BITRATES, Settings};

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

/// The stream as the caps describe it, and what was made of it.
#[derive(Default)]
pub(super) struct State {
    pub(super) format: Option<Format>,
    /// A bitrate property was set: the next frame carries the change to the codec.
    pub(super) bitrate_was_set: bool,
}

/// An accepted input format.
#[derive(Clone)]
pub(super) struct Format {
    pub(super) input: InputState,
    caps: gst::Caps,
    info: VideoInfo,
    /// The codec's settings; rebuilt on the first frame if the frame rate is variable.
    pub(super) config: svtav1::Config,
    /// The frame rate is variable, and no frame has come yet.
    rate_is_open: bool,
    /// What the next session has instead of its rate control.
    pub(super) next_rate_control: Option<svtav1::RateControl>,
}

#[derive(Default)]
pub struct SvtAv1WatchEnc {
    pub(super) settings: Stored<Settings>,
    pub(super) state: Mutex<State>,
    stream: EncoderStream,
    supervision: Supervision<svtav1::Picture, svtav1::Output>,
}

impl SvtAv1WatchEnc {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        let settings = self.settings.get();
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

codecwatch_element::video_encoder!(SvtAv1WatchEnc);

impl SupervisedVideoEncoder for SvtAv1WatchEnc {
    fn stream(&self) -> &EncoderStream {
        &self.stream
    }

    fn accept(&self, input: &InputState) -> Result<(), gst::LoggableError> {
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
        let settings = self.settings.get();
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

    fn nominal_duration(&self) -> Option<gst::ClockTime> {
        let rate = self.state().format.as_ref()?.config.frame_rate;
        gst::ClockTime::SECOND.mul_div_floor(u64::from(rate.denominator), u64::from(rate.numerator))
    }

    fn picture(
        &self,
        frame: FrameRequest,
        buffer: gst::Buffer,
    ) -> Result<svtav1::Picture, gst::FlowError> {
        self.settle_variable_rate(frame.duration)?;
        let bitrate = self.new_bitrate();
        let info = match &self.state().format {
            Some(format) => format.info.clone(),
            None => return Err(gst::FlowError::NotNegotiated),
        };
        Ok(svtav1::Picture {
            planes: Box::new(self.map(buffer, &info)?),
            id: u64::from(frame.id),
            force_key: frame.force_key,
            bitrate,
        })
    }

    fn can_force_key(&self) -> bool {
        let state = self.state();
        let format = state.format.as_ref();
        format.is_none_or(|format| format.config.can_force_key())
    }

    fn stopped(&self) {
        let old = std::mem::take(&mut *self.state());
        drop(old);
    }
}

impl Supervised for SvtAv1WatchEnc {
    type Input = svtav1::Picture;
    type Output = svtav1::Output;
    type Codec = svtav1::SvtAv1;
    type Settings = Settings;

    const ROLE: Role = Role::Encoder;

    fn describe() -> gst::subclass::ElementMetadata {
        gst::subclass::ElementMetadata::new(
            "SVT-AV1 encoder under supervision",
            "Codec/Encoder/Video",
            "Encodes AV1 with SVT-AV1; a wedged, panicking or failing library ends in an \
             error, never in a hang or a clean end",
            env!("CARGO_PKG_AUTHORS"),
        )
    }

    fn pad_caps() -> PadCaps {
        PadCaps {
            // Sizes and rates are checked in `accept`, where the answer can say what is
            // wrong with them.
            sink: gst::Caps::builder("video/x-raw")
                .field("format", gst::List::new(["I420", "I420_10LE"]))
                .field("width", gst::IntRange::new(1, 16384))
                .field("height", gst::IntRange::new(1, 8704))
                .build(),
            src: format::bare_src_caps(),
        }
    }

    fn supervision(&self) -> &Supervision<Self::Input, Self::Output> {
        &self.supervision
    }

    fn settings(&self) -> &Stored<Settings> {
        &self.settings
    }

    fn property_set(&self, name: &str) {
        if BITRATES.contains(&name) {
            self.state().bitrate_was_set = true;
        }
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

    fn frame_in(picture: &svtav1::Picture) -> u32 {
        picture.id as u32
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
}

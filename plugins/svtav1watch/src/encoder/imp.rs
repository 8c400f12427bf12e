// SPDX-License-Identifier: MPL-2.0
//! The element: formats, and the path of a frame to the codec.
//!
//! Lock order: the values of the properties, then `state`; neither is held while the
//! supervision or the base class is called.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use codecwatch_element::video_encoder::{
    self, EncoderStream, FrameRequest, InputState, MappedFrame, SupervisedVideoEncoder,
};
use codecwatch_element::{PadCaps, SessionParts, Stored, Supervised, Supervision, place};
use codecwatch_process::Placed;
use codecwatch_supervisor::CodecError;
use codecwatch_svtav1 as svtav1;
use gst::glib;
use gst::subclass::prelude::*;
use gst_video::{VideoInfo, VideoInterlaceMode};

use super::format;
use super::frame::Frame;
use super::log;
use super::settings::{BITRATES, Settings};

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "svtav1watchenc",
        gst::DebugColorFlags::empty(),
        Some("SVT-AV1 encoder under supervision"),
    )
});

/// Lower bound of the memory that a session takes. Measured: 226 (2160p) to 340
/// (360p) bytes per pixel, SvtAv1EncApp 1.4.1 at preset 10 on two processors,
/// 30 frames (`/usr/bin/time -v`). This is less than half of it, so that no stream
/// is refused that would have worked.
const LEAST_BYTES_PER_PIXEL: u64 = 100;

/// The stream as the caps describe it, and its state.
#[derive(Default)]
pub(super) struct State {
    pub(super) format: Option<Format>,
    /// A bitrate property was set: the next frame carries the change to the codec.
    pub(super) bitrate_was_set: bool,
}

/// The settings derived from an accepted format.
#[derive(Clone)]
pub(super) struct Format {
    /// The codec's settings; rebuilt on the first frame if the frame rate is variable.
    pub(super) config: svtav1::Config,
    /// The frame rate is variable, and no frame has come yet.
    rate_is_open: bool,
    /// Replaces the rate control of the next session.
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

    /// Settings that the library accepts; posts a warning for each one that it does not
    /// follow to the letter.
    fn checked(&self, config: svtav1::Config) -> Result<svtav1::Config, CodecError> {
        for remark in config.check()? {
            gst::info!(CAT, imp = self, "{remark}");
            gst::element_imp_warning!(self, gst::LibraryError::Settings, ("{remark}"));
        }
        Ok(config)
    }

    /// The codec's settings for a format; `duration` is that of its first frame.
    ///
    /// # Errors
    /// If the library refuses them; the error has been posted.
    fn config(
        &self,
        input: &InputState,
        duration: Option<gst::ClockTime>,
    ) -> Result<svtav1::Config, gst::LoggableError> {
        let caps = input.caps_owned().unwrap_or_else(gst::Caps::new_empty);
        let config = self.settings.get().config(&caps, input.info(), duration);
        config
            .and_then(|config| self.checked(config))
            .map_err(|error| self.refuse(gst::LibraryError::Settings, &error.to_string()))
    }

    fn refuse(
        &self,
        code: impl gst::MessageErrorDomain + Send + 'static,
        text: &str,
    ) -> gst::LoggableError {
        let _ = self.supervision.refuse_with(self, code, text);
        gst::loggable_error!(CAT, "{text}")
    }

    /// If the frame rate is variable, derives it from the first frame of the format.
    fn settle_variable_rate(&self, duration: Option<gst::ClockTime>) -> Result<(), gst::FlowError> {
        let is_open = |format: &Format| format.rate_is_open;
        if !self.state().format.as_ref().is_some_and(is_open) {
            return Ok(());
        }
        let input = self.stream.format().ok_or(gst::FlowError::NotNegotiated)?;
        let config = self.config(&input, duration);
        let config = config.map_err(|_| gst::FlowError::Error)?;
        if let Some(format) = &mut self.state().format {
            format.config = config;
            format.rate_is_open = false;
        }
        video_encoder::announce_latency(self);
        Ok(())
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

    fn least_memory(info: &VideoInfo) -> u64 {
        u64::from(info.width()) * u64::from(info.height()) * LEAST_BYTES_PER_PIXEL
    }

    fn accept(&self, input: &InputState) -> Result<(), gst::LoggableError> {
        if input.info().interlace_mode() != VideoInterlaceMode::Progressive {
            return Err(self.refuse(
                gst::StreamError::Format,
                "interlaced video cannot be encoded as AV1: deinterlace it first",
            ));
        }
        let format = Format {
            config: self.config(input, None)?,
            next_rate_control: None,
            rate_is_open: input.info().fps().numer() == 0,
        };
        self.state().format = Some(format);
        Ok(())
    }

    fn latency_frames(&self) -> u32 {
        let state = self.state();
        let format = state.format.as_ref();
        format.map_or(0, |format| format.config.latency_frames())
    }

    fn frame_rate(&self) -> Option<gst::Fraction> {
        // The library gets no rate below one per second, but frames may come more
        // slowly.
        self.stream.frame_rate().or_else(|| {
            let rate = self.state().format.as_ref()?.config.frame_rate;
            let number = |value: u32| i32::try_from(value).ok();
            let (numerator, denominator) = (number(rate.numerator)?, number(rate.denominator)?);
            (denominator > 0).then(|| gst::Fraction::new(numerator, denominator))
        })
    }

    fn picture(
        &self,
        frame: FrameRequest,
        picture: MappedFrame,
    ) -> Result<svtav1::Picture, gst::FlowError> {
        self.settle_variable_rate(frame.duration)?;
        Ok(svtav1::Picture {
            planes: Box::new(Frame(picture)),
            id: u64::from(frame.id),
            force_key: frame.force_key,
            bitrate: self.new_bitrate(),
        })
    }

    fn finish_output(
        &self,
        output: svtav1::Output,
    ) -> Option<Result<gst::FlowSuccess, gst::FlowError>> {
        self.push(output)
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
    type Codec = Placed<svtav1::RemoteSvtAv1>;
    type Settings = Settings;

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
            // Sizes and rates are checked in `accept`, whose error can say what is wrong
            // with them.
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

    fn versions(&self) -> Vec<(String, String)> {
        vec![("SVT-AV1".to_owned(), svtav1::runtime().to_owned())]
    }

    fn codec(&self) -> Option<Self::Codec> {
        let (config, changed) = {
            let mut state = self.state();
            let format = state.format.as_mut()?;
            let next = format.next_rate_control.take();
            format.config.rate_control = next.unwrap_or(format.config.rate_control);
            (format.config.clone(), next.is_some())
        };
        if changed {
            video_encoder::announce_latency(self);
        }
        let parts = SessionParts {
            config,
            library: svtav1::LIBRARY,
            parent: (),
            log: Some(|level, line| log::hear(svtav1::LogLevel::from_child(level), line)),
        };
        Some(place(self, parts, svtav1::SvtAv1::new))
    }

    fn frame_in(picture: &svtav1::Picture) -> Option<u32> {
        Some(picture.id as u32)
    }

    fn frames_of(output: &Self::Output) -> impl IntoIterator<Item = u32> {
        match output {
            svtav1::Output::Header(_) => None,
            svtav1::Output::Packet(packet) => u32::try_from(packet.id).ok(),
        }
    }
}

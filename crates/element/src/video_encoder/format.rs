// SPDX-License-Identifier: MPL-2.0
//! The input format of an encoder: checked by the guard, and used to map pictures.

use codecwatch_supervisor::guard::{self, Refusal};
use gst_video::prelude::*;

use super::{EncoderStream, InputState, MappedFrame, SupervisedVideoEncoder, encoder};
use crate::CAT;

impl EncoderStream {
    /// The format of both input and output frames: they have the same, because new caps
    /// wait until everything is out. `None` before there is one.
    pub fn format(&self) -> Option<InputState> {
        self.state().format.clone()
    }

    /// The frame rate of the format; `None` where it is variable.
    pub fn frame_rate(&self) -> Option<gst::Fraction> {
        let rate = self.format()?.info().fps();
        (rate.numer() > 0).then_some(rate)
    }
}

#[doc(hidden)]
pub fn set_format<T: SupervisedVideoEncoder>(
    imp: &T,
    format: &InputState,
) -> Result<(), gst::LoggableError> {
    if imp.stream().state().priming {
        return Ok(());
    }
    check::<T>(format.info()).map_err(|refusal| {
        let _ = imp.supervision().refuse(imp, &refusal);
        gst::loggable_error!(CAT, "{refusal}")
    })?;
    imp.accept(format)?;
    let old = {
        let mut state = imp.stream().state();
        state.has_src_caps = false;
        state.format.replace(format.clone())
    };
    drop(old);
    announce_latency(imp);
    Ok(())
}

fn check<T: SupervisedVideoEncoder>(info: &gst_video::VideoInfo) -> Result<(), Refusal> {
    let rate = info.fps();
    guard::check_frame_rate(rate.numer(), rate.denom())?;
    let what = format!("encoding {}x{}", info.width(), info.height());
    guard::check_memory(T::least_memory(info), guard::available_memory(), &what)
}

/// Announces the frames that the codec keeps as latency.
pub fn announce_latency<T: SupervisedVideoEncoder>(imp: &T) {
    let latency = imp
        .frame_rate()
        .and_then(|rate| duration(imp.latency_frames(), rate));
    encoder(imp).set_latency(latency.unwrap_or_default(), None);
}

/// The duration of a frame whose buffer has none.
pub(super) fn nominal_duration<T: SupervisedVideoEncoder>(imp: &T) -> Option<gst::ClockTime> {
    duration(1, imp.frame_rate()?)
}

/// The duration of `frames` frames.
fn duration(frames: u32, rate: gst::Fraction) -> Option<gst::ClockTime> {
    let (numerator, denominator) = (rate.numer().unsigned_abs(), rate.denom().unsigned_abs());
    gst::ClockTime::SECOND.mul_div_floor(
        u64::from(frames) * u64::from(denominator),
        u64::from(numerator.max(1)),
    )
}

/// Maps a picture in the current format.
pub(super) fn map<T: SupervisedVideoEncoder>(
    imp: &T,
    buffer: gst::Buffer,
) -> Result<MappedFrame, gst::FlowError> {
    let format = imp.stream().format();
    let format = format.ok_or(gst::FlowError::NotNegotiated)?;
    let (info, size) = (format.info(), buffer.size());
    MappedFrame::from_buffer_readable(buffer, info).map_err(|_| {
        let text = format!(
            "a buffer of {size} bytes cannot hold a {}x{} {} picture, which needs {} bytes",
            info.width(),
            info.height(),
            info.format(),
            info.size()
        );
        let supervision = imp.supervision();
        supervision.refuse_with(imp, gst::StreamError::Format, &text)
    })
}

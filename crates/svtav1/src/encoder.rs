// SPDX-License-Identifier: MPL-2.0
//! The native encoder: its calls, one function each, and its lifetime.

use std::ptr;

use codecwatch_supervisor::{CodecError, Lane};

use crate::check::check;
use crate::config::Config;
use crate::handle::Handle;
use crate::packet::FrameKind;
use crate::preset_slot::PresetSlot;
use crate::teardown_gate::{self, Opening};
use crate::version::Version;
use crate::{log, native, sys};

/// The error of an open whose session was told to close.
pub(crate) fn told_to_close() -> CodecError {
    CodecError::Resource("the session was told to close before it was open".to_owned())
}

/// What the library returns.
#[derive(Debug)]
pub(crate) enum Received {
    /// A coded frame.
    Packet(Packet),
    /// The end of the stream.
    End,
}

/// A coded frame as the library describes it.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) data: Vec<u8>,
    pub(crate) pts: i64,
    pub(crate) kind: FrameKind,
    /// The end of the stream came with it.
    pub(crate) last: bool,
}

/// An open encoder. It is freed by [`destroy`](Self::destroy) only: dropping it
/// leaks it, because a call of the other lane may still be inside.
#[derive(Debug)]
pub(crate) struct Encoder {
    handle: Handle,
    /// Left when the encoder no longer runs.
    place: Option<PresetSlot>,
}

impl Encoder {
    /// Opens an encoder in its place.
    ///
    /// # Errors
    /// The library's error; [`CodecError::Settings`] if it refuses the settings;
    /// [`CodecError::Resource`] if the session was told to close before.
    pub(crate) fn open<O: Send + 'static>(
        lane: &Lane<O>,
        config: &Config,
        place: PresetSlot,
    ) -> Result<Self, CodecError> {
        let (mut encoder, opening) = match Self::configured(lane, config, place.number()) {
            Ok(configured) => configured,
            Err(error) => {
                place.leave();
                return Err(error);
            }
        };
        let started = encoder.init(lane);
        opening.end(lane);
        if let Err(error) = started {
            // Before 1.5 a teardown here would wait for frames that were never sent:
            // leak the memory instead.
            if Version::installed().at_least(1, 5) {
                let _ = encoder.destroy(lane);
            }
            place.leave();
            return Err(error);
        }
        place.running();
        encoder.place = Some(place);
        Ok(encoder)
    }

    /// The session was told to close. The caller must call this before the first call
    /// that may be slow.
    pub(crate) fn closing(&self) {
        if let Some(place) = &self.place {
            place.closing();
        }
    }

    /// An encoder that has its settings and runs no thread yet. `number`: the number of
    /// its place.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn configured<O: Send + 'static>(
        lane: &Lane<O>,
        config: &Config,
        number: Option<u64>,
    ) -> Result<(Self, Opening), CodecError> {
        log::route();
        // Discard the message that an earlier session has left.
        let _ = log::last_complaint();
        let opening = lane
            .wait_for_others(|| Opening::begin(number, || lane.discarding()))
            .ok_or_else(told_to_close)?;
        let mut settings = Box::<sys::EbSvtAv1EncConfiguration>::default();
        let encoder = Self::init_handle(lane, &mut settings)?;
        let configured = native::configure(lane, config, &mut settings)
            .and_then(|()| encoder.set_parameter(lane, &mut settings));
        if let Err(error) = configured {
            opening.end(lane);
            // The first error is the relevant one.
            let _ = encoder.destroy(lane);
            return Err(error);
        }
        Ok((encoder, opening))
    }

    fn init_handle<O: Send + 'static>(
        lane: &Lane<O>,
        settings: &mut sys::EbSvtAv1EncConfiguration,
    ) -> Result<Self, CodecError> {
        let call = "svt_av1_enc_init_handle";
        let mut handle = ptr::null_mut();
        let code = lane.call(call, || {
            #[cfg(svt_3_0)]
            // SAFETY: both places can be written to; the library fills them in.
            let code = unsafe { sys::svt_av1_enc_init_handle(&mut handle, settings) };
            #[cfg(not(svt_3_0))]
            // SAFETY: both places can be written to; the library fills them in
            // and stores the null of the application without looking at it.
            let code =
                unsafe { sys::svt_av1_enc_init_handle(&mut handle, ptr::null_mut(), settings) };
            code
        });
        check(call, code)?;
        Handle::new(handle)
            .map(|handle| Self {
                handle,
                place: None,
            })
            .ok_or_else(|| CodecError::Resource(format!("{call}: no handle")))
    }

    fn set_parameter<O: Send + 'static>(
        &self,
        lane: &Lane<O>,
        settings: &mut sys::EbSvtAv1EncConfiguration,
    ) -> Result<(), CodecError> {
        let call = "svt_av1_enc_set_parameter";
        let code = lane.call(call, || {
            // SAFETY: the handle is open; the library copies the settings.
            unsafe { sys::svt_av1_enc_set_parameter(self.handle.as_ptr(), settings) }
        });
        check(call, code).map_err(|error| match error {
            CodecError::Native { reason, .. } if code == sys::EbErrorType_EB_ErrorBadParameter => {
                CodecError::Settings(format!(
                    "SVT-AV1 {} does not accept these settings ({reason})",
                    Version::installed()
                ))
            }
            error => error,
        })
    }

    fn init<O: Send + 'static>(&self, lane: &Lane<O>) -> Result<(), CodecError> {
        let call = "svt_av1_enc_init";
        let code = lane.call(call, || {
            // SAFETY: the handle is open and has its settings.
            unsafe { sys::svt_av1_enc_init(self.handle.as_ptr()) }
        });
        check(call, code)
    }

    /// Sends a picture, or the end of the stream, to the library, which copies
    /// it. Waits while the library is full.
    ///
    /// # Errors
    /// The library's error.
    ///
    /// # Safety
    /// `buffer` is a picture of the session's format whose planes can be read
    /// to their end, or has no picture.
    pub(crate) unsafe fn send_picture<O: Send + 'static>(
        &self,
        lane: &Lane<O>,
        buffer: &mut sys::EbBufferHeaderType,
    ) -> Result<(), CodecError> {
        let call = "svt_av1_enc_send_picture";
        let code = lane.call(call, || {
            // SAFETY: the handle is initialised; the buffer is as the caller
            // promises.
            unsafe { sys::svt_av1_enc_send_picture(self.handle.as_ptr(), buffer) }
        });
        check(call, code)
    }

    /// Sends the end of the stream to the library.
    ///
    /// # Errors
    /// The library's error.
    pub(crate) fn send_end<O: Send + 'static>(&self, lane: &Lane<O>) -> Result<(), CodecError> {
        let mut end = sys::EbBufferHeaderType {
            size: size_of::<sys::EbBufferHeaderType>() as u32,
            flags: sys::EB_BUFFERFLAG_EOS,
            pic_type: sys::EbAv1PictureType_EB_AV1_INVALID_PICTURE,
            ..Default::default()
        };
        // SAFETY: has no picture.
        unsafe { self.send_picture(lane, &mut end) }
    }

    /// Waits for the next packet. Must not be called after [`Received::End`].
    ///
    /// # Errors
    /// [`CodecError::Native`] when the library failed to encode.
    pub(crate) fn get_packet<O: Send + 'static>(
        &self,
        lane: &Lane<O>,
    ) -> Result<Received, CodecError> {
        let call = "svt_av1_enc_get_packet";
        let mut buffer = ptr::null_mut();
        let code = lane.wait(call, || {
            // SAFETY: the handle is initialised; the place can be written to.
            unsafe { sys::svt_av1_enc_get_packet(self.handle.as_ptr(), &mut buffer, 1) }
        });
        // SAFETY: points to nothing, or to a packet that is ours until released.
        let packet = unsafe { buffer.as_ref() }.map(|header| Packet {
            data: copy(header),
            pts: header.pts,
            kind: kind(header.pic_type),
            last: header.flags & sys::EB_BUFFERFLAG_EOS != 0,
        });
        if !buffer.is_null() {
            lane.call("svt_av1_enc_release_out_buffer", || {
                // SAFETY: given out by svt_av1_enc_get_packet, released once.
                unsafe { sys::svt_av1_enc_release_out_buffer(&mut buffer) };
            });
        }
        if code == sys::EbErrorType_EB_NoErrorEmptyQueue {
            return Ok(Received::End);
        }
        check(call, code)?;
        match packet {
            // Before 2.0 the end comes with the last frame, from 2.0 on separately.
            Some(packet) if packet.last && packet.data.is_empty() => Ok(Received::End),
            Some(packet) if !packet.data.is_empty() => Ok(Received::Packet(packet)),
            _ => Err(CodecError::Native {
                call: call.into(),
                code: 0,
                reason: "a packet without data".to_owned(),
            }),
        }
    }

    /// Tears the encoder down. No other call is inside the library with this handle,
    /// because nothing else can have it.
    ///
    /// # Errors
    /// The library's first error. The encoder is freed nevertheless.
    pub(crate) fn destroy<O: Send + 'static>(self, lane: &Lane<O>) -> Result<(), CodecError> {
        let call = "svt_av1_enc_deinit";
        let code = lane.call(call, || {
            // SAFETY: the handle is open.
            unsafe { sys::svt_av1_enc_deinit(self.handle.as_ptr()) }
        });
        let stopped = check(call, code);
        let place = self.place;
        let number = place.as_ref().and_then(PresetSlot::number);
        if let Some(place) = place {
            place.leave();
        }
        let freed = teardown_gate::free(self.handle, number, lane);
        stopped.and(freed)
    }
}

fn copy(header: &sys::EbBufferHeaderType) -> Vec<u8> {
    if header.p_buffer.is_null() || header.n_filled_len == 0 {
        return Vec::new();
    }
    // SAFETY: the library says that so many bytes are filled; they stay until
    // the buffer is released.
    let bytes =
        unsafe { std::slice::from_raw_parts(header.p_buffer, header.n_filled_len as usize) };
    bytes.to_vec()
}

fn kind(picture: sys::EbAv1PictureType) -> FrameKind {
    match picture {
        sys::EbAv1PictureType_EB_AV1_KEY_PICTURE => FrameKind::Key,
        sys::EbAv1PictureType_EB_AV1_FW_KEY_PICTURE => FrameKind::ForwardKey,
        sys::EbAv1PictureType_EB_AV1_INTRA_ONLY_PICTURE => FrameKind::IntraOnly,
        sys::EbAv1PictureType_EB_AV1_SWITCH_PICTURE => FrameKind::Switch,
        sys::EbAv1PictureType_EB_AV1_NON_REF_PICTURE => FrameKind::NonReference,
        _ => FrameKind::Inter,
    }
}

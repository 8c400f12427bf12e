// SPDX-License-Identifier: MPL-2.0
//! dav1d's context: one method for each C function, and the meaning of its return codes.

use std::{cell::Cell, ffi::c_int, io, ptr, ptr::NonNull};

use codecwatch_supervisor::{CodecError, Lane};

use crate::{
    Config, DamageCause, Picture, callbacks::Callbacks, chunk::Data, config::native_frame_delay,
    sys,
};

/// A return code other than success.
pub(crate) enum Answer {
    /// `EAGAIN`: a send needs a get first, or a get needs a send.
    Again,
    /// What was sent cannot be decoded.
    Damage(DamageCause),
    /// The session cannot continue.
    Fatal(CodecError),
}

/// With threads, dav1d (1.0 to 1.5.4, `src/thread_task.c`) returns `ENOMEM` for frames
/// that cannot be decoded, too. This many consecutive ones, with no picture in between,
/// are taken for a real lack of memory.
const UNEXPLAINED_IN_A_ROW: u32 = 16;

/// An open decoder. Used by the thread that opened it.
pub(crate) struct Decoder {
    context: *mut sys::Dav1dContext,
    settings: sys::Dav1dSettings,
    /// From `Box::leak`; `settings` points to it, so dav1d calls into it until
    /// it is closed.
    callbacks: NonNull<Callbacks>,
    /// How often since the last picture dav1d has returned `ENOMEM` although the
    /// allocator had fulfilled every request.
    unexplained: Cell<u32>,
}

impl Decoder {
    /// Opens a decoder.
    pub(crate) fn open<O: Send + 'static>(
        lane: &Lane<O>,
        config: &Config,
        callbacks: Callbacks,
    ) -> Result<Self, CodecError> {
        let mut settings = config.to_native()?;
        let hooked = callbacks.has_log();
        let callbacks = NonNull::from(Box::leak(Box::new(callbacks)));
        settings.allocator = Callbacks::picture_allocator(callbacks);
        settings.logger = Callbacks::logger(callbacks, hooked);
        // From here on the decoder's drop frees the callbacks.
        let mut decoder = Self {
            context: ptr::null_mut(),
            settings,
            callbacks,
            unexplained: Cell::new(0),
        };
        decoder.open_native(lane)?;
        Ok(decoder)
    }

    /// Closes the decoder and opens it again. Its new threads are then counted as the
    /// session's.
    pub(crate) fn reopen<O: Send + 'static>(&mut self, lane: &Lane<O>) -> Result<(), CodecError> {
        lane.call("dav1d_close", || self.close_native());
        lane.opening(|| self.open_native(lane))?
    }

    fn open_native<O: Send + 'static>(&mut self, lane: &Lane<O>) -> Result<(), CodecError> {
        let code = lane.call("dav1d_open", || {
            // SAFETY: both pointers are valid; the callbacks outlive the context.
            unsafe { sys::dav1d_open(&raw mut self.context, &raw const self.settings) }
        });
        self.check("dav1d_open", code)
            .map_err(|answer| match answer {
                Answer::Fatal(error) => error,
                Answer::Again | Answer::Damage(_) => {
                    CodecError::Settings("dav1d does not accept these settings".to_owned())
                }
            })
    }

    /// The maximum of frames in work.
    pub(crate) fn frame_delay<O: Send + 'static>(&self, lane: &Lane<O>) -> usize {
        lane.call("dav1d_get_frame_delay", || {
            native_frame_delay(&self.settings)
        })
    }

    /// Sends `data`. On `Again` and on damage the caller keeps it.
    pub(crate) fn send<O: Send + 'static>(
        &mut self,
        lane: &Lane<O>,
        data: &mut Data,
    ) -> Result<(), Answer> {
        let code = lane.call("dav1d_send_data", || {
            // SAFETY: an open context, and data that dav1d wrapped.
            unsafe { sys::dav1d_send_data(self.context, data.as_mut_ptr()) }
        });
        self.check("dav1d_send_data", code)
    }

    /// Takes the next picture. Two calls without data sent in between drain.
    pub(crate) fn picture<O: Send + 'static>(
        &mut self,
        lane: &Lane<O>,
    ) -> Result<Delivered, Answer> {
        let mut delivered = Delivered(sys::Dav1dPicture::default());
        let code = lane.call("dav1d_get_picture", || {
            // SAFETY: an open context, and an empty picture to write to.
            unsafe { sys::dav1d_get_picture(self.context, &raw mut delivered.0) }
        });
        self.check("dav1d_get_picture", code)?;
        self.unexplained.set(0);
        Ok(delivered)
    }

    /// The mark of the data with the last error, if there was one since the last call
    /// and dav1d knows where.
    pub(crate) fn damaged_mark<O: Send + 'static>(&mut self, lane: &Lane<O>) -> Option<i64> {
        let mut props = sys::Dav1dDataProps::default();
        let code = lane.call("dav1d_get_decode_error_data_props", || {
            // SAFETY: an open context, and empty properties to write to. They
            // hold no reference: data is never given user data.
            unsafe { sys::dav1d_get_decode_error_data_props(self.context, &raw mut props) }
        });
        (code == 0 && props.timestamp != i64::MIN).then_some(props.timestamp)
    }

    /// Drops everything inside, the references and the sequence header included.
    pub(crate) fn flush<O: Send + 'static>(&mut self, lane: &Lane<O>) {
        lane.call("dav1d_flush", || {
            // SAFETY: an open context.
            unsafe { sys::dav1d_flush(self.context) }
        });
    }

    /// Closes the decoder and ends its threads.
    pub(crate) fn close<O: Send + 'static>(mut self, lane: &Lane<O>) {
        lane.call("dav1d_close", || self.close_native());
    }

    fn close_native(&mut self) {
        if !self.context.is_null() {
            // SAFETY: an open context, which dav1d sets to null.
            unsafe { sys::dav1d_close(&raw mut self.context) };
        }
    }

    /// The only interpretation of dav1d's return codes.
    fn check(&self, call: &'static str, code: c_int) -> Result<(), Answer> {
        if code >= 0 {
            return Ok(());
        }
        Err(match -code {
            libc::EAGAIN => Answer::Again,
            libc::EINVAL => Answer::Damage(DamageCause::Bitstream),
            libc::ERANGE => Answer::Damage(DamageCause::TooLarge),
            libc::ENOMEM => self.no_memory(call),
            errno => Answer::Fatal(CodecError::Native {
                call: call.into(),
                code: code.into(),
                reason: match errno {
                    libc::ENOPROTOOPT => "dav1d was built without this bit depth".to_owned(),
                    _ => io::Error::from_raw_os_error(errno).to_string(),
                },
            }),
        })
    }

    fn no_memory(&self, call: &'static str) -> Answer {
        if let Some(refusal) = self.take_allocation_failure() {
            return Answer::Fatal(CodecError::Resource(refusal));
        }
        let unexplained = self.unexplained.get() + 1;
        self.unexplained.set(unexplained);
        let threaded = self.settings.n_threads != 1 && call != "dav1d_open";
        if threaded && unexplained < UNEXPLAINED_IN_A_ROW {
            return Answer::Damage(DamageCause::Bitstream);
        }
        Answer::Fatal(CodecError::Resource(format!(
            "{call}: not enough memory or threads"
        )))
    }

    /// Why the allocator refused memory, if it has since the last call.
    pub(crate) fn take_allocation_failure(&self) -> Option<String> {
        // SAFETY: valid until the drop; shared access only.
        unsafe { self.callbacks.as_ref() }.take_allocation_failure()
    }
}

impl Drop for Decoder {
    /// Closes a decoder that was not closed, such as after a panic.
    fn drop(&mut self) {
        self.close_native();
        // SAFETY: from a box; dav1d is closed and no longer calls it.
        drop(unsafe { Box::from_raw(self.callbacks.as_ptr()) });
    }
}

/// A picture that dav1d delivered, not yet unreferenced.
pub(crate) struct Delivered(sys::Dav1dPicture);

impl Delivered {
    /// The mark of the data that led to it.
    pub(crate) fn mark(&self) -> i64 {
        self.0.m.timestamp
    }

    /// The picture for downstream.
    pub(crate) fn to_picture(&self, id: u64) -> Option<Picture> {
        // SAFETY: delivered by dav1d_get_picture, and unreferenced by the drop.
        unsafe { Picture::from_native(&self.0, id) }
    }

    /// Whether it was coded as a key frame.
    pub(crate) fn is_key(&self) -> bool {
        // SAFETY: dav1d keeps the header of a delivered picture until it is
        // unreferenced; null becomes None.
        let header = unsafe { self.0.frame_hdr.as_ref() };
        header.is_some_and(|header| header.frame_type == sys::DAV1D_FRAME_TYPE_KEY)
    }

    /// Returns the reference to dav1d.
    pub(crate) fn release<O: Send + 'static>(self, lane: &Lane<O>) {
        lane.call("dav1d_picture_unref", || drop(self));
    }
}

impl Drop for Delivered {
    fn drop(&mut self) {
        // SAFETY: filled by dav1d, or still empty, which dav1d accepts too.
        unsafe { sys::dav1d_picture_unref(&raw mut self.0) };
    }
}

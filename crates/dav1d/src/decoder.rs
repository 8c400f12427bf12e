// SPDX-License-Identifier: MPL-2.0
//! dav1d's context: one method for each C function, and what its answers mean.

use std::{cell::Cell, ffi::c_int, io, ptr, ptr::NonNull};

use codecwatch_supervisor::{CodecError, Lane};

use crate::{
    Config, DamageCause, Picture, callbacks::Callbacks, chunk::Data, config::native_frame_delay,
    sys,
};

/// An answer that is no success.
pub(crate) enum Answer {
    /// `EAGAIN`: do the other of send and get first.
    Again,
    /// What was sent cannot be decoded.
    Damage(DamageCause),
    /// The session cannot go on.
    Fatal(CodecError),
}

/// With threads, dav1d (1.0 to 1.5.4, `src/thread_task.c`) says `ENOMEM` for frames
/// that cannot be decoded, too. So many answers of that kind in a row, with no
/// picture in between, are believed: it is memory that lacks.
const UNEXPLAINED_IN_A_ROW: u32 = 16;

/// An open decoder. Used by the thread that opened it.
pub(crate) struct Decoder {
    context: *mut sys::Dav1dContext,
    settings: sys::Dav1dSettings,
    /// From `Box::leak`; `settings` points to it, so dav1d calls into it until
    /// it is closed.
    callbacks: NonNull<Callbacks>,
    /// How often dav1d has said since the last picture that it got no memory, and
    /// our allocator had given it all that it asked for.
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
        // From here on its drop frees the callbacks.
        let mut decoder = Self {
            context: ptr::null_mut(),
            settings,
            callbacks,
            unexplained: Cell::new(0),
        };
        decoder.open_native(lane)?;
        Ok(decoder)
    }

    /// Closes the decoder and opens it again. Its new threads are then known as the
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
                    CodecError::Settings("dav1d does not take these settings".to_owned())
                }
            })
    }

    /// How many frames are in work at most.
    pub(crate) fn frame_delay<O: Send + 'static>(&self, lane: &Lane<O>) -> usize {
        lane.call("dav1d_get_frame_delay", || {
            native_frame_delay(&self.settings)
        })
    }

    /// Hands `data` over. On `Again` and on damage it stays with the caller.
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

    /// The mark of the data that the last error was in, if there was one since
    /// the last time and dav1d knows where.
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

    /// Ends the decoder and its threads.
    pub(crate) fn close<O: Send + 'static>(mut self, lane: &Lane<O>) {
        lane.call("dav1d_close", || self.close_native());
    }

    fn close_native(&mut self) {
        if !self.context.is_null() {
            // SAFETY: an open context, which dav1d sets to null.
            unsafe { sys::dav1d_close(&raw mut self.context) };
        }
    }

    /// The one place where dav1d's codes get their meaning.
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
            "{call}: dav1d got no memory or no threads"
        )))
    }

    /// Why the allocator gave no memory, if that happened since the last time.
    pub(crate) fn take_allocation_failure(&self) -> Option<String> {
        // SAFETY: valid until the drop; shared access only.
        unsafe { self.callbacks.as_ref() }.take_allocation_failure()
    }
}

impl Drop for Decoder {
    /// Closes what was not closed, such as after a panic.
    fn drop(&mut self) {
        self.close_native();
        // SAFETY: from a box; dav1d, closed, calls it no more.
        drop(unsafe { Box::from_raw(self.callbacks.as_ptr()) });
    }
}

/// A picture that dav1d delivered, not yet unreferenced.
pub(crate) struct Delivered(sys::Dav1dPicture);

impl Delivered {
    /// The mark of the data that made it come out.
    pub(crate) fn mark(&self) -> i64 {
        self.0.m.timestamp
    }

    /// What downstream gets of it.
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

    /// Gives dav1d its reference back.
    pub(crate) fn release<O: Send + 'static>(self, lane: &Lane<O>) {
        lane.call("dav1d_picture_unref", || drop(self));
    }
}

impl Drop for Delivered {
    fn drop(&mut self) {
        // SAFETY: filled by dav1d, or still empty, which dav1d takes too.
        unsafe { sys::dav1d_picture_unref(&raw mut self.0) };
    }
}

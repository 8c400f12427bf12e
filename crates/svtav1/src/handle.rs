// SPDX-License-Identifier: MPL-2.0
//! The library's handle of an encoder, from its `svt_av1_enc_init_handle` until it is
//! freed.

use std::ptr::NonNull;

use codecwatch_supervisor::{CodecError, Lane};

use crate::check::check;
use crate::sys;

/// An open handle. Dropping it leaks the encoder.
#[derive(Debug)]
pub(crate) struct Handle(NonNull<sys::EbComponentType>);

// SAFETY: the handle is not tied to a thread.
unsafe impl Send for Handle {}
// SAFETY: the library is made for one thread that sends while another receives,
// and the session has one of each; everything else takes the encoder by value.
unsafe impl Sync for Handle {}

impl Handle {
    /// What `svt_av1_enc_init_handle` returned; `None` if that is null.
    pub(crate) fn new(handle: *mut sys::EbComponentType) -> Option<Self> {
        NonNull::new(handle).map(Self)
    }

    pub(crate) fn as_ptr(&self) -> *mut sys::EbComponentType {
        self.0.as_ptr()
    }

    /// Frees the encoder. For `teardown_gate` alone, which knows when that may happen.
    ///
    /// # Errors
    /// The library's error.
    pub(crate) fn free<O: Send + 'static>(self, lane: &Lane<O>) -> Result<(), CodecError> {
        let call = "svt_av1_enc_deinit_handle";
        let code = lane.call(call, || {
            // SAFETY: the handle is open and is not used again.
            unsafe { sys::svt_av1_enc_deinit_handle(self.as_ptr()) }
        });
        check(call, code)
    }
}

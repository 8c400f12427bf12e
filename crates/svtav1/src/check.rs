// SPDX-License-Identifier: MPL-2.0
//! What the library's return codes mean.

use codecwatch_supervisor::CodecError;

use crate::{log, sys};

/// Converts the library's return code to a result.
pub(crate) fn check(call: &'static str, code: sys::EbErrorType) -> Result<(), CodecError> {
    let reason = match code {
        sys::EbErrorType_EB_ErrorNone => return Ok(()),
        sys::EbErrorType_EB_ErrorInsufficientResources => {
            return Err(CodecError::Resource(format!("{call}: not enough memory")));
        }
        sys::EbErrorType_EB_ErrorBadParameter => "bad parameter",
        sys::EbErrorType_EB_ErrorInvalidComponent => "invalid component",
        sys::EbErrorType_EB_ErrorDestroyThreadFailed => "a thread could not be ended",
        sys::EbErrorType_EB_NoErrorFifoShutdown => "shut down",
        sys::EbErrorType_EB_ErrorMax => "the encoder failed",
        _ => "undefined error",
    };
    let reason = match log::last_complaint() {
        Some(complaint) => format!("{reason}: {complaint}"),
        None => reason.to_owned(),
    };
    Err(CodecError::Native {
        call: call.into(),
        // As in C headers: 32 bits, unsigned.
        code: i64::from(code as u32),
        reason,
    })
}

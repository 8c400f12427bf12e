// SPDX-License-Identifier: MPL-2.0
//! The library's log messages.
//!
//! By default SVT-AV1 writes to stderr. If the user has set `SVT_LOG`, this is not
//! changed. Otherwise the library is kept off stderr:
//!
//! - from 4.0 on by a callback, set before the first open, which also passes every
//!   message to the sink of [`set_log`] and lets errors quote the library's own
//!   message;
//! - before, by `SVT_LOG` itself, the only way that those libraries offer. They
//!   read it whenever a session is opened. It is added once, when [`set_log`] is
//!   called or with the first open, and without a race with threads that read the
//!   environment meanwhile (see `quiet_environment`).

use std::sync::{Once, OnceLock};

/// How serious a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// The library cannot continue.
    Fatal,
    /// A call will fail.
    Error,
    /// A setting is not used as given.
    Warning,
    /// Progress.
    Info,
    /// For the library's developers.
    Debug,
}

/// Receives one message, without a line end. Called on any thread that logs, including
/// the library's own: must not block.
pub type LogSink = fn(LogLevel, &str);

static SINK: OnceLock<LogSink> = OnceLock::new();
static ROUTED: Once = Once::new();

/// Routes the library's messages to `sink`, for the whole process. Returns whether
/// this library will deliver any: those before 4.0 are silenced but cannot deliver,
/// and if the user has set `SVT_LOG`, messages go to stderr. Only the first sink is
/// used.
///
/// Does not enter the library in any version, so any thread may call it.
pub fn set_log(sink: LogSink) -> bool {
    let first = SINK.set(sink).is_ok();
    if cfg!(not(svt_4_0)) {
        route();
    }
    first && cfg!(svt_4_0) && !asked_for()
}

/// Keeps the library off stderr unless the user has set `SVT_LOG`. Must be called before
/// the library's first call.
pub(crate) fn route() {
    ROUTED.call_once(|| {
        if !asked_for() {
            imp::route();
        }
    });
}

/// `SVT_LOG` as the process was started with.
fn asked_for() -> bool {
    static ASKED: OnceLock<bool> = OnceLock::new();
    *ASKED.get_or_init(|| std::env::var_os("SVT_LOG").is_some())
}

/// The library's last error message on this thread, if this version delivers any.
pub(crate) fn last_complaint() -> Option<String> {
    imp::last_complaint()
}

#[cfg(not(svt_4_0))]
mod imp {
    /// Other systems do not expose the environment like this, so the library logs there.
    pub(super) fn route() {
        #[cfg(target_os = "linux")]
        crate::quiet_environment::silence();
    }

    pub(super) fn last_complaint() -> Option<String> {
        None
    }
}

#[cfg(svt_4_0)]
mod imp {
    use std::cell::RefCell;
    use std::ffi::{c_char, c_void};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::{LogLevel, SINK};
    use crate::sys;

    #[cfg(target_arch = "x86_64")]
    type Arguments = *mut sys::__va_list_tag;
    #[cfg(not(target_arch = "x86_64"))]
    type Arguments = sys::va_list;

    thread_local! {
        static COMPLAINT: RefCell<Option<String>> = const { RefCell::new(None) };
    }

    pub(super) fn route() {
        // SAFETY: the callback is a function of this crate, which needs no
        // context; no session has been opened yet.
        unsafe { sys::svt_av1_set_log_callback(Some(on_message), std::ptr::null_mut()) };
    }

    pub(super) fn last_complaint() -> Option<String> {
        COMPLAINT.with(|complaint| complaint.borrow_mut().take())
    }

    unsafe extern "C" fn on_message(
        _context: *mut c_void,
        level: sys::SvtAv1LogLevel,
        _tag: *const c_char,
        format: *const c_char,
        arguments: Arguments,
    ) {
        let mut buffer = [0_u8; 1024];
        // SAFETY: the library passes a format and the arguments that belong to
        // it; the buffer has the length that is passed.
        let length = unsafe {
            sys::vsnprintf(
                buffer.as_mut_ptr().cast(),
                buffer.len() as _,
                format,
                arguments,
            )
        };
        let length = usize::try_from(length).unwrap_or(0).min(buffer.len() - 1);
        // The caller is C: nothing may unwind into it.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            deliver(level_of(level), &String::from_utf8_lossy(&buffer[..length]));
        }));
    }

    fn level_of(level: sys::SvtAv1LogLevel) -> LogLevel {
        match level {
            sys::SvtAv1LogLevel_SVT_AV1_LOG_FATAL => LogLevel::Fatal,
            sys::SvtAv1LogLevel_SVT_AV1_LOG_ERROR => LogLevel::Error,
            sys::SvtAv1LogLevel_SVT_AV1_LOG_WARN => LogLevel::Warning,
            sys::SvtAv1LogLevel_SVT_AV1_LOG_DEBUG => LogLevel::Debug,
            _ => LogLevel::Info,
        }
    }

    fn deliver(level: LogLevel, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        if level <= LogLevel::Error {
            let _ = COMPLAINT.try_with(|complaint| {
                *complaint.borrow_mut() = Some(text.to_owned());
            });
        }
        if let Some(sink) = SINK.get() {
            sink(level, text);
        }
    }
}

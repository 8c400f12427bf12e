// SPDX-License-Identifier: MPL-2.0
//! The library's own messages, in a separate debug category.

use std::sync::LazyLock;

use codecwatch_svtav1::LogLevel;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "svtav1watchenc-library",
        gst::DebugColorFlags::empty(),
        Some("Log of SVT-AV1 (4.0 and later)"),
    )
});

/// Takes one message. Called on the library's threads.
pub(super) fn hear(level: LogLevel, text: &str) {
    match level {
        LogLevel::Fatal | LogLevel::Error => gst::error!(CAT, "{text}"),
        LogLevel::Warning => gst::warning!(CAT, "{text}"),
        LogLevel::Info => gst::info!(CAT, "{text}"),
        LogLevel::Debug => gst::debug!(CAT, "{text}"),
    }
}

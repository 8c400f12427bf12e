// SPDX-License-Identifier: MPL-2.0
//! What the tests share: where things are, child processes with a bound, and
//! the way to skip a test that needs what is not there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod faults;
pub mod idle;
mod launch;
pub mod load;
pub mod media;
pub mod pictures;
pub mod process;
pub mod rehearsal;
pub mod stopping;

pub use launch::{Finished, Launch, Line, Running, is_child, target_dir, worker};

/// Registers the plugins in this process, once. A critical message of GLib, which
/// says that a function was misused, ends the process from now on.
pub fn init() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        if std::env::var_os("CODECWATCH_WORKER").is_none() {
            // SAFETY: every test begins here, and nothing of C that could read variables
            // meanwhile runs before GStreamer is initialised.
            unsafe { std::env::set_var("CODECWATCH_WORKER", worker()) };
        }
        gst::glib::log_set_always_fatal(gst::glib::LogLevels::LEVEL_CRITICAL);
        gst::init().unwrap();
        gstcodecwatch::plugin_register_static().unwrap();
        gstdav1dwatch::plugin_register_static().unwrap();
        gstmemorywatch::plugin_register_static().unwrap();
        gstsvtav1watch::plugin_register_static().unwrap();
        gstwedge::plugin_register_static().unwrap();
    });
}

/// Says that a test cannot run here and why; the test then returns. `./dev test`
/// counts it as skipped.
pub fn skip(suite: &str, why: &str) {
    use std::io::Write;
    println!("skipped: {why}");
    if let Some(path) = std::env::var_os("CODECWATCH_SKIPS") {
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        writeln!(file, "{suite}: {why}").unwrap();
    }
}

/// The version of SVT-AV1 that the encoder was built for: major, minor.
pub fn svtav1_version() -> (u32, u32) {
    let version = codecwatch_svtav1::Version::installed();
    (version.major, version.minor)
}

// SPDX-License-Identifier: MPL-2.0
//! `codecwatch`: any codec of GStreamer under the codecwatch supervisor. Its property
//! `codec` names an element, or a chain of elements, in the syntax of `gst-launch-1.0`.
//! `wholefilesink`: a file that takes its name when it is whole.
#![forbid(unsafe_code)]
// The items that `plugin_define!` generates have no docs.
#![allow(missing_docs)]

use std::sync::LazyLock;

use gst::glib;

mod defaults;
mod element;
mod hardware;
mod tracer;
mod whole_file_sink;
pub mod wrapped;

pub(crate) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "codecwatchelement",
        gst::DebugColorFlags::empty(),
        Some("The element codecwatch"),
    )
});

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    // If it is awaited, the tracer registers the element later.
    if !tracer::register_if_awaited(plugin)? {
        element::register(plugin)?;
    }
    whole_file_sink::register(plugin)?;
    hardware::register(plugin);
    Ok(())
}

gst::plugin_define!(
    codecwatch,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MPL-2.0",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_REPOSITORY"),
    env!("BUILD_REL_DATE")
);

// SPDX-License-Identifier: MPL-2.0
//! `dav1dwatchdec`: AV1 decoding with dav1d under the codecwatch supervisor. It
//! has the properties of `dav1ddec`, with conformant defaults; when the library
//! wedges, panics or fails, the element posts an error and never ends the stream
//! like a complete one.
#![forbid(unsafe_code)]
// The items that `plugin_define!` generates have no docs.
#![allow(missing_docs)]

use std::sync::LazyLock;

use gst::glib;

mod decoder;

pub(crate) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "dav1dwatchdec",
        gst::DebugColorFlags::empty(),
        Some("dav1d decoder under supervision"),
    )
});

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    decoder::register(plugin)
}

gst::plugin_define!(
    dav1dwatch,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MPL-2.0",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_REPOSITORY"),
    env!("BUILD_REL_DATE")
);

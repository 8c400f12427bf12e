// SPDX-License-Identifier: MPL-2.0
//! `svtav1watchenc`: AV1 encoding with SVT-AV1 under the codecwatch supervisor.
//! A drop-in for `svtav1enc`; when the library wedges, panics or fails, the
//! element posts an error and never ends the stream like a complete one.
#![forbid(unsafe_code)]
// The items that `plugin_define!` generates have no docs.
#![allow(missing_docs)]

use gst::glib;

mod encoder;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    encoder::register(plugin)
}

gst::plugin_define!(
    svtav1watch,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MPL-2.0",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_REPOSITORY"),
    env!("BUILD_REL_DATE")
);

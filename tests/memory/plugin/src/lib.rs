// SPDX-License-Identifier: MPL-2.0
//! `memorywatchenc`: the codec in memory under supervision; test material, and the
//! example of what the element of a new encoder has to have.
#![forbid(unsafe_code)]
#![allow(missing_docs)]

use gst::glib;
use gst::prelude::*;

mod imp;

glib::wrapper! {
    /// Video encoder in memory under supervision.
    pub struct MemoryWatchEnc(ObjectSubclass<imp::MemoryWatchEnc>)
        @extends gst_video::VideoEncoder, gst::Element, gst::Object;
}

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    let class = MemoryWatchEnc::static_type();
    gst::Element::register(Some(plugin), "memorywatchenc", gst::Rank::NONE, class)
}

gst::plugin_define!(
    memorywatch,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    env!("CARGO_PKG_VERSION"),
    "MPL-2.0",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_REPOSITORY")
);

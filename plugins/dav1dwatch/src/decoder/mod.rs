// SPDX-License-Identifier: MPL-2.0
//! The element `dav1dwatchdec`.

use gst::glib;
use gst::prelude::*;

mod buffers;
mod caps;
mod imp;
mod input;
mod negotiation;
mod picture_source;
mod pictures;
mod settings;
mod t35;
mod tally;

use settings::InloopFilters;

glib::wrapper! {
    /// AV1 decoder (dav1d) under supervision.
    pub struct Dav1dWatchDec(ObjectSubclass<imp::Dav1dWatchDec>)
        @extends gst_video::VideoDecoder, gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    InloopFilters::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    t35::register();
    // Below every other AV1 decoder (the lowest of them, libaom's, is secondary):
    // installing it changes no existing pipeline.
    gst::Element::register(
        Some(plugin),
        "dav1dwatchdec",
        gst::Rank::MARGINAL,
        Dav1dWatchDec::static_type(),
    )
}

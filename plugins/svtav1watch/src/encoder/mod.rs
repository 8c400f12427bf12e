// SPDX-License-Identifier: MPL-2.0
//! The element `svtav1watchenc`.

use codecwatch_svtav1 as svtav1;
use gst::glib;
use gst::prelude::*;

mod bitrate;
mod format;
mod frame;
mod imp;
mod log;
mod packets;
mod settings;

use settings::IntraRefreshType;

glib::wrapper! {
    /// AV1 encoder (SVT-AV1) under supervision.
    pub struct SvtAv1WatchEnc(ObjectSubclass<imp::SvtAv1WatchEnc>)
        @extends gst_video::VideoEncoder, gst::Element, gst::Object,
        @implements gst::Preset;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    IntraRefreshType::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    svtav1::set_log(log::hear);
    // A rank above `svtav1enc` (secondary) would change existing pipelines.
    gst::Element::register(
        Some(plugin),
        "svtav1watchenc",
        gst::Rank::MARGINAL,
        SvtAv1WatchEnc::static_type(),
    )
}

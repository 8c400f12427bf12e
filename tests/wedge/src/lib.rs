// SPDX-License-Identifier: MPL-2.0
//! Test material: the element `wedge`, which passes everything on, and hangs, spins,
//! fails or panics where it is told to, by its properties or by the fault shim. It
//! stands for a codec that does.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use gst::glib;
use gst::prelude::*;

mod imp;
mod places;

glib::wrapper! {
    /// Passes everything on, until it does not.
    pub struct Wedge(ObjectSubclass<imp::Wedge>)
        @extends gst::Element, gst::Object;
}

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "wedge", gst::Rank::NONE, Wedge::static_type())
}

gst::plugin_define!(
    wedge,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    env!("CARGO_PKG_VERSION"),
    "MPL-2.0",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_REPOSITORY"),
    "2026-11-28"
);

// SPDX-License-Identifier: MPL-2.0
//! The element `codecwatch`.
//!
//! Its two pads hand everything to the hosted chain: buffers, serialized events and
//! serialized queries in order, what comes from downstream beside them. No thread of
//! the pipeline enters the chain.

use gst::glib;
use gst::prelude::*;

mod around;
mod children;
mod forwarding;
pub(crate) mod imp;
mod messages;
mod queries;
mod said;
mod settings;
mod sink;
mod skipped;
mod source;
mod start;
mod state;

glib::wrapper! {
    /// Any codec under supervision.
    pub struct CodecWatch(ObjectSubclass<imp::CodecWatch>)
        @extends gst::Element, gst::Object,
        @implements gst::ChildProxy;
}

pub(crate) use said::act;

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "codecwatch",
        gst::Rank::NONE,
        CodecWatch::static_type(),
    )
}

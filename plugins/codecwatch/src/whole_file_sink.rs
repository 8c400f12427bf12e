// SPDX-License-Identifier: MPL-2.0
//! The element `wholefilesink`: a file sink whose file takes its name when it is whole.
//!
//! The file is written beside its target ([`codecwatch_whole_file`]) and put in its
//! place on an EOS before which no error was seen, in the application's pipeline or in
//! an element of this project ([`errors_seen`]); before the EOS message, so an
//! application that sees that has the file.

use gst::glib;
use gst::prelude::*;

mod errors_seen;
mod imp;

glib::wrapper! {
    /// A file that is whole, or not there.
    pub struct WholeFileSink(ObjectSubclass<imp::WholeFileSink>)
        @extends gst_base::BaseSink, gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "wholefilesink",
        gst::Rank::NONE,
        WholeFileSink::static_type(),
    )
}

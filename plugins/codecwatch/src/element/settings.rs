// SPDX-License-Identifier: MPL-2.0
//! The element's own properties.

use codecwatch_element::{ElementSettings, Property, number_property, stored};
use gst::glib;
use gst::prelude::*;

/// Values of the element's own properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub(super) codec: Option<String>,
    pub(super) max_inside: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            codec: None,
            // libaom and x264 look ahead by up to 250 frames at most, so twice that, in
            // buffers.
            max_inside: 512,
        }
    }
}

impl Settings {
    /// Those of an element that always runs the same codec.
    pub(super) fn fixed(codec: &str) -> Self {
        Self {
            codec: Some(codec.to_owned()),
            ..Self::default()
        }
    }
}

impl ElementSettings for Settings {
    fn properties() -> &'static [Property<Self>] {
        TABLE
    }
}

const TABLE: &[Property<Settings>] = &[
    Property::new(
        "codec",
        |name, _| {
            glib::ParamSpecString::builder(name)
                .nick("Codec")
                .blurb(
                    "The element, or chain of elements, to run under supervision, in the syntax \
                     of gst-launch-1.0 (\"x264enc tune=zerolatency\", \"h264parse ! avdec_h264\")",
                )
                .mutable_ready()
                .build()
        },
        stored!(codec),
    ),
    number_property!(
        "max-inside",
        max_inside,
        0..=u32::MAX,
        "Buffers that the codec may take without giving any; more is a missing output \
         (watchdog-timeout; 0 = no limit)"
    ),
];

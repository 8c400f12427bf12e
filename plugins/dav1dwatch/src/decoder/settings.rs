// SPDX-License-Identifier: MPL-2.0
//! The decoder's own properties: those of `dav1ddec` with their names, types and
//! ranges, and additional ones. The defaults are conformant: every in-loop filter
//! runs and film grain is applied, as the stream specifies.

use codecwatch_dav1d as dav1d;
use codecwatch_element::{ElementSettings, Property, stored};
use gst::glib;
use gst::prelude::*;

/// The filters inside the coding loop. Without one of them, pictures differ from those
/// that the encoder had, and errors accumulate until a key frame.
#[glib::flags(name = "GstDav1dWatchDecInloopFilters")]
pub enum InloopFilters {
    /// Deblocking.
    #[flags_value(name = "Enable deblocking filter", nick = "deblock")]
    DEBLOCK = 1 << 0,
    /// Constrained directional enhancement.
    #[flags_value(
        name = "Enable Constrained Directional Enhancement Filter",
        nick = "cdef"
    )]
    CDEF = 1 << 1,
    /// Loop restoration.
    #[flags_value(name = "Enable loop restoration filter", nick = "restoration")]
    RESTORATION = 1 << 2,
}

/// Values of the decoder's own properties, in the units of the properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub(crate) n_threads: u32,
    pub(crate) max_frame_delay: i64,
    pub(crate) apply_grain: bool,
    pub(crate) inloop_filters: InloopFilters,
    pub(crate) operating_point: u32,
    pub(crate) frame_size_limit: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            n_threads: 0,
            max_frame_delay: -1,
            apply_grain: true,
            inloop_filters: InloopFilters::all(),
            operating_point: 0,
            frame_size_limit: dav1d::LARGEST_LEVEL_PICTURE,
        }
    }
}

impl ElementSettings for Settings {
    fn properties() -> &'static [Property<Self>] {
        TABLE
    }
}

/// The table.
const TABLE: &[Property<Settings>] = &[
    Property::new(
        "n-threads",
        |name, d| {
            glib::ParamSpecUInt::builder(name)
                .nick("Number of threads")
                .blurb("Number of threads to use while decoding (0 = one for each processor)")
                .default_value(d.n_threads)
                .mutable_ready()
                .build()
        },
        stored!(n_threads),
    ),
    Property::new(
        "max-frame-delay",
        |name, d| {
            glib::ParamSpecInt64::builder(name)
                .nick("Maximum frame delay")
                .blurb(
                    "Maximum number of frames to work on at a time (1 = none is held back, 0 = dav1d's choice \
                     from the number of threads, -1 = 1 when upstream is live, otherwise 0)",
                )
                .minimum(-1)
                .maximum(u32::MAX.into())
                .default_value(d.max_frame_delay)
                .mutable_ready()
                .build()
        },
        stored!(max_frame_delay),
    ),
    Property::new(
        "apply-grain",
        |name, d| {
            glib::ParamSpecBoolean::builder(name)
                .nick("Apply film grain")
                .blurb("Apply film grain to decoded pictures")
                .default_value(d.apply_grain)
                .mutable_ready()
                .build()
        },
        stored!(apply_grain),
    ),
    Property::new(
        "inloop-filters",
        |name, d| {
            glib::ParamSpecFlags::builder::<InloopFilters>(name)
                .nick("In-loop filters")
                .blurb("In-loop filters to run; without one of them, output is not conformant")
                .default_value(d.inloop_filters)
                .mutable_ready()
                .build()
        },
        stored!(inloop_filters),
    ),
    Property::new(
        "operating-point",
        |name, d| {
            glib::ParamSpecUInt::builder(name)
                .nick("Operating point")
                .blurb(
                    "Which operating point of a scalable stream to decode (0 = everything); its \
                     highest layer comes out",
                )
                .maximum(31)
                .default_value(d.operating_point)
                .mutable_ready()
                .build()
        },
        stored!(operating_point),
    ),
    Property::new(
        "frame-size-limit",
        |name, d| {
            glib::ParamSpecUInt::builder(name)
                .nick("Frame size limit")
                .blurb(
                    "Largest picture to decode, in luma samples; what is larger counts as an \
                     error of the stream, and no memory is asked for it (0 = no limit)",
                )
                .default_value(d.frame_size_limit)
                .mutable_ready()
                .build()
        },
        stored!(frame_size_limit),
    ),
];

impl Settings {
    /// The config of a session with these values, without the container's headers.
    /// `live`: whether upstream is live, which decides what `max-frame-delay` -1 means.
    pub(crate) fn codec(&self, live: bool) -> dav1d::Config {
        let has = |filter| self.inloop_filters.contains(filter);
        dav1d::Config {
            n_threads: self.n_threads,
            max_frame_delay: u32::try_from(self.max_frame_delay).unwrap_or(live.into()),
            apply_grain: self.apply_grain,
            inloop_filters: dav1d::InloopFilters {
                deblock: has(InloopFilters::DEBLOCK),
                cdef: has(InloopFilters::CDEF),
                restoration: has(InloopFilters::RESTORATION),
            },
            operating_point: u8::try_from(self.operating_point).unwrap_or(u8::MAX),
            frame_size_limit: self.frame_size_limit,
            ..dav1d::Config::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_codec() {
        assert_eq!(Settings::default().codec(false), dav1d::Config::default());
    }

    #[test]
    fn nothing_is_held_back_of_a_live_stream_unless_asked_for() {
        let mut settings = Settings::default();
        assert_eq!(settings.codec(true).max_frame_delay, 1);
        settings.max_frame_delay = 3;
        assert_eq!(settings.codec(true).max_frame_delay, 3);
    }
}

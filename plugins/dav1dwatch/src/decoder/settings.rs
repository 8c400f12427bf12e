// SPDX-License-Identifier: MPL-2.0
//! The decoder's own properties: those of `dav1ddec` with their names, types and
//! ranges, and what that element lacks. The defaults are conformant: every
//! in-loop filter runs and film grain is applied, as the stream asks for.

use codecwatch_dav1d as dav1d;
use gst::glib;
use gst::prelude::*;

/// The filters inside the coding loop. Without one of them pictures are not
/// those that the encoder had, and errors add up until a key frame.
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
pub(crate) struct Settings {
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

impl Settings {
    pub(crate) fn param_specs() -> Vec<glib::ParamSpec> {
        let defaults = Self::default();
        vec![
            glib::ParamSpecUInt::builder("n-threads")
                .nick("Number of threads")
                .blurb("Number of threads to use while decoding (0 = one for each processor)")
                .default_value(defaults.n_threads)
                .mutable_ready()
                .build(),
            glib::ParamSpecInt64::builder("max-frame-delay")
                .nick("Maximum frame delay")
                .blurb(
                    "Most frames to work on at a time (1 = none is held back, 0 = dav1d's choice \
                     from the number of threads, -1 = 1 when upstream is live, otherwise 0)",
                )
                .minimum(-1)
                .maximum(u32::MAX.into())
                .default_value(defaults.max_frame_delay)
                .mutable_ready()
                .build(),
            glib::ParamSpecBoolean::builder("apply-grain")
                .nick("Apply film grain")
                .blurb("Whether pictures come out with their film grain")
                .default_value(defaults.apply_grain)
                .mutable_ready()
                .build(),
            glib::ParamSpecFlags::builder::<InloopFilters>("inloop-filters")
                .nick("In-loop filters")
                .blurb("The in-loop filters to run; without one of them pictures are not right")
                .default_value(defaults.inloop_filters)
                .mutable_ready()
                .build(),
            glib::ParamSpecUInt::builder("operating-point")
                .nick("Operating point")
                .blurb(
                    "Which operating point of a scalable stream to decode (0 = everything); its \
                     highest layer comes out",
                )
                .maximum(31)
                .default_value(defaults.operating_point)
                .mutable_ready()
                .build(),
            glib::ParamSpecUInt::builder("frame-size-limit")
                .nick("Frame size limit")
                .blurb(
                    "Largest picture to decode, in luma samples; what is larger counts as an \
                     error of the stream, and no memory is asked for it (0 = no limit)",
                )
                .default_value(defaults.frame_size_limit)
                .mutable_ready()
                .build(),
        ]
    }

    /// Sets one of the decoder's own properties; false when it is none.
    pub(crate) fn set(&mut self, name: &str, value: &glib::Value) -> bool {
        fn store<'a, V>(target: &mut V, value: &'a glib::Value)
        where
            V: glib::value::FromValue<'a>,
        {
            if let Ok(new) = value.get::<V>() {
                *target = new;
            }
        }
        match name {
            "n-threads" => store(&mut self.n_threads, value),
            "max-frame-delay" => store(&mut self.max_frame_delay, value),
            "apply-grain" => store(&mut self.apply_grain, value),
            "inloop-filters" => store(&mut self.inloop_filters, value),
            "operating-point" => store(&mut self.operating_point, value),
            "frame-size-limit" => store(&mut self.frame_size_limit, value),
            _ => return false,
        }
        true
    }

    /// The value of one of the decoder's own properties; `None` when it is none.
    pub(crate) fn get(&self, name: &str) -> Option<glib::Value> {
        Some(match name {
            "n-threads" => self.n_threads.to_value(),
            "max-frame-delay" => self.max_frame_delay.to_value(),
            "apply-grain" => self.apply_grain.to_value(),
            "inloop-filters" => self.inloop_filters.to_value(),
            "operating-point" => self.operating_point.to_value(),
            "frame-size-limit" => self.frame_size_limit.to_value(),
            _ => return None,
        })
    }

    /// What opens a session with these, but for the container's headers. `live`: what
    /// -1 stands for in `max-frame-delay`.
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

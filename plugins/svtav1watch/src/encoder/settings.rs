// SPDX-License-Identifier: MPL-2.0
//! The encoder's own properties: those of `svtav1enc` with their names, ranges
//! and defaults (GStreamer 1.28), and `low-latency`.

use codecwatch_supervisor::CodecError;
use codecwatch_svtav1 as svtav1;
use gst::glib;
use gst::prelude::*;

use super::format;

/// How key frames start a group of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstSvtAv1WatchEncIntraRefreshType")]
#[repr(i32)]
pub enum IntraRefreshType {
    /// Open: frames before the key frame in display order may refer across it.
    #[enum_value(name = "Open GOP", nick = "CRA")]
    Cra = 1,
    /// Closed.
    #[default]
    #[enum_value(name = "Closed GOP", nick = "IDR")]
    Idr = 2,
}

/// Values of the encoder's own properties, in the units of the properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) preset: u32,
    pub(crate) target_bitrate: u32,
    pub(crate) max_bitrate: u32,
    pub(crate) max_qp: u32,
    pub(crate) min_qp: u32,
    pub(crate) cqp: i32,
    pub(crate) crf: i32,
    pub(crate) maximum_buffer_size: u32,
    pub(crate) intra_period_length: i32,
    pub(crate) intra_refresh_type: IntraRefreshType,
    pub(crate) level_of_parallelism: u32,
    pub(crate) logical_processors: u32,
    pub(crate) target_socket: i32,
    pub(crate) parameters_string: Option<String>,
    pub(crate) low_latency: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            preset: 10,
            target_bitrate: 0,
            max_bitrate: 0,
            max_qp: 63,
            min_qp: 1,
            cqp: -1,
            crf: 35,
            maximum_buffer_size: 1000,
            intra_period_length: -2,
            intra_refresh_type: IntraRefreshType::Idr,
            level_of_parallelism: 0,
            logical_processors: 0,
            target_socket: -1,
            parameters_string: None,
            low_latency: false,
        }
    }
}

/// The properties that can change while the element plays (where the library can).
pub(crate) const BITRATES: [&str; 2] = ["target-bitrate", "max-bitrate"];

impl Settings {
    pub(crate) fn param_specs() -> Vec<glib::ParamSpec> {
        let d = Self::default();
        let uint = |name, nick, blurb, min: u32, max: u32, default| {
            glib::ParamSpecUInt::builder(name)
                .nick(nick)
                .blurb(blurb)
                .minimum(min)
                .maximum(max)
                .default_value(default)
        };
        let int = |name, nick, blurb, min: i32, max: i32, default| {
            glib::ParamSpecInt::builder(name)
                .nick(nick)
                .blurb(blurb)
                .minimum(min)
                .maximum(max)
                .default_value(default)
                .mutable_ready()
                .build()
        };
        vec![
            uint("preset", "Preset", "Speed against quality: 0 is best, 13 is fastest", 0, 13, d.preset)
                .mutable_ready()
                .build(),
            uint(
                "target-bitrate",
                "Target bitrate",
                "Target bitrate in kbit/s; selects VBR, or CBR when max-bitrate is the same \
                 (0 = use crf or cqp)",
                0,
                100_000,
                d.target_bitrate,
            )
            .mutable_playing()
            .build(),
            uint(
                "max-bitrate",
                "Maximum bitrate",
                "Maximum bitrate in kbit/s; CBR when equal to target-bitrate (0 = none)",
                0,
                100_000,
                d.max_bitrate,
            )
            .mutable_playing()
            .build(),
            uint("max-qp-allowed", "Maximum QP", "Highest quantizer in VBR and CBR", 0, 63, d.max_qp)
                .mutable_ready()
                .build(),
            uint("min-qp-allowed", "Minimum QP", "Lowest quantizer in VBR and CBR", 0, 63, d.min_qp)
                .mutable_ready()
                .build(),
            int("cqp", "Constant QP", "Constant quantizer; used when crf is -1 (-1 = off)", -1, 63, d.cqp),
            int("crf", "Constant rate factor", "Constant rate factor; used without target-bitrate (-1 = off)", -1, 63, d.crf),
            uint(
                "maximum-buffer-size",
                "Maximum buffer size",
                "Size of the decoder's buffer in milliseconds, for CBR",
                20,
                10_000,
                d.maximum_buffer_size,
            )
            .mutable_ready()
            .build(),
            int(
                "intra-period-length",
                "Intra period length",
                "Frames between two key frames: N - 1 for groups of N (-2 = the library's choice, -1 = first frame only)",
                -2,
                i32::MAX,
                d.intra_period_length,
            ),
            glib::ParamSpecEnum::builder_with_default("intra-refresh-type", d.intra_refresh_type)
                .nick("Intra refresh type")
                .blurb("Whether groups of pictures are open (CRA: begun by intra-only frames, which are no sync points) or closed (IDR: begun by key frames)")
                .mutable_ready()
                .build(),
            uint(
                "level-of-parallelism",
                "Level of parallelism",
                "How many threads and buffers the library uses, 1 (few) to 6 (many); from SVT-AV1 3.0 on (0 = automatic)",
                0,
                6,
                d.level_of_parallelism,
            )
            .mutable_ready()
            .build(),
            uint(
                "logical-processors",
                "Logical processors",
                "Processors to use, before SVT-AV1 3.0; then level-of-parallelism (0 = all)",
                0,
                u32::MAX,
                d.logical_processors,
            )
            .mutable_ready()
            .deprecated()
            .build(),
            int(
                "target-socket",
                "Target socket",
                "CPU socket to run on, before SVT-AV1 4.0 (-1 = all)",
                -1,
                15,
                d.target_socket,
            ),
            glib::ParamSpecString::builder("parameters-string")
                .nick("Parameters string")
                .blurb("Further parameters of the library, key=value:key=value; an unknown one is an error")
                .mutable_ready()
                .build(),
            glib::ParamSpecBoolean::builder("low-latency")
                .nick("Low latency")
                .blurb("Low-delay prediction: each frame leaves as soon as it is encoded, none waits for a later one")
                .default_value(d.low_latency)
                .mutable_ready()
                .build(),
        ]
    }

    /// Sets one of the encoder's own properties; false when it is none.
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
            "preset" => store(&mut self.preset, value),
            "target-bitrate" => store(&mut self.target_bitrate, value),
            "max-bitrate" => store(&mut self.max_bitrate, value),
            "max-qp-allowed" => store(&mut self.max_qp, value),
            "min-qp-allowed" => store(&mut self.min_qp, value),
            "cqp" => store(&mut self.cqp, value),
            "crf" => store(&mut self.crf, value),
            "maximum-buffer-size" => store(&mut self.maximum_buffer_size, value),
            "intra-period-length" => store(&mut self.intra_period_length, value),
            "intra-refresh-type" => store(&mut self.intra_refresh_type, value),
            "level-of-parallelism" => store(&mut self.level_of_parallelism, value),
            "logical-processors" => store(&mut self.logical_processors, value),
            "target-socket" => store(&mut self.target_socket, value),
            "parameters-string" => store(&mut self.parameters_string, value),
            "low-latency" => store(&mut self.low_latency, value),
            _ => return false,
        }
        true
    }

    /// The value of one of the encoder's own properties; `None` when it is none.
    pub(crate) fn get(&self, name: &str) -> Option<glib::Value> {
        Some(match name {
            "preset" => self.preset.to_value(),
            "target-bitrate" => self.target_bitrate.to_value(),
            "max-bitrate" => self.max_bitrate.to_value(),
            "max-qp-allowed" => self.max_qp.to_value(),
            "min-qp-allowed" => self.min_qp.to_value(),
            "cqp" => self.cqp.to_value(),
            "crf" => self.crf.to_value(),
            "maximum-buffer-size" => self.maximum_buffer_size.to_value(),
            "intra-period-length" => self.intra_period_length.to_value(),
            "intra-refresh-type" => self.intra_refresh_type.to_value(),
            "level-of-parallelism" => self.level_of_parallelism.to_value(),
            "logical-processors" => self.logical_processors.to_value(),
            "target-socket" => self.target_socket.to_value(),
            "parameters-string" => self.parameters_string.to_value(),
            "low-latency" => self.low_latency.to_value(),
            _ => return None,
        })
    }

    /// The rate control that these properties ask for, by the rules of `svtav1enc`.
    pub(crate) fn rate_control(&self) -> svtav1::RateControl {
        svtav1::RateControl::from_properties(
            self.target_bitrate * 1000,
            self.max_bitrate * 1000,
            self.crf,
            self.cqp,
        )
    }

    /// The codec's settings for pictures of this format.
    ///
    /// # Errors
    /// [`CodecError::Settings`] names the piece of `parameters-string` that is
    /// no `key=value`.
    pub(crate) fn config(
        &self,
        caps: &gst::CapsRef,
        info: &gst_video::VideoInfo,
        duration: Option<gst::ClockTime>,
    ) -> Result<svtav1::Config, CodecError> {
        let small = |value: u32| u8::try_from(value).unwrap_or(u8::MAX);
        let (color, chroma_position) = format::color(info);
        let (mastering_display, content_light) = format::hdr(caps);
        let defaults = svtav1::Config::new(
            info.width(),
            info.height(),
            format::frame_rate(info, duration),
        );
        Ok(svtav1::Config {
            preset: small(self.preset),
            rate_control: self.rate_control(),
            min_qp: small(self.min_qp),
            max_qp: small(self.max_qp),
            maximum_buffer_size: self.maximum_buffer_size,
            intra_period_length: self.intra_period_length,
            intra_refresh: match self.intra_refresh_type {
                IntraRefreshType::Cra => svtav1::IntraRefresh::Cra,
                IntraRefreshType::Idr => svtav1::IntraRefresh::Idr,
            },
            level_of_parallelism: self.level_of_parallelism,
            logical_processors: self.logical_processors,
            target_socket: self.target_socket,
            low_delay: self.low_latency,
            bit_depth: format::bit_depth(info),
            color,
            chroma_position,
            mastering_display,
            content_light,
            parameters: svtav1::parse_parameters(self.parameters_string.as_deref().unwrap_or(""))?,
            ..defaults
        })
    }
}

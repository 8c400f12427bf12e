// SPDX-License-Identifier: MPL-2.0
//! The encoder's own properties: those of `svtav1enc` with their names, ranges
//! and defaults (GStreamer 1.28), and `low-latency`.

use codecwatch_element::{ElementSettings, Property, stored};
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
pub struct Settings {
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

impl ElementSettings for Settings {
    fn properties() -> &'static [Property<Self>] {
        TABLE
    }
}

/// The table.
const TABLE: &[Property<Settings>] = &[
    Property::new(
        "preset",
        |name, d| {
            uint(
                name,
                "Preset",
                "Speed against quality: 0 is best, 13 is fastest",
                (0, 13),
                d.preset,
            )
            .mutable_ready()
            .build()
        },
        stored!(preset),
    ),
    Property::new(
        "target-bitrate",
        |name, d| {
            uint(
                name,
                "Target bitrate",
                "Target bitrate in kbit/s; selects VBR, or CBR when max-bitrate is the same \
                 (0 = use crf or cqp)",
                (0, 100_000),
                d.target_bitrate,
            )
            .mutable_playing()
            .build()
        },
        stored!(target_bitrate),
    ),
    Property::new(
        "max-bitrate",
        |name, d| {
            uint(
                name,
                "Maximum bitrate",
                "Maximum bitrate in kbit/s; CBR when equal to target-bitrate (0 = none)",
                (0, 100_000),
                d.max_bitrate,
            )
            .mutable_playing()
            .build()
        },
        stored!(max_bitrate),
    ),
    Property::new(
        "max-qp-allowed",
        |name, d| {
            uint(
                name,
                "Maximum QP",
                "Highest quantizer in VBR and CBR",
                (0, 63),
                d.max_qp,
            )
            .mutable_ready()
            .build()
        },
        stored!(max_qp),
    ),
    Property::new(
        "min-qp-allowed",
        |name, d| {
            uint(
                name,
                "Minimum QP",
                "Lowest quantizer in VBR and CBR",
                (0, 63),
                d.min_qp,
            )
            .mutable_ready()
            .build()
        },
        stored!(min_qp),
    ),
    Property::new(
        "cqp",
        |name, d| {
            int(
                name,
                "Constant QP",
                "Constant quantizer; used when crf is -1 (-1 = off)",
                (-1, 63),
                d.cqp,
            )
        },
        stored!(cqp),
    ),
    Property::new(
        "crf",
        |name, d| {
            int(
                name,
                "Constant rate factor",
                "Constant rate factor; used without target-bitrate (-1 = off)",
                (-1, 63),
                d.crf,
            )
        },
        stored!(crf),
    ),
    Property::new(
        "maximum-buffer-size",
        |name, d| {
            uint(
                name,
                "Maximum buffer size",
                "Size of the decoder's buffer in milliseconds, for CBR",
                (20, 10_000),
                d.maximum_buffer_size,
            )
            .mutable_ready()
            .build()
        },
        stored!(maximum_buffer_size),
    ),
    Property::new(
        "intra-period-length",
        |name, d| {
            int(
                name,
                "Intra period length",
                "Frames between two key frames: N - 1 for groups of N (-2 = the library's choice, -1 = first frame only)",
                (-2, i32::MAX),
                d.intra_period_length,
            )
        },
        stored!(intra_period_length),
    ),
    Property::new(
        "intra-refresh-type",
        |name, d| {
            glib::ParamSpecEnum::builder_with_default(name, d.intra_refresh_type)
                .nick("Intra refresh type")
                .blurb("Whether groups of pictures are open (CRA: begun by intra-only frames, which are no sync points) or closed (IDR: begun by key frames)")
                .mutable_ready()
                .build()
        },
        stored!(intra_refresh_type),
    ),
    Property::new(
        "level-of-parallelism",
        |name, d| {
            uint(name, "Level of parallelism", "How many threads and buffers the library uses, 1 (few) to 6 (many); from SVT-AV1 3.0 on (0 = automatic)", (0, 6), d.level_of_parallelism)
            .mutable_ready()
            .build()
        },
        stored!(level_of_parallelism),
    ),
    Property::new(
        "logical-processors",
        |name, d| {
            uint(
                name,
                "Logical processors",
                "Processors to use before SVT-AV1 3.0; use level-of-parallelism from 3.0 on (0 = all)",
                (0, u32::MAX),
                d.logical_processors,
            )
            .mutable_ready()
            .deprecated()
            .build()
        },
        stored!(logical_processors),
    ),
    Property::new(
        "target-socket",
        |name, d| {
            int(
                name,
                "Target socket",
                "CPU socket to run on, before SVT-AV1 4.0 (-1 = all)",
                (-1, 15),
                d.target_socket,
            )
        },
        stored!(target_socket),
    ),
    Property::new(
        "parameters-string",
        |name, _| {
            glib::ParamSpecString::builder(name)
                .nick("Parameters string")
                .blurb("Further parameters of the library, key=value:key=value; an unknown one is an error")
                .mutable_ready()
                .build()
        },
        stored!(parameters_string),
    ),
    Property::new(
        "low-latency",
        |name, d| {
            glib::ParamSpecBoolean::builder(name)
                .nick("Low latency")
                .blurb("Low-delay prediction: each frame is output as soon as it is encoded, without waiting for later ones")
                .default_value(d.low_latency)
                .mutable_ready()
                .build()
        },
        stored!(low_latency),
    ),
];

fn uint<'a>(
    name: &'a str,
    nick: &'a str,
    blurb: &'a str,
    (min, max): (u32, u32),
    default: u32,
) -> glib::ParamSpecUIntBuilder<'a> {
    glib::ParamSpecUInt::builder(name)
        .nick(nick)
        .blurb(blurb)
        .minimum(min)
        .maximum(max)
        .default_value(default)
}

fn int(
    name: &str,
    nick: &str,
    blurb: &str,
    (min, max): (i32, i32),
    default: i32,
) -> glib::ParamSpec {
    glib::ParamSpecInt::builder(name)
        .nick(nick)
        .blurb(blurb)
        .minimum(min)
        .maximum(max)
        .default_value(default)
        .mutable_ready()
        .build()
}

impl Settings {
    /// The rate control that these properties select, by the rules of `svtav1enc`.
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
    /// [`CodecError::Settings`] naming the part of `parameters-string` that is not
    /// `key=value`.
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

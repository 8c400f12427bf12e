// SPDX-License-Identifier: MPL-2.0
//! Source caps of pictures. Size, format, colours and HDR metadata are those of
//! the bitstream; fields that it does not specify are taken from upstream, and those
//! missing there too are GStreamer's defaults for the size.

use av1::ChromaPosition;
use codecwatch_av1 as av1;
use codecwatch_dav1d as dav1d;
use codecwatch_element::video_decoder::container_hdr::{self, CONTENT_LIGHT, MASTERING_DISPLAY};
use dav1d::{Chroma, PictureShape};
use gst_video::{
    VideoChromaSite, VideoColorMatrix, VideoColorPrimaries, VideoColorRange, VideoColorimetry,
    VideoFormat, VideoInfo, VideoMasteringDisplayInfoCoordinate, VideoTransferFunction,
};

/// The properties of a picture that caps describe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Description {
    pub(super) shape: PictureShape,
    mastering_display: Option<av1::MasteringDisplay>,
    content_light: Option<av1::ContentLight>,
}

impl Description {
    pub(super) fn of(picture: &dav1d::Picture) -> Self {
        Self {
            shape: *picture.shape(),
            mastering_display: picture.mastering_display,
            content_light: picture.content_light,
        }
    }

    /// `proposal`: format and size of the picture combined with upstream's fields by
    /// the base class; `upstream`: the caps of upstream.
    pub(super) fn info(
        &self,
        proposal: &VideoInfo,
        upstream: &gst::CapsRef,
    ) -> Result<VideoInfo, gst::glib::BoolError> {
        let default =
            VideoInfo::builder(proposal.format(), proposal.width(), proposal.height()).build()?;
        let color = &self.shape.color;
        // From 1.24 on a proposal made from encoded caps has no chroma site.
        let site = [chroma_site(color), said_chroma_site(upstream)]
            .into_iter()
            .find(|site| *site != VideoChromaSite::empty())
            .unwrap_or(default.chroma_site());
        VideoInfo::builder_from_info(proposal)
            .colorimetry(&colorimetry(
                color,
                &proposal.colorimetry(),
                &default.colorimetry(),
            ))
            .chroma_site(site)
            .build()
    }

    /// Adds what a `VideoInfo` cannot express. `upstream`: the caps of the input.
    pub(super) fn add_hdr(&self, caps: &mut gst::CapsRef, upstream: &gst::CapsRef) {
        match &self.mastering_display {
            Some(display) => mastering_display(display).add_to_caps(caps),
            None => container_hdr::restore(MASTERING_DISPLAY, upstream, caps),
        }
        match self.content_light {
            Some(light) => {
                gst_video::VideoContentLightLevel::new(light.max, light.max_frame_average)
                    .add_to_caps(caps);
            }
            None => container_hdr::restore(CONTENT_LIGHT, upstream, caps),
        }
    }
}

/// The format of pictures of this shape.
///
/// Not all versions of GStreamer have a planar format for gray of 10 or 12 bits, so
/// these come out as 4:2:0 with neutral chroma: every sample keeps its value, and
/// every element supports the format.
pub(super) fn video_format(shape: &PictureShape) -> Option<VideoFormat> {
    let planar = match (shape.chroma, shape.bit_depth) {
        (Chroma::Monochrome, 8) => return Some(VideoFormat::Gray8),
        (Chroma::Monochrome | Chroma::Yuv420, _) => "I420",
        (Chroma::Yuv422, 8) => return Some(VideoFormat::Y42b),
        (Chroma::Yuv422, _) => "I422",
        (Chroma::Yuv444, _) if shape.is_gbr() => "GBR",
        (Chroma::Yuv444, _) => "Y444",
    };
    let byte_order = if cfg!(target_endian = "big") {
        "BE"
    } else {
        "LE"
    };
    match shape.bit_depth {
        8 => planar.parse().ok(),
        depth => format!("{planar}_{depth}{byte_order}").parse().ok(),
    }
}

/// Whether pictures of this shape get chroma planes that dav1d did not decode.
pub(super) fn lacks_chroma(shape: &PictureShape) -> bool {
    shape.chroma == Chroma::Monochrome && shape.bit_depth > 8
}

/// Every output format.
pub(super) fn video_formats() -> Vec<VideoFormat> {
    let mut formats = Vec::new();
    for chroma in [
        Chroma::Yuv420,
        Chroma::Yuv422,
        Chroma::Yuv444,
        Chroma::Monochrome,
    ] {
        for matrix in [av1::Color::UNSPECIFIED, av1::Color::MATRIX_IDENTITY] {
            for bit_depth in [8, 10, 12] {
                let color = av1::Color {
                    matrix,
                    ..av1::Color::default()
                };
                let shape = PictureShape {
                    width: 1,
                    height: 1,
                    chroma,
                    bit_depth,
                    color,
                };
                formats.extend(video_format(&shape).filter(|format| !formats.contains(format)));
            }
        }
    }
    formats
}

fn colorimetry(
    color: &av1::Color,
    upstream: &VideoColorimetry,
    default: &VideoColorimetry,
) -> VideoColorimetry {
    let matrix = [
        VideoColorMatrix::from_iso(color.matrix.into()),
        upstream.matrix(),
    ];
    let transfer = [
        VideoTransferFunction::from_iso(color.transfer.into()),
        upstream.transfer(),
    ];
    let primaries = [
        VideoColorPrimaries::from_iso(color.primaries.into()),
        upstream.primaries(),
    ];
    let range = if color.full_range {
        VideoColorRange::Range0_255
    } else {
        VideoColorRange::Range16_235
    };
    VideoColorimetry::new(
        range,
        first_known(matrix, VideoColorMatrix::Unknown, default.matrix()),
        first_known(transfer, VideoTransferFunction::Unknown, default.transfer()),
        first_known(primaries, VideoColorPrimaries::Unknown, default.primaries()),
    )
}

fn first_known<V: PartialEq + Copy>(values: [V; 2], unknown: V, default: V) -> V {
    let known = values.into_iter().find(|value| *value != unknown);
    known.unwrap_or(default)
}

fn said_chroma_site(caps: &gst::CapsRef) -> VideoChromaSite {
    caps.structure(0)
        .and_then(|caps| caps.get::<&str>("chroma-site").ok())
        .and_then(|site| site.parse().ok())
        .unwrap_or(VideoChromaSite::empty())
}

/// GStreamer's names specify the axis on which chroma is cosited with luma.
fn chroma_site(color: &av1::Color) -> VideoChromaSite {
    match color.chroma_position {
        ChromaPosition::Left => VideoChromaSite::H_COSITED,
        ChromaPosition::TopLeft => VideoChromaSite::COSITED,
        ChromaPosition::Unknown => VideoChromaSite::empty(),
    }
}

/// From the fixed point of AV1 to the units of GStreamer (and of HEVC): 0.00002
/// for chromaticities, 0.0001 cd/m² for luminances.
fn mastering_display(display: &av1::MasteringDisplay) -> gst_video::VideoMasteringDisplayInfo {
    let point = |[x, y]: [u16; 2]| VideoMasteringDisplayInfoCoordinate {
        x: scaled(x.into(), 16, 50_000) as u16,
        y: scaled(y.into(), 16, 50_000) as u16,
    };
    gst_video::VideoMasteringDisplayInfo::new(
        display.primaries.map(point),
        point(display.white_point),
        scaled(display.max_luminance, 8, 10_000),
        scaled(display.min_luminance, 14, 10_000),
    )
}

/// Converts a fixed-point number to units of 1/`units`, rounded.
fn scaled(value: u32, fraction_bits: u32, units: u64) -> u32 {
    let half = 1 << (fraction_bits - 1);
    let rounded = (u64::from(value) * units + half) >> fraction_bits;
    u32::try_from(rounded).unwrap_or(u32::MAX)
}

/// The framings of AV1 that the element accepts.
pub(super) fn sink_caps() -> gst::Caps {
    gst::Caps::builder_full()
        .structure(
            gst::Structure::builder("video/x-av1")
                .field("stream-format", "obu-stream")
                .field("alignment", gst::List::new(["tu", "frame"]))
                .build(),
        )
        .structure(
            gst::Structure::builder("video/x-av1")
                .field("stream-format", "annexb")
                .field("alignment", "tu")
                .build(),
        )
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(chroma: Chroma, bit_depth: u8, color: av1::Color) -> PictureShape {
        PictureShape {
            width: 320,
            height: 240,
            chroma,
            bit_depth,
            color,
        }
    }

    fn info(color: av1::Color, caps: &str) -> VideoInfo {
        gst::init().unwrap();
        let description = Description {
            shape: shape(Chroma::Yuv420, 8, color),
            mastering_display: None,
            content_light: None,
        };
        // As the base class does: upstream's colours, known or not.
        let caps = caps.parse::<gst::Caps>().unwrap();
        let upstream = VideoInfo::from_caps(&caps).unwrap();
        let proposal = VideoInfo::builder(VideoFormat::I420, 320, 240)
            .colorimetry(&upstream.colorimetry())
            .chroma_site(upstream.chroma_site())
            .build()
            .unwrap();
        description.info(&proposal, &caps).unwrap()
    }

    #[test]
    fn every_shape_has_a_format_and_the_list_names_them_all() {
        gst::init().unwrap();
        let expected = [
            "I420",
            "I420_10LE",
            "I420_12LE",
            "Y42B",
            "I422_10LE",
            "I422_12LE",
            "Y444",
            "Y444_10LE",
            "Y444_12LE",
            "GBR",
            "GBR_10LE",
            "GBR_12LE",
            "GRAY8",
        ];
        let names: Vec<_> = video_formats()
            .iter()
            .map(|format| format.to_string().replace("BE", "LE"))
            .collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn the_bitstream_says_what_the_colours_are_and_upstream_what_it_leaves_open() {
        let bt2020 = av1::Color {
            primaries: 9,
            transfer: 16,
            matrix: 9,
            full_range: false,
            chroma_position: ChromaPosition::TopLeft,
        };
        let caps = "video/x-av1,colorimetry=bt709,chroma-site=mpeg2";
        let own = info(bt2020, caps);
        assert_eq!(own.colorimetry().to_string(), "bt2100-pq");
        assert_eq!(own.chroma_site(), VideoChromaSite::COSITED);

        let open = info(av1::Color::default(), caps);
        assert_eq!(open.colorimetry().to_string(), "bt709");
        assert_eq!(open.chroma_site(), VideoChromaSite::H_COSITED);

        let nobody = info(av1::Color::default(), "video/x-av1");
        assert_eq!(nobody.colorimetry().to_string(), "bt601");

        let full = av1::Color {
            full_range: true,
            ..av1::Color::default()
        };
        assert_eq!(
            info(full, caps).colorimetry().range(),
            VideoColorRange::Range0_255
        );
    }

    #[test]
    fn hdr10_metadata_comes_in_gstreamers_units() {
        gst::init().unwrap();
        // BT.2020 primaries, D65, 1000 and 0.005 cd/m².
        let fixed = |value: f64, bits: u32| (value * f64::from(1 << bits)).round() as u32;
        let point = |x, y| [fixed(x, 16) as u16, fixed(y, 16) as u16];
        let description = Description {
            shape: shape(Chroma::Yuv420, 10, av1::Color::default()),
            mastering_display: Some(av1::MasteringDisplay {
                primaries: [point(0.708, 0.292), point(0.17, 0.797), point(0.131, 0.046)],
                white_point: point(0.3127, 0.329),
                max_luminance: fixed(1000.0, 8),
                min_luminance: fixed(0.005, 14),
            }),
            content_light: Some(av1::ContentLight {
                max: 900,
                max_frame_average: 200,
            }),
        };
        let mut caps = gst::Caps::new_empty_simple("video/x-raw");
        description.add_hdr(caps.make_mut(), &gst::Caps::new_empty());
        let field = |name| caps.structure(0).unwrap().get::<String>(name).unwrap();
        assert_eq!(
            field("mastering-display-info"),
            "35400:14600:8500:39850:6550:2300:15635:16450:10000000:50"
        );
        assert_eq!(field("content-light-level"), "900:200");
    }
}

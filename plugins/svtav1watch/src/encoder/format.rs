// SPDX-License-Identifier: MPL-2.0
//! Converts GStreamer's video format to the encoder's, and the result back to caps.

use codecwatch_av1::SequenceHeader;
use codecwatch_svtav1 as svtav1;
use gst_video::{VideoChromaSite, VideoColorRange, VideoFormat, VideoInfo};

/// Frames per second that the encoder gets when neither the caps nor the first
/// buffer specify it. It affects rate control and levels only.
const FALLBACK_FRAME_RATE: (u32, u32) = (30, 1);

/// The library refuses higher rates.
const HIGHEST_GUESS: u32 = 240;

/// The rate that the encoder gets: that of the caps; if it is variable, the one that
/// follows from the first buffer's duration; at least one frame per second, because
/// the library refuses less.
pub(crate) fn frame_rate(info: &VideoInfo, duration: Option<gst::ClockTime>) -> svtav1::FrameRate {
    let fps = info.fps();
    let (numerator, denominator) = match (fps.numer(), fps.denom()) {
        (n, d) if n > 0 && d > 0 => (n.unsigned_abs(), d.unsigned_abs()),
        _ => duration
            .and_then(rate_of_duration)
            // A short first frame says little of the others.
            .map(|(n, d)| {
                if n > HIGHEST_GUESS * d {
                    (HIGHEST_GUESS, 1)
                } else {
                    (n, d)
                }
            })
            .unwrap_or(FALLBACK_FRAME_RATE),
    };
    if numerator < denominator {
        svtav1::FrameRate {
            numerator: 1,
            denominator: 1,
        }
    } else {
        svtav1::FrameRate {
            numerator,
            denominator,
        }
    }
}

/// The common rate whose frame duration is about the same: durations are rounded to
/// nanoseconds, or to milliseconds by some containers.
fn rate_of_duration(duration: gst::ClockTime) -> Option<(u32, u32)> {
    const USUAL: [(u32, u32); 12] = [
        (24_000, 1001),
        (24, 1),
        (25, 1),
        (30_000, 1001),
        (30, 1),
        (48, 1),
        (50, 1),
        (60_000, 1001),
        (60, 1),
        (100, 1),
        (120, 1),
        (15, 1),
    ];
    let nanoseconds = duration.nseconds();
    if nanoseconds == 0 {
        return None;
    }
    let near = |&&(n, d): &&(u32, u32)| {
        let exact = u64::from(d) * 1_000_000_000 / u64::from(n);
        exact.abs_diff(nanoseconds) <= 1_000
    };
    USUAL.iter().find(near).copied().or_else(|| {
        // A frame of a thousand seconds or more has a (small) rate, too.
        let per_thousand_seconds = u32::try_from(1_000_000_000_000 / nanoseconds).ok()?;
        Some((per_thousand_seconds.max(1), 1000))
    })
}

/// The colour description of a format.
pub(crate) fn color(info: &VideoInfo) -> (svtav1::Color, svtav1::ChromaPosition) {
    let colorimetry = info.colorimetry();
    let color = svtav1::Color {
        primaries: code_point(colorimetry.primaries().to_iso()),
        transfer: code_point(colorimetry.transfer().to_iso()),
        matrix: code_point(colorimetry.matrix().to_iso()),
        full_range: colorimetry.range() == VideoColorRange::Range0_255,
    };
    (color, chroma_position(info.chroma_site()))
}

/// 2 is "unspecified" in all three tables of H.273.
fn code_point(iso: u32) -> u8 {
    match u8::try_from(iso) {
        Ok(0) | Err(_) => 2,
        Ok(code) => code,
    }
}

/// AV1 has two positions, both horizontally cosited (AV1 specification, 6.4.2);
/// GStreamer's names say on which axis chroma is cosited.
fn chroma_position(site: VideoChromaSite) -> svtav1::ChromaPosition {
    if site == VideoChromaSite::H_COSITED {
        svtav1::ChromaPosition::Left
    } else if site == VideoChromaSite::COSITED {
        svtav1::ChromaPosition::TopLeft
    } else {
        svtav1::ChromaPosition::Unknown
    }
}

/// HDR10 metadata of the caps, if they have any.
pub(crate) fn hdr(
    caps: &gst::CapsRef,
) -> (
    Option<svtav1::MasteringDisplay>,
    Option<svtav1::ContentLight>,
) {
    let mastering = gst_video::VideoMasteringDisplayInfo::from_caps(caps)
        .ok()
        .map(|info| svtav1::MasteringDisplay {
            primaries: info.display_primaries().map(|point| (point.x, point.y)),
            white_point: (info.white_point().x, info.white_point().y),
            max_luminance: info.max_display_mastering_luminance(),
            min_luminance: info.min_display_mastering_luminance(),
        });
    let light = gst_video::VideoContentLightLevel::from_caps(caps)
        .ok()
        .map(|info| svtav1::ContentLight {
            max: info.max_content_light_level(),
            max_average: info.max_frame_average_light_level(),
        });
    (mastering, light)
}

/// Bits per sample of the formats that the sink pad accepts.
pub(crate) fn bit_depth(info: &VideoInfo) -> svtav1::BitDepth {
    match info.format() {
        VideoFormat::I42010le => svtav1::BitDepth::Ten,
        _ => svtav1::BitDepth::Eight,
    }
}

/// The source caps, with everything that muxers require.
pub(crate) fn src_caps(sequence: &SequenceHeader) -> gst::Caps {
    let depth = u32::from(sequence.bit_depth());
    let mut builder = gst::Caps::builder("video/x-av1")
        .field("stream-format", "obu-stream")
        .field("alignment", "tu")
        .field("parsed", true)
        .field("profile", profile(sequence.profile))
        .field("tier", if sequence.high_tier { "high" } else { "main" })
        .field("chroma-format", chroma_format(sequence))
        .field("bit-depth-luma", depth)
        .field("bit-depth-chroma", depth)
        .field("codec_data", gst::Buffer::from_slice(sequence.av1c()));
    if let Some((major, minor)) = sequence.level() {
        builder = builder.field("level", format!("{major}.{minor}"));
    }
    builder.build()
}

/// The names that GStreamer's AV1 caps use.
fn profile(number: u8) -> &'static str {
    match number {
        0 => "main",
        1 => "high",
        _ => "professional",
    }
}

fn chroma_format(sequence: &SequenceHeader) -> &'static str {
    match (
        sequence.monochrome,
        sequence.chroma_subsampling_x,
        sequence.chroma_subsampling_y,
    ) {
        (true, ..) => "4:0:0",
        (_, true, true) => "4:2:0",
        (_, true, false) => "4:2:2",
        _ => "4:4:4",
    }
}

/// The caps of a stream that has no session yet.
pub(crate) fn bare_src_caps() -> gst::Caps {
    gst::Caps::builder("video/x-av1")
        .field("stream-format", "obu-stream")
        .field("alignment", "tu")
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(fps: (i32, i32)) -> VideoInfo {
        gst::init().unwrap();
        VideoInfo::builder(VideoFormat::I420, 64, 64)
            .fps(gst::Fraction::new(fps.0, fps.1))
            .build()
            .unwrap()
    }

    #[test]
    fn a_variable_rate_is_taken_from_the_first_duration() {
        let ns = gst::ClockTime::from_nseconds;
        let rate = |fps, duration| {
            let rate = frame_rate(&info(fps), duration);
            (rate.numerator, rate.denominator)
        };
        assert_eq!(rate((25, 1), Some(ns(1))), (25, 1));
        assert_eq!(rate((0, 1), Some(ns(33_366_667))), (30_000, 1001));
        assert_eq!(rate((0, 1), Some(ns(40_000_000))), (25, 1));
        assert_eq!(rate((0, 1), Some(ns(14_285_714))), (70_000, 1000));
        assert_eq!(rate((0, 1), None), (30, 1));
        assert_eq!(rate((0, 1), Some(ns(1_000_000))), (240, 1));
        assert_eq!(rate((0, 1), Some(ns(1))), (30, 1));
        assert_eq!(rate((1000, 1), None), (1000, 1), "as the caps say");
    }

    #[test]
    fn a_rate_below_one_frame_per_second_is_told_as_one() {
        let one = svtav1::FrameRate {
            numerator: 1,
            denominator: 1,
        };
        assert_eq!(frame_rate(&info((1, 10)), None), one);
        assert_eq!(
            frame_rate(&info((0, 1)), Some(gst::ClockTime::from_seconds(3600))),
            one
        );
    }

    #[test]
    fn chroma_sites_keep_their_meaning() {
        use svtav1::ChromaPosition::{Left, TopLeft, Unknown};
        assert_eq!(chroma_position(VideoChromaSite::H_COSITED), Left);
        assert_eq!(chroma_position(VideoChromaSite::COSITED), TopLeft);
        assert_eq!(chroma_position(VideoChromaSite::JPEG), Unknown);
        assert_eq!(chroma_position(VideoChromaSite::V_COSITED), Unknown);
    }
}

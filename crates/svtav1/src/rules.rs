// SPDX-License-Identifier: MPL-2.0
//! Which settings each version of the library accepts, without opening a session.
//! What is not checked here (most of the library's own parameters) is checked by the
//! library itself when the session is opened.

use codecwatch_supervisor::CodecError;

use crate::config::{Config, MAX_INTRA_PERIOD};
use crate::effective::{Effective, Mode, PIXELS_4K, Structure};
use crate::remarks::remarks;
use crate::version::Version;

/// When both sides are this long or shorter, the library writes beyond its own
/// memory: "realloc(): invalid next size", at crf 35 and any preset, while pictures
/// with one side of 9 are fine (4.2.0 under glibc's malloc checks, sides 1 to 64).
const TINY: u32 = 8;
const MAX_WIDTH: u32 = 16384;
const MAX_HEIGHT: u32 = 8704;
const MAX_BITRATE: u32 = 100_000_000;
/// The library's default when no bitrate is set.
const DEFAULT_BITRATE: u32 = 2_000_000;
const MAX_QP: i64 = 63;

impl Config {
    /// Checks whether the installed library accepts these settings. Returns sentences
    /// for the settings that it does not follow to the letter, for the caller to warn of.
    ///
    /// # Errors
    /// [`CodecError::Settings`] with settings that would work instead.
    pub fn check(&self) -> Result<Vec<String>, CodecError> {
        let version = Version::installed();
        let effective = Effective::new(self, version);
        check(&effective).map_err(CodecError::Settings)?;
        Ok(remarks(self, &effective))
    }
}

fn check(settings: &Effective) -> Result<(), String> {
    size(settings)?;
    frame_rate(settings)?;
    structure(settings)?;
    bitrates(settings)?;
    quantisers(settings)?;
    rest(settings)
}

fn refuse(settings: &Effective, what: impl std::fmt::Display) -> Result<(), String> {
    Err(format!("SVT-AV1 {} {what}", settings.version))
}

fn size(settings: &Effective) -> Result<(), String> {
    let version = settings.version;
    let (width, height) = (settings.width, settings.height);
    let least = if version.at_least(4, 2) {
        1
    } else if version.at_least(3, 0) {
        4
    } else {
        64
    };
    if width < least || height < least {
        return refuse(
            settings,
            format_args!(
                "encodes from {least}x{least} pixels on, not {width}x{height}: scale or pad the video"
            ),
        );
    }
    if width <= TINY && height <= TINY {
        return refuse(
            settings,
            format_args!(
                "corrupts memory over pictures of {TINY}x{TINY} pixels and less, such as {width}x{height}: \
                 scale or pad the video"
            ),
        );
    }
    if width > MAX_WIDTH || height > MAX_HEIGHT {
        return refuse(
            settings,
            format_args!("encodes up to {MAX_WIDTH}x{MAX_HEIGHT} pixels, not {width}x{height}"),
        );
    }
    if !version.at_least(3, 0) && (width % 2 != 0 || height % 2 != 0) {
        return refuse(
            settings,
            format_args!(
                "encodes even sizes only, not {width}x{height}: pad the video by one pixel"
            ),
        );
    }
    if (width < 64 || height < 64) && settings.mode != Mode::Constant {
        return refuse(
            settings,
            format_args!(
                "keeps no bitrate below 64x64 pixels: use crf or cqp for {width}x{height}"
            ),
        );
    }
    let least_preset = if version.at_least(2, 3) { 5 } else { 8 };
    if settings.pixels() > PIXELS_4K
        && settings.coded_preset() < least_preset
        && !(settings.structure == Structure::AllIntra && version.at_least(4, 2))
    {
        return refuse(
            settings,
            format_args!("encodes {width}x{height} with presets from {least_preset} on"),
        );
    }
    Ok(())
}

fn frame_rate(settings: &Effective) -> Result<(), String> {
    let (numerator, denominator) = (
        u64::from(settings.frame_rate.numerator),
        u64::from(settings.frame_rate.denominator),
    );
    // Before 4.0 the library counts in 1/256 frame per second.
    if numerator == 0 || denominator == 0 || numerator * 256 < denominator {
        return refuse(
            settings,
            format_args!("needs a frame rate, not {numerator}/{denominator}"),
        );
    }
    if numerator > 240 * denominator {
        return refuse(
            settings,
            format_args!("encodes up to 240 frames per second, not {numerator}/{denominator}"),
        );
    }
    Ok(())
}

fn structure(settings: &Effective) -> Result<(), String> {
    let modern = settings.version.at_least(1, 8);
    match (settings.structure, settings.mode) {
        (Structure::AllIntra, _) if !settings.version.at_least(4, 0) => refuse(
            settings,
            "has no all-intra structure: use intra-period-length=0, or pred-struct 1 or 2",
        ),
        (Structure::RandomAccess | Structure::AllIntra, Mode::ConstantBitrate) if modern => refuse(
            settings,
            "keeps a constant bitrate in low delay only: leave pred-struct out or set it to 1, \
             or use a variable bitrate (max-bitrate unlike target-bitrate)",
        ),
        // The library accepts this and hangs.
        (Structure::AllIntra, Mode::Variable) => refuse(
            settings,
            "keeps no bitrate with key frames alone: use crf or cqp, or an intra-period-length \
             above 0",
        ),
        (Structure::LowDelay, Mode::Variable) if modern => refuse(
            settings,
            "has no variable bitrate in low delay: use a constant one (max-bitrate equal to \
             target-bitrate), or crf, or leave low delay off",
        ),
        _ => Ok(()),
    }
}

fn bitrates(settings: &Effective) -> Result<(), String> {
    let target = settings.target_bitrate;
    if target.unwrap_or_default() > MAX_BITRATE || settings.max_bitrate > MAX_BITRATE {
        return refuse(settings, "takes bitrates up to 100000 kbit/s");
    }
    if settings.mode == Mode::Constant {
        if target.is_some() && settings.version.at_least(2, 0) {
            return refuse(
                settings,
                "takes a target bitrate or a constant quality (crf, cqp), not both",
            );
        }
        return Ok(());
    }
    if !settings.adaptive {
        return refuse(
            settings,
            "cannot keep a bitrate with adaptive quantisation off: leave aq-mode out",
        );
    }
    if settings.max_bitrate == 0 || settings.ignores_maximum() {
        return Ok(());
    }
    if settings.version.at_least(1, 8) {
        return refuse(
            settings,
            "takes no max-bitrate beside a variable target-bitrate: leave max-bitrate out, or set \
             it equal to target-bitrate for a constant bitrate",
        );
    }
    if settings.max_bitrate <= target.unwrap_or(DEFAULT_BITRATE) {
        return refuse(settings, "needs a max-bitrate above the target-bitrate");
    }
    Ok(())
}

fn quantisers(settings: &Effective) -> Result<(), String> {
    if settings.mode == Mode::Constant {
        return Ok(());
    }
    // Before 4.0 the library needs room above the smallest.
    let most = if settings.version.at_least(4, 0) {
        MAX_QP
    } else {
        MAX_QP - 1
    };
    let (min, max) = (settings.min_qp, settings.max_qp);
    if min > most || max > MAX_QP || min.max(1) > max {
        return refuse(
            settings,
            format_args!(
                "needs min-qp-allowed up to {most} and not above max-qp-allowed, not {min} to {max}"
            ),
        );
    }
    Ok(())
}

fn rest(settings: &Effective) -> Result<(), String> {
    let version = settings.version;
    let period = settings.intra_period;
    let longest = i64::from(MAX_INTRA_PERIOD);
    if period < -2 || (period > longest && settings.mode == Mode::Constant) {
        return refuse(
            settings,
            format_args!("takes an intra-period-length from -2 to {longest}, not {period}"),
        );
    }
    if period == -1 && settings.coded_mode() == Mode::Variable {
        return refuse(
            settings,
            "needs key frames to keep a variable bitrate: set intra-period-length to -2 or a \
             number of frames",
        );
    }
    if !(20..=10_000).contains(&settings.buffer_size) {
        return refuse(settings, "takes a maximum-buffer-size from 20 to 10000 ms");
    }
    if settings.matrix == 0 {
        return refuse(
            settings,
            "encodes 4:2:0, which has no identity (RGB) matrix: convert the video or mend its colorimetry",
        );
    }
    if !version.at_least(4, 0) && !(-1..=1).contains(&settings.target_socket) {
        return refuse(settings, "takes a target-socket of -1, 0 or 1");
    }
    if settings.passes != 0 {
        return refuse(settings, "encodes a stream in one pass: leave pass out");
    }
    Ok(())
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;

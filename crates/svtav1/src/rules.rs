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
                "needs at least {least}x{least} pixels, the video has {width}x{height}: scale or pad it"
            ),
        );
    }
    if width <= TINY && height <= TINY {
        return refuse(
            settings,
            format_args!(
                "corrupts memory with {TINY}x{TINY} pixels or less, the video has {width}x{height}: \
                 scale or pad it"
            ),
        );
    }
    if width > MAX_WIDTH || height > MAX_HEIGHT {
        return refuse(
            settings,
            format_args!(
                "supports at most {MAX_WIDTH}x{MAX_HEIGHT} pixels, the video has {width}x{height}: scale it down"
            ),
        );
    }
    if !version.at_least(3, 0) && (width % 2 != 0 || height % 2 != 0) {
        return refuse(
            settings,
            format_args!(
                "supports only an even width and height, the video has {width}x{height}: pad it by one pixel"
            ),
        );
    }
    if (width < 64 || height < 64) && settings.mode != Mode::Constant {
        return refuse(
            settings,
            format_args!(
                "needs at least 64x64 pixels for a target bitrate, the video has {width}x{height}: use crf or cqp"
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
            format_args!(
                "needs a preset of at least {least_preset} for {width}x{height} pixels, not {}",
                settings.preset
            ),
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
    let too_low = numerator == 0 || denominator == 0 || numerator * 256 < denominator;
    if too_low || numerator > 240 * denominator {
        return refuse(
            settings,
            format_args!(
                "supports a frame rate from 1/256 to 240/1, not {numerator}/{denominator}: \
                 convert the video"
            ),
        );
    }
    Ok(())
}

fn structure(settings: &Effective) -> Result<(), String> {
    let modern = settings.version.at_least(1, 8);
    match (settings.structure, settings.mode) {
        (Structure::AllIntra, _) if !settings.version.at_least(4, 0) => refuse(
            settings,
            "does not support the all-intra structure (pred-struct=0): use intra-period-length=0, or \
             pred-struct 1 or 2",
        ),
        (Structure::RandomAccess | Structure::AllIntra, Mode::ConstantBitrate) if modern => refuse(
            settings,
            "supports a constant bitrate only in low delay: omit pred-struct or set it to 1, or omit \
             max-bitrate for a variable bitrate",
        ),
        // The library accepts this and hangs.
        (Structure::AllIntra, Mode::Variable) => refuse(
            settings,
            "does not support a target bitrate if every frame is a key frame: use crf or cqp, or an \
             intra-period-length above 0",
        ),
        (Structure::LowDelay, Mode::Variable) if modern => refuse(
            settings,
            "does not support a variable bitrate in low delay: use a constant one (max-bitrate equal \
             to target-bitrate) or crf, or turn low delay off",
        ),
        _ => Ok(()),
    }
}

fn bitrates(settings: &Effective) -> Result<(), String> {
    let target = settings.target_bitrate;
    let highest = target.unwrap_or_default().max(settings.max_bitrate);
    if highest > MAX_BITRATE {
        let (most, highest) = (MAX_BITRATE / 1000, highest / 1000);
        return refuse(
            settings,
            format_args!("supports bitrates up to {most} kbit/s, not {highest} kbit/s"),
        );
    }
    if settings.mode == Mode::Constant {
        if target.is_some() && settings.version.at_least(2, 0) {
            return refuse(
                settings,
                "supports a target bitrate or a constant quality (crf, cqp), not both: omit one of them",
            );
        }
        return Ok(());
    }
    if !settings.adaptive {
        return refuse(
            settings,
            "needs adaptive quantisation for a target bitrate: omit aq-mode",
        );
    }
    if settings.max_bitrate == 0 || settings.ignores_maximum() {
        return Ok(());
    }
    if settings.version.at_least(1, 8) {
        return refuse(
            settings,
            "does not support max-bitrate with a variable bitrate: omit max-bitrate, or set it equal \
             to target-bitrate for a constant bitrate",
        );
    }
    let target = target.unwrap_or(DEFAULT_BITRATE);
    if settings.max_bitrate <= target {
        let (max, target) = (settings.max_bitrate / 1000, target / 1000);
        return refuse(
            settings,
            format_args!(
                "needs a max-bitrate above the target-bitrate of {target} kbit/s, not {max} kbit/s"
            ),
        );
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
                "needs min-qp-allowed from 0 to {most} and max-qp-allowed from 1 to {MAX_QP}, the minimum \
                 not above the maximum; they are {min} and {max}"
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
            format_args!("supports an intra-period-length from -2 to {longest}, not {period}"),
        );
    }
    if period == -1 && settings.coded_mode() == Mode::Variable {
        return refuse(
            settings,
            "needs more than one key frame for a variable bitrate, intra-period-length is -1: set it to \
             -2 or a number of frames",
        );
    }
    if !(20..=10_000).contains(&settings.buffer_size) {
        return refuse(
            settings,
            format_args!(
                "supports a maximum-buffer-size from 20 to 10000 ms, not {} ms",
                settings.buffer_size
            ),
        );
    }
    if settings.matrix == 0 {
        return refuse(
            settings,
            "encodes 4:2:0, which excludes the identity (RGB) matrix: convert the video or correct the \
             colorimetry of its caps",
        );
    }
    if !version.at_least(4, 0) && !(-1..=1).contains(&settings.target_socket) {
        return refuse(
            settings,
            format_args!(
                "supports a target-socket of -1, 0 or 1, not {}",
                settings.target_socket
            ),
        );
    }
    if settings.passes != 0 {
        return refuse(settings, "can be used here with one pass only: omit pass");
    }
    Ok(())
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;

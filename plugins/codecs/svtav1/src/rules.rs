// SPDX-License-Identifier: MPL-2.0
//! Which settings each version of the library takes, found out without opening
//! a session. What is not checked here (most of the library's own parameters)
//! is refused by the library itself when the session is opened.

use codecwatch_supervisor::CodecError;

use crate::config::{Config, MAX_INTRA_PERIOD};
use crate::effective::{Effective, Mode, PIXELS_4K, Structure};
use crate::remarks::remarks;
use crate::version::Version;

const MAX_WIDTH: u32 = 16384;
const MAX_HEIGHT: u32 = 8704;
const MAX_BITRATE: u32 = 100_000_000;
/// What the library keeps when no bitrate is named.
const DEFAULT_BITRATE: u32 = 2_000_000;
const MAX_QP: i64 = 63;

impl Config {
    /// Whether the installed library takes these settings. Answers in sentences
    /// what it takes but does not do to the letter: the caller's to warn of.
    ///
    /// # Errors
    /// [`CodecError::Settings`] with what would work instead.
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
        // The library takes this and hangs.
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
mod tests {
    use super::*;
    use crate::config::{FrameRate, RateControl};
    use crate::effective::tests::{MIDDLE, NEW, OLD, config, with};

    const VBR: RateControl = RateControl::Vbr {
        target: 500_000,
        max: None,
    };
    const CAPPED: RateControl = RateControl::Vbr {
        target: 500_000,
        max: Some(700_000),
    };
    const CBR: RateControl = RateControl::Cbr { target: 500_000 };

    fn answer(config: &Config, version: Version) -> Result<(), String> {
        check(&Effective::new(config, version))
    }

    #[track_caller]
    fn taken(config: &Config, versions: &[Version]) {
        for &version in versions {
            assert_eq!(answer(config, version), Ok(()));
        }
    }

    #[track_caller]
    fn refused(config: &Config, versions: &[Version], hint: &str) {
        for &version in versions {
            let message = answer(config, version).unwrap_err();
            assert!(message.contains(hint), "{message}");
        }
    }

    fn rated(rate_control: RateControl, low_delay: bool) -> Config {
        Config {
            rate_control,
            low_delay,
            ..config()
        }
    }

    #[test]
    fn defaults_are_taken_everywhere() {
        taken(&config(), &[OLD, MIDDLE, NEW]);
        for rate_control in [
            RateControl::Library,
            RateControl::Crf(0),
            RateControl::Cqp(63),
        ] {
            taken(&rated(rate_control, false), &[OLD, MIDDLE, NEW]);
            taken(&rated(rate_control, true), &[OLD, MIDDLE, NEW]);
        }
    }

    #[test]
    fn variable_bitrate_goes_without_low_delay() {
        taken(&rated(VBR, false), &[OLD, MIDDLE, NEW]);
        taken(&rated(VBR, true), &[OLD]);
        refused(&rated(VBR, true), &[MIDDLE, NEW], "constant");
    }

    #[test]
    fn a_maximum_beside_a_variable_bitrate_is_old() {
        taken(&rated(CAPPED, false), &[OLD]);
        refused(
            &rated(CAPPED, false),
            &[MIDDLE, NEW],
            "leave max-bitrate out",
        );
    }

    #[test]
    fn constant_bitrate_brings_low_delay_with_it() {
        taken(&rated(CBR, false), &[OLD, MIDDLE, NEW]);
        taken(&rated(CBR, true), &[OLD, MIDDLE, NEW]);
        let named = with("rc=2:tbr=500:pred-struct=2");
        taken(&named, &[OLD]);
        refused(&named, &[MIDDLE, NEW], "leave pred-struct out");
    }

    #[test]
    fn sizes_have_limits_by_version() {
        let sized = |width, height| Config {
            width,
            height,
            ..config()
        };
        refused(&sized(62, 64), &[OLD, MIDDLE], "64x64");
        taken(&sized(62, 64), &[NEW]);
        refused(&sized(65, 64), &[OLD, MIDDLE], "even");
        taken(&sized(65, 65), &[NEW]);
        refused(&sized(3, 8), &[Version::new(3, 1, 0)], "4x4");
        taken(&sized(1, 1), &[NEW]);
        refused(&sized(0, 64), &[OLD, MIDDLE, NEW], "from");
        refused(&sized(16386, 64), &[OLD, MIDDLE, NEW], "up to");
        refused(&sized(64, 8706), &[OLD, MIDDLE, NEW], "up to");
        refused(&rated(VBR, false).sized(32, 32), &[NEW], "crf or cqp");
        let slow = Config {
            preset: 4,
            ..sized(7680, 4320)
        };
        refused(&slow, &[OLD, MIDDLE, NEW], "presets from");
        taken(&sized(7680, 4320), &[OLD, MIDDLE, NEW]);
    }

    impl Config {
        fn sized(self, width: u32, height: u32) -> Self {
            Self {
                width,
                height,
                ..self
            }
        }
    }

    #[test]
    fn frame_rates_have_limits() {
        let at = |numerator, denominator| Config {
            frame_rate: FrameRate {
                numerator,
                denominator,
            },
            ..config()
        };
        taken(&at(240, 1), &[OLD, MIDDLE, NEW]);
        taken(&at(1, 2), &[OLD, MIDDLE, NEW]);
        refused(&at(241, 1), &[OLD, MIDDLE, NEW], "240");
        refused(&at(0, 1), &[OLD, MIDDLE, NEW], "frame rate");
        refused(&at(1, 0), &[OLD, MIDDLE, NEW], "frame rate");
        refused(&at(1, 1000), &[OLD, MIDDLE, NEW], "frame rate");
    }

    #[test]
    fn quantisers_have_an_order() {
        let between = |min_qp, max_qp| Config {
            min_qp,
            max_qp,
            ..rated(VBR, false)
        };
        taken(&between(0, 63), &[OLD, MIDDLE, NEW]);
        taken(&between(20, 20), &[OLD, MIDDLE, NEW]);
        refused(&between(30, 20), &[OLD, MIDDLE, NEW], "not 30 to 20");
        refused(&between(63, 63), &[OLD, MIDDLE], "up to 62");
        taken(&between(63, 63), &[NEW]);
        // Without a bitrate nobody looks at them.
        let unheeded = Config {
            rate_control: RateControl::Crf(30),
            ..between(30, 20)
        };
        taken(&unheeded, &[OLD, MIDDLE, NEW]);
    }

    #[test]
    fn what_else_the_library_refuses_is_refused_before() {
        let all = [OLD, MIDDLE, NEW];
        let no_keys = Config {
            intra_period_length: -1,
            ..rated(VBR, false)
        };
        refused(&no_keys, &all, "intra-period-length");
        refused(&with("intra-period=2147483647"), &all, "2147483646");
        refused(&with("pass=1"), &all, "one pass");
        refused(&with("buf-sz=10"), &all, "maximum-buffer-size");
        refused(&with("rc=1:tbr=500:aq-mode=0"), &all, "aq-mode");
        taken(&with("rc=1"), &all);
        taken(&with("tbr=500"), &[OLD]);
        refused(&with("tbr=500"), &[MIDDLE, NEW], "not both");
        refused(&with("rc=1:tbr=500:mbr=500"), &[OLD], "above");
        let mut rgb = config();
        rgb.color.matrix = 0;
        refused(&rgb, &all, "4:2:0");
        let socket = Config {
            target_socket: 3,
            ..config()
        };
        refused(&socket, &[OLD, MIDDLE], "target-socket");
        taken(&socket, &[NEW]);
        refused(&with("pred-struct=0"), &[OLD, MIDDLE], "all-intra");
        taken(&with("pred-struct=0"), &[NEW]);
        let all_keys = Config {
            intra_period_length: 0,
            ..rated(VBR, false)
        };
        taken(&all_keys, &[OLD, MIDDLE]);
        refused(&all_keys, &[NEW], "crf or cqp");
    }
}

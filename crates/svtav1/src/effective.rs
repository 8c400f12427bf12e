// SPDX-License-Identifier: MPL-2.0
//! The effect of a [`Config`] in a given version of the library: with defaults filled
//! in, parameters applied, and the changes that the library makes silently. Rules,
//! latency and capabilities are derived from it, without any session.

use crate::config::{Config, FrameRate, IntraRefresh, MAX_INTRA_PERIOD, RateControl};
use crate::parameters::{bitrate, flag, integer};
use crate::version::Version;

/// The library's three rate controls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Constant rate factor or constant quantiser.
    Constant,
    /// Variable bitrate.
    Variable,
    /// Constant bitrate.
    ConstantBitrate,
}

/// Which pictures may refer to which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Structure {
    /// None to any (from 4.0 on).
    AllIntra,
    /// To earlier ones.
    LowDelay,
    /// To earlier and later ones.
    RandomAccess,
}

/// Pixels of the sizes at which the library's decisions change.
pub(crate) const PIXELS_360P: u64 = 0x4ce00;
pub(crate) const PIXELS_720P: u64 = 0x16da00;
pub(crate) const PIXELS_1080P: u64 = 0x53_5200;
pub(crate) const PIXELS_4K: u64 = 0x140_a000;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Effective {
    pub(crate) version: Version,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) frame_rate: FrameRate,
    /// As requested; see [`coded_preset`](Self::coded_preset).
    pub(crate) preset: i64,
    pub(crate) mode: Mode,
    /// Quantisers vary within a frame; off means constant quantiser.
    pub(crate) adaptive: bool,
    pub(crate) structure: Structure,
    /// `pred-struct` was among the parameters.
    pub(crate) structure_was_named: bool,
    /// Bits per second, if set.
    pub(crate) target_bitrate: Option<u32>,
    /// Bits per second, 0 for none.
    pub(crate) max_bitrate: u32,
    pub(crate) min_qp: i64,
    pub(crate) max_qp: i64,
    pub(crate) buffer_size: i64,
    pub(crate) intra_period: i64,
    pub(crate) refresh: IntraRefresh,
    pub(crate) hierarchical_levels: Option<u32>,
    pub(crate) lookahead: Option<u32>,
    pub(crate) temporal_filter: bool,
    pub(crate) real_time: bool,
    pub(crate) passes: i64,
    pub(crate) matrix: u8,
    pub(crate) target_socket: i64,
    /// Before 3.0, where it is a number of processors and not a level.
    pub(crate) one_processor: bool,
}

impl Effective {
    pub(crate) fn new(config: &Config, version: Version) -> Self {
        let (mode, adaptive, target, max) = match config.rate_control {
            RateControl::Library | RateControl::Crf(_) => (Mode::Constant, true, None, 0),
            RateControl::Cqp(_) => (Mode::Constant, false, None, 0),
            RateControl::Vbr { target, max } => {
                (Mode::Variable, true, Some(target), max.unwrap_or_default())
            }
            RateControl::Cbr { target } => (Mode::ConstantBitrate, true, Some(target), 0),
        };
        let mut effective = Self {
            version,
            width: config.width,
            height: config.height,
            frame_rate: config.frame_rate,
            preset: config.preset.into(),
            mode,
            adaptive,
            structure: if config.low_delay {
                Structure::LowDelay
            } else {
                Structure::RandomAccess
            },
            structure_was_named: false,
            target_bitrate: target,
            max_bitrate: max,
            min_qp: config.min_qp.into(),
            max_qp: config.max_qp.into(),
            buffer_size: config.maximum_buffer_size.into(),
            intra_period: config.intra_period_length.min(MAX_INTRA_PERIOD).into(),
            refresh: config.intra_refresh,
            hierarchical_levels: None,
            lookahead: None,
            temporal_filter: true,
            real_time: false,
            passes: 0,
            matrix: config.color.matrix,
            target_socket: config.target_socket.into(),
            one_processor: config.logical_processors == 1,
        };
        for (name, value) in &config.parameters {
            effective.apply(name, value);
        }
        effective.settle();
        effective
    }

    /// Applies one parameter. A value that cannot be parsed has no effect here: the
    /// library refuses it when the session is opened.
    fn apply(&mut self, name: &str, value: &str) {
        let number = || integer(value);
        let unsigned = || integer(value).and_then(|value| u32::try_from(value).ok());
        match name {
            "preset" => set(&mut self.preset, number()),
            "rc" => self.apply_rate_control(value),
            "crf" => (self.mode, self.adaptive) = (Mode::Constant, true),
            "cqp" => (self.mode, self.adaptive) = (Mode::Constant, false),
            "lossless" if flag(value) == Some(true) => {
                (self.mode, self.adaptive) = (Mode::Constant, false);
            }
            "aq-mode" => set(&mut self.adaptive, number().map(|mode| mode != 0)),
            "pred-struct" => {
                let structure = match value {
                    "0" | "ai" | "all-intra" => Some(Structure::AllIntra),
                    "1" | "ld" | "low-delay" => Some(Structure::LowDelay),
                    "2" | "ra" | "random-access" => Some(Structure::RandomAccess),
                    _ => None,
                };
                self.structure_was_named |= structure.is_some();
                set(&mut self.structure, structure);
            }
            "tbr" => self.target_bitrate = bitrate(value).or(self.target_bitrate),
            "mbr" => set(&mut self.max_bitrate, bitrate(value)),
            "min-qp" => set(&mut self.min_qp, number()),
            "max-qp" => set(&mut self.max_qp, number()),
            "buf-sz" => set(&mut self.buffer_size, number()),
            "intra-period" => set(&mut self.intra_period, number()),
            "keyint" => {
                let period = self.key_interval(value);
                set(&mut self.intra_period, period);
            }
            "irefresh-type" => {
                let refresh = match value {
                    "1" | "cra" | "fwdkf" => Some(IntraRefresh::Cra),
                    "2" | "idr" | "kf" => Some(IntraRefresh::Idr),
                    _ => None,
                };
                set(&mut self.refresh, refresh);
            }
            "hierarchical-levels" => self.hierarchical_levels = unsigned(),
            "lookahead" => self.lookahead = unsigned(),
            "enable-tf" => set(&mut self.temporal_filter, flag(value)),
            "rtc" => set(&mut self.real_time, flag(value)),
            "pass" => set(&mut self.passes, number()),
            "ss" => set(&mut self.target_socket, number()),
            "lp" => self.one_processor = number() == Some(1),
            _ => {}
        }
    }

    /// In frames, including the key frame (unlike an intra period), or in seconds.
    fn key_interval(&self, value: &str) -> Option<i64> {
        if let Some(seconds) = value.strip_suffix('s') {
            let rate = self.frame_rate;
            let frames = integer(seconds)?.checked_mul(rate.numerator.into())?;
            return frames.checked_div(rate.denominator.into());
        }
        integer(value).map(|frames| if frames < 0 { frames } else { frames - 1 })
    }

    fn apply_rate_control(&mut self, value: &str) {
        match value {
            "0" => self.mode = Mode::Constant,
            "cqp" => (self.mode, self.adaptive) = (Mode::Constant, false),
            "crf" => (self.mode, self.adaptive) = (Mode::Constant, true),
            "1" | "vbr" => self.mode = Mode::Variable,
            "2" | "cbr" => self.mode = Mode::ConstantBitrate,
            _ => {}
        }
    }

    /// Applies what follows from the combination of all settings.
    fn settle(&mut self) {
        // Both here and in `native::configure`: constant bitrate means low delay.
        if self.mode == Mode::ConstantBitrate && !self.structure_was_named {
            self.structure = Structure::LowDelay;
        }
        if self.real_time && self.version.at_least(3, 1) {
            self.structure = Structure::LowDelay;
        }
        if self.version.at_least(4, 0) && self.intra_period == 0 {
            self.structure = Structure::AllIntra;
        }
    }

    pub(crate) fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// The rate control that the library will use.
    pub(crate) fn coded_mode(&self) -> Mode {
        if self.version.at_least(1, 8) {
            return self.mode;
        }
        match (self.mode, self.structure) {
            (Mode::Variable, Structure::LowDelay) => Mode::ConstantBitrate,
            (Mode::ConstantBitrate, Structure::RandomAccess) => Mode::Variable,
            (mode, _) => mode,
        }
    }

    /// Whether the library will ignore the maximum bitrate.
    pub(crate) fn ignores_maximum(&self) -> bool {
        self.version.at_least(4, 0) && self.structure != Structure::RandomAccess
    }

    /// The preset that the library will use: each version has its own numbering and
    /// replaces a preset that it lacks by the nearest one.
    pub(crate) fn coded_preset(&self) -> i64 {
        let version = self.version;
        let low_delay = self.structure == Structure::LowDelay;
        let real_time = self.real_time && version.at_least(3, 1);
        let large = self.structure == Structure::RandomAccess && self.pixels() >= PIXELS_1080P;
        let most = if version.at_least(4, 0) {
            match (self.structure, real_time) {
                (Structure::AllIntra, _) if version.at_least(4, 1) => 9,
                (Structure::AllIntra, _) => 12,
                (_, true) if version.at_least(4, 2) => 13,
                (_, true) => 12,
                _ if large => 9,
                _ => 11,
            }
        } else if version.at_least(3, 0) {
            match (real_time, large) {
                (true, _) => 12,
                (_, true) => 9,
                _ => 10,
            }
        } else if version.at_least(2, 3) {
            if large { 10 } else { 11 }
        } else if large && version.at_least(1, 6) {
            11
        } else if self.pixels() < PIXELS_360P && !version.at_least(2, 1) {
            12
        } else {
            13
        };
        let least = if version.at_least(3, 1) {
            real_time.then_some(7)
        } else if version.at_least(2, 3) {
            low_delay.then_some(7)
        } else {
            low_delay.then_some(8)
        };
        let preset = self.preset.min(most);
        least.map_or(preset, |least| preset.max(least))
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const OLD: Version = Version::new(1, 4, 1);
    pub(crate) const MIDDLE: Version = Version::new(2, 3, 0);
    pub(crate) const NEW: Version = Version::new(4, 2, 0);

    pub(crate) fn config() -> Config {
        let frame_rate = FrameRate {
            numerator: 30,
            denominator: 1,
        };
        Config::new(320, 240, frame_rate)
    }

    pub(crate) fn with(parameters: &str) -> Config {
        Config {
            parameters: crate::parse_parameters(parameters).unwrap(),
            ..config()
        }
    }

    #[test]
    fn parameters_override_properties() {
        let config = Config {
            rate_control: RateControl::Vbr {
                target: 500_000,
                max: None,
            },
            ..with("pred-struct=1:rc=2:tbr=800k:preset=0x8:keyint=61:rtc=yes")
        };
        let effective = Effective::new(&config, MIDDLE);
        assert_eq!(effective.structure, Structure::LowDelay);
        assert_eq!(effective.mode, Mode::ConstantBitrate);
        assert_eq!(effective.target_bitrate, Some(800_000));
        assert_eq!(effective.preset, 8);
        assert_eq!(effective.intra_period, 60);
        assert!(effective.real_time);
        assert_eq!(Effective::new(&with("keyint=2s"), NEW).intra_period, 60);
    }

    #[test]
    fn constant_bitrate_means_low_delay_unless_the_structure_is_named() {
        for version in [OLD, MIDDLE, NEW] {
            let config = Config {
                rate_control: RateControl::Cbr { target: 500_000 },
                ..config()
            };
            let effective = Effective::new(&config, version);
            assert_eq!(effective.structure, Structure::LowDelay);
            let named = Config {
                parameters: vec![("pred-struct".into(), "2".into())],
                ..config
            };
            let effective = Effective::new(&named, version);
            assert_eq!(effective.structure, Structure::RandomAccess);
        }
    }

    #[test]
    fn unreadable_parameters_change_nothing() {
        let effective = Effective::new(&with("preset=fast:pred-struct=x:nonsense=1"), NEW);
        assert_eq!(effective.preset, 10);
        assert_eq!(effective.structure, Structure::RandomAccess);
    }

    #[test]
    fn presets_are_numbered_as_each_library_does() {
        let preset = |version, preset, low_delay, size: (u32, u32)| {
            let config = Config {
                preset,
                low_delay,
                width: size.0,
                height: size.1,
                ..config()
            };
            Effective::new(&config, version).coded_preset()
        };
        assert_eq!(preset(OLD, 13, false, (320, 240)), 12);
        assert_eq!(preset(OLD, 13, false, (1280, 720)), 13);
        assert_eq!(preset(OLD, 3, true, (320, 240)), 8);
        assert_eq!(preset(MIDDLE, 13, false, (320, 240)), 11);
        assert_eq!(preset(MIDDLE, 13, false, (3840, 2160)), 10);
        assert_eq!(preset(MIDDLE, 3, true, (320, 240)), 7);
        assert_eq!(preset(NEW, 13, false, (320, 240)), 11);
        assert_eq!(preset(NEW, 13, false, (3840, 2160)), 9);
        assert_eq!(preset(NEW, 3, true, (320, 240)), 3);
    }
}

// SPDX-License-Identifier: MPL-2.0
//! How many frames the library holds. `tests/latency.rs` measures it on the
//! installed library and compares.

use crate::config::{Config, IntraRefresh};
use crate::effective::{Effective, Mode, PIXELS_4K, PIXELS_720P, Structure};
use crate::version::Version;

/// The library refuses a longer one.
const MAX_LOOKAHEAD: u32 = 120;

impl Config {
    /// Latency in frames at a steady rate: the frame that waits longest comes out when
    /// this many more have gone in.
    ///
    /// This is also the maximum that the library holds while no more input comes. It
    /// depends neither on the frame rate nor on the speed of the encoder.
    ///
    /// The figure equals the measured one, except where the library shortens groups of
    /// pictures and holds less: with an intra period shorter than the lookahead, and
    /// with some of its own parameters (`enable-overlays`, `startup-mg-size`,
    /// `resize-mode`, `superres-mode`).
    pub fn latency_frames(&self) -> u32 {
        frames(&Effective::new(self, Version::installed()))
    }
}

fn frames(settings: &Effective) -> u32 {
    match settings.structure {
        // Before 1.6 even this structure waits for a frame to see whether the stream
        // has ended.
        Structure::LowDelay => u32::from(!settings.version.at_least(1, 6)),
        Structure::AllIntra => 0,
        Structure::RandomAccess => random_access(settings),
    }
}

/// The sum of the groups of pictures in the lookahead, the frames that the temporal
/// filter or the scene change detection waits for, and one frame to see whether the
/// stream has ended.
fn random_access(settings: &Effective) -> u32 {
    let levels = hierarchical_levels(settings);
    let delay = filter_delay(settings, levels);
    let groups = 1 + lookahead_groups(settings, levels, delay);
    // Forward key frames use four levels, whatever the lookahead was computed for.
    let levels = match settings.refresh {
        IntraRefresh::Cra => 4,
        IntraRefresh::Idr => levels,
    };
    let looked_at = groups * (1 << levels);
    let Ok(period @ 0..) = u32::try_from(settings.intra_period) else {
        return looked_at + delay + 1;
    };
    if period == 0 {
        // Key frames are filtered over more frames.
        let delay = if settings.version.at_least(1, 5) {
            delay
        } else {
            6
        };
        return groups + delay + 1;
    }
    if period >= looked_at {
        return looked_at + delay + 1;
    }
    // A key frame ends a group and counts as one, so the lookahead ends with the
    // second at the latest.
    let with_key = period + 1;
    let cut = if groups == 1 {
        with_key.min(looked_at)
    } else {
        (2 * with_key).min(looked_at + 1)
    };
    cut + delay + 1
}

/// A group of pictures in random access has 2^levels frames.
fn hierarchical_levels(settings: &Effective) -> u32 {
    // Any other value selects the default, or is refused.
    if let Some(levels @ 2..=5) = settings.hierarchical_levels {
        return levels;
    }
    let version = settings.version;
    let preset = settings.coded_preset();
    let pixels = settings.pixels();
    let short = if settings.coded_mode() != Mode::Constant {
        true
    } else if version.at_least(4, 0) {
        preset > 8 || (preset == 8 && pixels >= PIXELS_720P) || pixels >= PIXELS_4K
    } else if version.at_least(2, 3) {
        preset > 9 || (preset == 9 && pixels >= PIXELS_720P) || pixels >= PIXELS_4K
    } else {
        preset > 12
    };
    if short { 4 } else { 5 }
}

/// Later frames that must have arrived before a frame is analysed.
fn filter_delay(settings: &Effective, levels: u32) -> u32 {
    /// For scene change detection.
    const TRANSITION: u32 = 2;
    if !settings.temporal_filter {
        return TRANSITION;
    }
    let group = 1 << levels;
    let filtered = if settings.version.at_least(1, 5) {
        7.min(group)
    } else {
        match settings.coded_preset() {
            ..=5 => 6.min(group),
            6..=8 if levels == 5 => 3,
            _ => 2,
        }
    };
    filtered.max(TRANSITION)
}

/// Whole groups of pictures in the lookahead.
fn lookahead_groups(settings: &Effective, levels: u32, delay: u32) -> u32 {
    let group = 1 << levels;
    // Needed by the library's model of temporal dependency.
    let wanted = u32::from(
        settings.adaptive
            && settings.pixels() < PIXELS_4K
            && settings.lookahead.is_none_or(|frames| frames >= group),
    );
    if settings.coded_mode() == Mode::Constant {
        return wanted;
    }
    let by_default = || {
        let one_processor = settings.one_processor && !settings.version.at_least(1, 8);
        let groups = if one_processor { 2 } else { 3 };
        (1 + group) * groups + 7
    };
    let lookahead = settings
        .lookahead
        .unwrap_or_else(by_default)
        .min(MAX_LOOKAHEAD);
    let ahead = lookahead.saturating_sub(1 + delay + 1 + group);
    ((ahead + group.div_ceil(2)) / (group + 1)).max(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RateControl;
    use crate::effective::tests::{MIDDLE, NEW, OLD, config, with};

    #[track_caller]
    fn expect(config: &Config, frames_by_version: [u32; 3]) {
        let figures = [OLD, MIDDLE, NEW].map(|version| frames(&Effective::new(config, version)));
        assert_eq!(figures, frames_by_version, "{config:?}");
    }

    /// Figures measured on 1.4.1, 2.3.0 and 4.2.0.
    #[test]
    fn latency_is_what_was_measured() {
        let preset = |preset, rate_control| Config {
            preset,
            rate_control,
            ..config()
        };
        let (crf, cqp) = (RateControl::Crf(35), RateControl::Cqp(35));
        let vbr = RateControl::Vbr {
            target: 200_000,
            max: None,
        };
        expect(&preset(5, crf), [71, 72, 72]);
        expect(&preset(8, crf), [68, 72, 72]);
        expect(&preset(9, crf), [67, 72, 40]);
        expect(&preset(10, crf), [67, 40, 40]);
        expect(&preset(8, cqp), [36, 40, 40]);
        expect(&preset(10, cqp), [35, 24, 24]);
        expect(&preset(5, vbr), [55, 56, 56]);
        expect(&preset(10, vbr), [51, 56, 56]);
        expect(&preset(10, RateControl::Cbr { target: 200_000 }), [1, 0, 0]);
        expect(&with("pred-struct=1"), [1, 0, 0]);
    }

    #[test]
    fn parameters_that_change_the_lookahead_change_the_latency() {
        expect(&with("lookahead=8"), [35, 24, 24]);
        expect(&with("enable-tf=0"), [67, 35, 35]);
        expect(&with("hierarchical-levels=2"), [11, 13, 13]);
        expect(&with("rc=1:lookahead=60"), [51, 56, 56]);
        expect(&with("rc=1:lookahead=120"), [115, 120, 120]);
        expect(&with("rc=1:hierarchical-levels=5"), [99, 104, 104]);
        expect(&with("rc=1:hierarchical-levels=2"), [19, 17, 17]);
        expect(&with("rc=1:lp=1"), [35, 56, 56]);
        expect(&with("irefresh-type=1"), [35, 40, 40]);
        expect(&with("rtc=1"), [67, 40, 0]);
    }

    #[test]
    fn key_frames_cut_the_lookahead_short() {
        expect(&with("intra-period=0"), [9, 10, 0]);
        expect(&with("intra-period=8"), [21, 26, 26]);
        expect(&with("intra-period=32"), [68, 40, 40]);
        expect(&with("intra-period=16"), [37, 41, 41]);
        expect(&with("intra-period=100"), [67, 40, 40]);
        expect(&with("rc=cqp:intra-period=10"), [14, 19, 19]);
        expect(&with("intra-period=-1"), [67, 40, 40]);
    }
}

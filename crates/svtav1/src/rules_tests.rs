// SPDX-License-Identifier: MPL-2.0
//! Tests of the rules; `rules_against_library` compares them with the installed library.

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
    refused(&rated(CAPPED, false), &[MIDDLE, NEW], "omit max-bitrate");
}

#[test]
fn constant_bitrate_brings_low_delay_with_it() {
    taken(&rated(CBR, false), &[OLD, MIDDLE, NEW]);
    taken(&rated(CBR, true), &[OLD, MIDDLE, NEW]);
    let named = with("rc=2:tbr=500:pred-struct=2");
    taken(&named, &[OLD]);
    refused(&named, &[MIDDLE, NEW], "omit pred-struct");
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
    taken(&sized(1, 9), &[NEW]);
    refused(&sized(8, 8), &[NEW], "8x8");
    refused(&sized(1, 1), &[NEW], "corrupts memory");
    refused(&sized(0, 64), &[OLD, MIDDLE, NEW], "at least");
    refused(&sized(16386, 64), &[OLD, MIDDLE, NEW], "at most");
    refused(&sized(64, 8706), &[OLD, MIDDLE, NEW], "at most");
    refused(&rated(VBR, false).sized(32, 32), &[NEW], "crf or cqp");
    let slow = Config {
        preset: 4,
        ..sized(7680, 4320)
    };
    refused(&slow, &[OLD, MIDDLE, NEW], "a preset of at least");
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
    refused(&between(30, 20), &[OLD, MIDDLE, NEW], "are 30 and 20");
    refused(&between(63, 63), &[OLD, MIDDLE], "from 0 to 62");
    taken(&between(63, 63), &[NEW]);
    // Without a bitrate they are ignored.
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

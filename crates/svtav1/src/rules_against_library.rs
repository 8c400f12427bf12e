// SPDX-License-Identifier: MPL-2.0
//! Compares the rules with the library: each combination is checked by both, and
//! those that are accepted are encoded too.

use std::sync::{Mutex, MutexGuard, PoisonError};

use codecwatch_supervisor::{Codec, CodecError, Lane, Session};

use crate::config::{BitDepth, Config, FrameRate, IntraRefresh, RateControl};
use crate::encode_session::SvtAv1;
use crate::encoder::Encoder;
use crate::picture::{Picture, Plane, Planes};
use crate::{Output, parse_parameters};

const RATE: FrameRate = FrameRate {
    numerator: 30,
    denominator: 1,
};

/// The library opens one at a time.
pub(crate) fn one_at_a_time() -> MutexGuard<'static, ()> {
    static LIBRARY: Mutex<()> = Mutex::new(());
    LIBRARY.lock().unwrap_or_else(PoisonError::into_inner)
}

fn library(config: &Config) -> Result<(), CodecError> {
    let (lane, _outputs) = Lane::<Output>::detached();
    let (encoder, opening) = Encoder::configured(&lane, config, None)?;
    drop(opening);
    encoder.destroy(&lane)
}

/// Both must agree. Returns whether they accept the combination.
#[track_caller]
fn agree(config: &Config) -> bool {
    match (config.check(), library(config)) {
        (Ok(_), Ok(())) => true,
        (Err(_), Err(CodecError::Settings(_))) => false,
        (rules, library) => panic!("rules: {rules:?}, library: {library:?}, for {config:?}"),
    }
}

struct Grey(Vec<u8>, usize);

impl Planes for Grey {
    fn planes(&self) -> [Plane<'_>; 3] {
        [Plane {
            data: &self.0,
            stride: self.1,
        }; 3]
    }
}

/// Accepted settings must also work.
fn encodes(config: &Config) {
    const FRAMES: usize = 3;
    let (lane, outputs) = Lane::detached();
    let mut session = SvtAv1::new(config.clone()).open(&lane).unwrap();
    let stride = config.width as usize * config.bit_depth.bytes();
    for number in 0..FRAMES {
        let picture = Picture {
            planes: Box::new(Grey(vec![1; stride * config.height as usize], stride)),
            id: number as u64,
            force_key: false,
            bitrate: None,
        };
        session.send(&lane, picture).unwrap();
    }
    session.drain(&lane).unwrap();
    session.close(&lane).unwrap();
    let packets = outputs
        .try_iter()
        .filter(|output| matches!(output, Output::Packet(_)));
    assert_eq!(packets.count(), FRAMES, "{config:?}");
}

fn rate_controls() -> [RateControl; 8] {
    let target = 300_000;
    [
        RateControl::Library,
        RateControl::Crf(0),
        RateControl::Crf(35),
        RateControl::Cqp(63),
        RateControl::Vbr { target, max: None },
        RateControl::Vbr {
            target,
            max: Some(400_000),
        },
        RateControl::Vbr {
            target,
            max: Some(200_000),
        },
        RateControl::Cbr { target },
    ]
}

#[test]
fn rate_controls_with_presets() {
    let _alone = one_at_a_time();
    for rate_control in rate_controls() {
        for low_delay in [false, true] {
            for preset in 0..=13 {
                let config = Config {
                    rate_control,
                    low_delay,
                    preset,
                    ..Config::new(64, 64, RATE)
                };
                if agree(&config) && (preset % 4 == 1) {
                    encodes(&config);
                }
            }
        }
    }
}

#[test]
fn rate_controls_with_structures_by_parameter() {
    let _alone = one_at_a_time();
    let parameters = [
        "pred-struct=0",
        "pred-struct=1",
        "pred-struct=2",
        "rc=0",
        "rc=1",
        "rc=2",
        "rc=cqp",
        "rc=crf",
        "rc=vbr",
        "rc=cbr",
        "rc=cbr:pred-struct=2",
        "rc=vbr:pred-struct=1",
        "crf=30",
        "tbr=500",
        "rc=1:tbr=500:mbr=500",
        "rc=1:tbr=500:mbr=600",
        "mbr=600",
        "aq-mode=0",
        "aq-mode=2",
        "preset=7",
        "keyint=-1",
        "keyint=30",
        "keyint=2s",
        "buf-sz=19",
        "buf-sz=20",
        "min-qp=20",
        "irefresh-type=1",
        "lookahead=120",
        "hierarchical-levels=3",
        "enable-tf=0",
        "scd=1",
    ];
    for rate_control in rate_controls() {
        for low_delay in [false, true] {
            for parameters in parameters {
                let config = Config {
                    rate_control,
                    low_delay,
                    parameters: parse_parameters(parameters).unwrap(),
                    ..Config::new(64, 64, RATE)
                };
                // The library accepts a bitrate for key frames alone, and hangs.
                let hangs = parameters == "pred-struct=0"
                    && matches!(rate_control, RateControl::Vbr { .. });
                if hangs {
                    assert!(config.check().is_err());
                } else {
                    agree(&config);
                }
            }
        }
    }
}

#[test]
fn sizes() {
    let _alone = one_at_a_time();
    let sides = [0, 1, 2, 3, 4, 5, 8, 15, 16, 32, 62, 63, 64, 65, 66, 70];
    for width in sides {
        for height in sides {
            for rate_control in [
                RateControl::Crf(35),
                RateControl::Cqp(35),
                RateControl::Cbr { target: 100_000 },
            ] {
                let config = Config {
                    rate_control,
                    ..Config::new(width, height, RATE)
                };
                if width <= 8 && height <= 8 {
                    // Some libraries accept them, and corrupt memory.
                    assert!(config.check().is_err());
                } else if agree(&config) && width <= height {
                    encodes(&config);
                }
            }
        }
    }
    for (width, height) in [(16384, 64), (16386, 64), (64, 8704), (64, 8706)] {
        agree(&Config::new(width, height, RATE));
    }
}

#[test]
fn frame_rates_quantisers_periods_and_the_rest() {
    let _alone = one_at_a_time();
    let config = Config::new(64, 64, RATE);
    for (numerator, denominator) in [
        (0, 1),
        (1, 0),
        (1, 1),
        (1, 2),
        (1, 100),
        (24_000, 1001),
        (240, 1),
        (241, 1),
        (1_000_000_000, 33_333_333),
        (2_147_483_647, 2_147_483_646),
        (239_999_999, 1_000_000),
    ] {
        let frame_rate = FrameRate {
            numerator,
            denominator,
        };
        let config = Config {
            frame_rate,
            ..config.clone()
        };
        if agree(&config) {
            encodes(&config);
        }
    }
    let vbr = RateControl::Vbr {
        target: 300_000,
        max: None,
    };
    for rate_control in [
        RateControl::Crf(30),
        vbr,
        RateControl::Cbr { target: 300_000 },
    ] {
        for (min_qp, max_qp) in [
            (0, 63),
            (1, 63),
            (20, 20),
            (30, 20),
            (62, 63),
            (63, 63),
            (0, 64),
        ] {
            agree(&Config {
                rate_control,
                min_qp,
                max_qp,
                ..config.clone()
            });
        }
        for intra_period_length in [-2, -1, 1, 59, i32::MAX - 1, i32::MAX] {
            agree(&Config {
                rate_control,
                intra_period_length,
                ..config.clone()
            });
        }
        for target_socket in [-1, 0, 1, 2, 15] {
            agree(&Config {
                rate_control,
                target_socket,
                ..config.clone()
            });
        }
    }
    for bit_depth in [BitDepth::Eight, BitDepth::Ten] {
        for intra_refresh in [IntraRefresh::Cra, IntraRefresh::Idr] {
            let config = Config {
                bit_depth,
                intra_refresh,
                logical_processors: 1,
                level_of_parallelism: 6,
                ..config.clone()
            };
            assert!(agree(&config));
            encodes(&config);
        }
    }
    for matrix in [0, 1, 2, 9, 14] {
        let mut config = config.clone();
        config.color.matrix = matrix;
        agree(&config);
    }
}

#[test]
fn large_sizes() {
    let _alone = one_at_a_time();
    for (width, height) in [(3840, 2160), (7680, 4320), (16384, 8704)] {
        for preset in 0..=13 {
            agree(&Config {
                preset,
                ..Config::new(width, height, RATE)
            });
        }
    }
}

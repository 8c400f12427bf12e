// SPDX-License-Identifier: MPL-2.0
//! Latency as predicted against latency as measured on the installed library.
//!
//! Frames go in one by one, each when everything in the process has come to
//! rest, so the figures do not depend on the speed of the machine. Every
//! combination: `cargo test -p codecwatch-svtav1 --test latency -- --include-ignored`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs;
use std::path::Path;
use std::time::Duration;

use codecwatch_supervisor::Session;
use codecwatch_svtav1::{Config, FrameRate, Output, RateControl, parse_parameters};
use support::{RATE, one_at_a_time, open, picture};

/// What the library was seen to keep.
#[derive(Debug, PartialEq, Eq)]
struct Measured {
    /// The largest number of frames that went in between a frame's way in and
    /// its way out.
    lag: u32,
    /// The largest number of frames inside while the library was at rest.
    inside: u32,
}

fn measure(config: &Config, frames: usize) -> Measured {
    let mut open = open(config).unwrap();
    let mut measured = Measured { lag: 0, inside: 0 };
    let mut out = 0;
    for number in 0..frames {
        open.session
            .send(&open.lane, picture(config, number))
            .unwrap();
        rest();
        let sent = number + 1;
        for output in open.outputs.try_iter() {
            if matches!(output, Output::Packet(_)) {
                measured.lag = measured.lag.max((number - out) as u32);
                out += 1;
            }
        }
        measured.inside = measured.inside.max((sent - out) as u32);
    }
    open.session.close(&open.lane).unwrap();
    measured
}

/// Waits until every other thread of the process sleeps and none has run between
/// two looks. Counts looks, not seconds, which pass also while the whole process
/// is stopped.
fn rest() {
    const LOOKS: usize = 200_000;
    let mut last = None;
    for _ in 0..LOOKS {
        let switches = asleep();
        if switches.is_some() && switches == last {
            return;
        }
        last = switches;
        std::thread::sleep(Duration::from_micros(300));
    }
    panic!("the library does not come to rest");
}

/// How often the other threads have been switched to, if all of them sleep.
fn asleep() -> Option<u64> {
    let own = fs::read_link("/proc/thread-self").unwrap();
    let mut switches = 0;
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let task = task.unwrap().path();
        if own.file_name() == task.file_name() {
            continue;
        }
        switches += switches_asleep(&task)?;
    }
    Some(switches)
}

fn switches_asleep(task: &Path) -> Option<u64> {
    // A thread may end while we look.
    let status = fs::read_to_string(task.join("status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        Some(line[name.len()..].trim().to_owned())
    };
    field("State:")?.starts_with('S').then_some(())?;
    let voluntary: u64 = field("voluntary_ctxt_switches:")?.parse().ok()?;
    let forced: u64 = field("nonvoluntary_ctxt_switches:")?.parse().ok()?;
    Some(voluntary + forced)
}

const CRF: RateControl = RateControl::Crf(35);
const CQP: RateControl = RateControl::Cqp(35);
const VBR: RateControl = RateControl::Vbr {
    target: 100_000,
    max: None,
};
const CBR: RateControl = RateControl::Cbr { target: 100_000 };

fn config(preset: u8, rate_control: RateControl, parameters: &str) -> Config {
    Config {
        preset,
        rate_control,
        parameters: parse_parameters(parameters).unwrap(),
        ..Config::new(64, 64, RATE)
    }
}

/// Long enough for the lookahead and the automatic intra period (160 frames).
const FRAMES: usize = 200;

#[track_caller]
fn exact(config: &Config) {
    if config.check().is_err() {
        return;
    }
    let latency = config.latency_frames();
    let expected = Measured {
        lag: latency,
        inside: latency,
    };
    assert_eq!(measure(config, FRAMES), expected, "{config:?}");
}

#[track_caller]
fn at_most(config: &Config) {
    if config.check().is_err() {
        return;
    }
    let (latency, measured) = (config.latency_frames(), measure(config, FRAMES));
    assert!(
        measured.lag <= latency && measured.inside <= latency,
        "{measured:?}, predicted {latency}, for {config:?}"
    );
}

#[test]
fn a_few_latencies_are_as_predicted() {
    let _turn = one_at_a_time();
    for rate_control in [CRF, CQP, VBR, CBR] {
        for preset in [8, 11] {
            exact(&config(preset, rate_control, ""));
        }
    }
    exact(&config(10, CRF, "pred-struct=1"));
    exact(&config(10, CRF, "hierarchical-levels=3"));
    exact(&config(10, VBR, "lookahead=40"));
    at_most(&config(10, CRF, "keyint=60"));
}

#[test]
#[ignore = "takes a quarter of an hour"]
fn latencies_are_as_predicted_for_every_preset() {
    let _turn = one_at_a_time();
    for preset in 0..=13 {
        for rate_control in [CRF, CQP, VBR, CBR] {
            for low_delay in [false, true] {
                for numerator in [24, 30, 60] {
                    let config = Config {
                        low_delay,
                        frame_rate: FrameRate {
                            numerator,
                            denominator: 1,
                        },
                        ..config(preset, rate_control, "")
                    };
                    exact(&config);
                }
            }
        }
    }
}

#[test]
#[ignore = "takes minutes"]
fn latencies_are_as_predicted_with_parameters() {
    let _turn = one_at_a_time();
    for preset in [5, 7, 8, 10] {
        for rate_control in [CRF, CQP, VBR] {
            for parameters in [
                "lookahead=0",
                "lookahead=8",
                "lookahead=20",
                "lookahead=40",
                "lookahead=60",
                "lookahead=100",
                "lookahead=120",
                "hierarchical-levels=2",
                "hierarchical-levels=3",
                "hierarchical-levels=4",
                "hierarchical-levels=5",
                "enable-tf=0",
                "enable-tf=0:hierarchical-levels=4",
                "scd=1",
                "tune=0",
                "lp=1",
                "lp=4",
                "enable-dg=0",
                "irefresh-type=1",
                "keyint=-1",
                "keyint=140",
                "rtc=1",
            ] {
                let config = config(preset, rate_control, parameters);
                // Not every library knows every name.
                if parses(&config) {
                    exact(&config);
                }
            }
        }
    }
}

fn parses(config: &Config) -> bool {
    match open(config) {
        Ok(open) => {
            open.session.close(&open.lane).unwrap();
            true
        }
        Err(_) => false,
    }
}

#[test]
#[ignore = "takes minutes"]
fn latencies_with_short_groups_are_never_more_than_predicted() {
    let _turn = one_at_a_time();
    let periods = [
        0, 1, 2, 3, 5, 7, 8, 10, 12, 15, 16, 17, 20, 24, 29, 31, 32, 33, 40, 47, 48, 50, 59, 63,
        64, 65, 80,
    ];
    for preset in [5, 7, 8, 10] {
        for rate_control in [CRF, CQP, VBR] {
            for period in periods {
                let config = Config {
                    intra_period_length: period,
                    ..config(preset, rate_control, "")
                };
                at_most(&config);
            }
        }
    }
    for parameters in ["enable-overlays=1", "startup-mg-size=2", "resize-mode=1"] {
        let config = config(10, CRF, parameters);
        if parses(&config) {
            at_most(&config);
        }
    }
}

#[test]
#[ignore = "takes minutes"]
fn latencies_of_large_pictures_are_as_predicted() {
    let _turn = one_at_a_time();
    for (width, height) in [(1280, 720), (1920, 1080)] {
        for preset in [8, 9, 10] {
            let config = Config {
                width,
                height,
                ..config(preset, CRF, "")
            };
            let (latency, measured) = (config.latency_frames(), measure(&config, 90));
            assert_eq!(
                (measured.lag, measured.inside),
                (latency, latency),
                "{config:?}"
            );
        }
    }
}

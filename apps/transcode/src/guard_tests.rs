// SPDX-License-Identifier: MPL-2.0

use super::*;
use crate::end::End;

const LIMITS: Limits = Limits {
    frames: 20_000_000,
    duration: Duration::from_secs(7 * 86_400),
    pixels: 16_384 * 16_384,
};

const HOUR: u64 = 3_600_000_000_000;

fn video(width: i32, height: i32, rate: Option<(i32, i32)>) -> Option<Video> {
    Some(Video {
        width,
        height,
        rate,
    })
}

/// A film of an hour.
fn film() -> Claims {
    Claims {
        duration: Some(HOUR),
        raw_duration: Some(3600.0),
        bytes: Some(500_000_000),
        video: video(1920, 1080, Some((25, 1))),
    }
}

fn refusal(claims: &Claims) -> String {
    let failure = check(claims, &LIMITS).unwrap_err();
    assert_eq!(failure.end, End::Refused);
    failure.text
}

#[test]
fn impossible_claims_are_refused_with_the_value_and_the_limit() {
    let seconds = |seconds| Claims {
        raw_duration: Some(seconds),
        ..film()
    };
    let nanoseconds = |duration| Claims {
        duration: Some(duration),
        ..film()
    };
    let pictures = |width, height| Claims {
        video: video(width, height, Some((25, 1))),
        ..film()
    };
    let rate = |numerator, denominator| Claims {
        video: video(1920, 1080, Some((numerator, denominator))),
        ..film()
    };
    for (claims, says) in [
        (seconds(f64::NAN), "no finite number"),
        (seconds(f64::INFINITY), "no finite number"),
        (seconds(-1.0), "negative"),
        (seconds(1e10), "--max-duration"),
        (seconds(f64::MAX), "--max-duration"),
        (nanoseconds(u64::MAX - 1), "sentinel"),
        (nanoseconds(u64::MAX / 2 + 1), "sentinel"),
        // 1e10 s does not fit into a signed number of nanoseconds.
        (nanoseconds(9_000_000_000_000_000_000), "--max-duration"),
        (nanoseconds(169 * HOUR), "--max-duration"),
        (pictures(100_000, 100_000), "100000x100000"),
        (pictures(0, 1080), "0x1080"),
        (pictures(1920, -1), "1920x-1"),
        (pictures(16_384, 16_385), "--max-pixels"),
        (rate(i32::MAX, 1), "2147483647/1"),
        (rate(1001, 1), "1001/1"),
        (rate(25, 0), "25/0"),
        (rate(-25, 1), "-25/1"),
        (
            Claims {
                bytes: Some(10_000),
                ..film()
            },
            "cannot hold",
        ),
        (
            Claims {
                duration: Some(160 * HOUR),
                bytes: Some(u64::MAX),
                video: video(64, 64, Some((120, 1))),
                ..film()
            },
            "--max-frames",
        ),
    ] {
        let text = refusal(&claims);
        assert!(text.contains(says), "{says}: {text}");
    }
}

#[test]
fn what_is_odd_but_possible_passes() {
    let possible = [
        film(),
        // Live.
        Claims::default(),
        Claims {
            video: video(1920, 1080, None),
            ..Claims::default()
        },
        // A variable rate.
        Claims {
            video: video(1920, 1080, Some((0, 1))),
            ..film()
        },
        // A slide an hour, and a camera of a laboratory.
        Claims {
            video: video(640, 480, Some((1, 3600))),
            ..film()
        },
        Claims {
            duration: Some(1_000_000_000),
            video: video(64, 64, Some((1000, 1))),
            ..film()
        },
        // One picture, and sound alone.
        Claims {
            duration: Some(0),
            raw_duration: Some(0.0),
            bytes: Some(100),
            ..film()
        },
        Claims {
            video: None,
            ..film()
        },
        // Odd sizes.
        Claims {
            video: video(1, 1, Some((25, 1))),
            ..film()
        },
        Claims {
            video: video(4096, 16, Some((30_000, 1001))),
            ..film()
        },
        // A still picture for an hour.
        Claims {
            bytes: Some(400_000),
            ..film()
        },
        Claims {
            duration: Some(168 * HOUR),
            bytes: Some(u64::MAX),
            ..film()
        },
    ];
    for claims in possible {
        check(&claims, &LIMITS).unwrap_or_else(|failure| panic!("{claims:?}: {failure}"));
    }
}

fn found(frames: u64, end: u64) -> Found {
    Found {
        frames,
        end: Duration::from_secs(end),
        untimed: 0,
    }
}

#[test]
fn durations_that_are_far_apart_are_refused() {
    assert!(check_found(found(90_000, 3600), &film(), &LIMITS).is_ok());
    assert!(check_found(found(45_000, 1900), &film(), &LIMITS).is_ok());
    assert!(check_found(found(100, 4), &film(), &LIMITS).is_err());
    assert!(check_found(found(90_000, 7300), &film(), &LIMITS).is_err());
    let short = Claims {
        duration: Some(1_000_000_000),
        ..film()
    };
    assert!(check_found(found(200, 8), &short, &LIMITS).is_ok());
    assert!(check_found(found(400, 16), &short, &LIMITS).is_err());
    assert!(check_found(found(30_000_000, 3600), &film(), &LIMITS).is_err());
}

#[test]
fn frames_without_times_need_a_rate() {
    let untimed = Found {
        untimed: 1,
        ..found(90_000, 3600)
    };
    assert!(check_found(untimed, &film(), &LIMITS).is_ok());
    for rate in [None, Some((0, 1))] {
        let claims = Claims {
            video: video(64, 64, rate),
            ..film()
        };
        assert!(check_found(untimed, &claims, &LIMITS).is_err());
        assert!(check_found(found(90_000, 3600), &claims, &LIMITS).is_ok());
    }
}

#[test]
fn durations_are_read_with_their_units() {
    assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
    assert_eq!(parse_duration("1.5h"), Ok(Duration::from_secs(5400)));
    assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
    assert_eq!(parse_duration("7d"), Ok(Duration::from_secs(604_800)));
    for wrong in ["", "x", "-1s", "1y", "nan", "inf", "1e30d"] {
        assert!(parse_duration(wrong).is_err(), "{wrong}");
    }
}

// SPDX-License-Identifier: MPL-2.0
//! Sessions on the installed library.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use codecwatch_av1::SequenceHeader;
use codecwatch_supervisor::{Codec, CodecError, Drained, Flush, Lane, Session};
use codecwatch_svtav1::{
    Config, FrameKind, IntraRefresh, Output, Picture, Plane, Planes, RateControl, SvtAv1, Version,
};
use support::{
    Frame, RATE, encode, frame, id, one_at_a_time, open, packets, picture, skip, within,
};

const PATIENCE: Duration = Duration::from_secs(60);

fn config(low_delay: bool) -> Config {
    Config {
        low_delay,
        ..Config::new(96, 64, RATE)
    }
}

#[test]
fn every_picture_comes_out_in_order_and_the_first_is_a_key_frame() {
    let _turn = one_at_a_time();
    for low_delay in [false, true] {
        let packets = within(PATIENCE, move || encode(&config(low_delay), 10));
        let ids: Vec<_> = packets.iter().map(|packet| packet.id).collect();
        assert_eq!(ids, (0..10).map(id).collect::<Vec<_>>());
        assert_eq!(packets[0].kind, FrameKind::Key);
        assert!(packets[1..].iter().all(|p| p.kind != FrameKind::Key));
        assert!(packets.iter().all(|p| !p.data.is_empty()));
    }
}

#[test]
fn a_stream_longer_than_the_lookahead_is_whole() {
    let _turn = one_at_a_time();
    for low_delay in [false, true] {
        let packets = within(PATIENCE, move || encode(&config(low_delay), 100));
        assert_eq!(packets.len(), 100);
    }
}

#[test]
fn a_drained_session_is_spent_and_cannot_be_flushed() {
    let _turn = one_at_a_time();
    within(PATIENCE, || {
        let config = config(true);
        let mut open = open(&config).unwrap();
        open.session.send(&open.lane, picture(&config, 0)).unwrap();
        assert_eq!(
            open.session.flush(&open.lane),
            Ok(Flush::NeedsNewSession),
            "references would be lost"
        );
        assert_eq!(open.session.drain(&open.lane), Ok(Drained::Spent));
        assert_eq!(packets(&open.outputs).len(), 1);
        open.session.close(&open.lane).unwrap();
    });
}

#[test]
fn a_session_closes_in_mid_stream() {
    let _turn = one_at_a_time();
    for low_delay in [false, true] {
        within(PATIENCE, move || {
            let config = config(low_delay);
            let mut open = open(&config).unwrap();
            for number in 0..25 {
                open.session
                    .send(&open.lane, picture(&config, number))
                    .unwrap();
            }
            open.session.close(&open.lane).unwrap();
        });
    }
}

#[test]
fn a_session_without_a_picture_drains_and_closes() {
    let _turn = one_at_a_time();
    for low_delay in [false, true] {
        for drain in [false, true] {
            within(PATIENCE, move || {
                let mut open = open(&config(low_delay)).unwrap();
                if drain {
                    assert_eq!(open.session.drain(&open.lane), Ok(Drained::Spent));
                }
                open.session.close(&open.lane).unwrap();
                assert_eq!(packets(&open.outputs), []);
            });
        }
    }
}

#[test]
fn a_session_that_is_dropped_harms_nobody() {
    let _turn = one_at_a_time();
    within(PATIENCE, || {
        let config = config(false);
        let mut dropped = open(&config).unwrap();
        for number in 0..5 {
            dropped
                .session
                .send(&dropped.lane, picture(&config, number))
                .unwrap();
        }
        drop(dropped);
        assert_eq!(encode(&config, 5).len(), 5);
    });
}

#[test]
fn a_hundred_sessions_leave_no_thread_behind() {
    let _turn = one_at_a_time();
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    within(PATIENCE, move || {
        encode(&config(true), 2);
        let before = threads();
        for round in 0..100 {
            let mut open = open(&config(round % 2 == 0)).unwrap();
            if round % 3 != 0 {
                let picture = picture(&config(true), round);
                open.session.send(&open.lane, picture).unwrap();
            }
            open.session.close(&open.lane).unwrap();
        }
        // The kernel takes a moment to forget a thread that has been joined.
        for _ in 0..100 {
            if threads() == before {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(threads(), before);
    });
}

#[test]
fn key_frames_come_where_they_are_forced() {
    let _turn = one_at_a_time();
    let rates = [
        RateControl::Crf(35),
        RateControl::Vbr {
            target: 100_000,
            max: None,
        },
        RateControl::Cbr { target: 100_000 },
    ];
    for rate_control in rates {
        for low_delay in [false, true] {
            let config = Config {
                rate_control,
                ..config(low_delay)
            };
            if config.check().is_err() {
                continue;
            }
            let expected: &[u64] = if config.can_force_key() {
                &[id(0), id(21)]
            } else {
                &[id(0)]
            };
            let packets = within(PATIENCE, move || {
                let mut open = open(&config).unwrap();
                for number in 0..40 {
                    let picture = Picture {
                        force_key: number == 21,
                        ..picture(&config, number)
                    };
                    open.session.send(&open.lane, picture).unwrap();
                }
                open.finish()
            });
            let keys: Vec<_> = packets
                .iter()
                .filter(|packet| packet.kind == FrameKind::Key)
                .map(|packet| packet.id)
                .collect();
            assert_eq!(keys, expected, "{rate_control:?} low delay {low_delay}");
            assert_eq!(packets.len(), 40);
        }
    }
}

#[test]
fn keys_can_be_forced_everywhere_from_1_8_on() {
    let modern = Version::installed().at_least(1, 8);
    let at = |rate_control, low_delay| {
        Config {
            rate_control,
            ..config(low_delay)
        }
        .can_force_key()
    };
    let endless = Config {
        intra_period_length: -1,
        ..config(false)
    };
    let open = Config {
        intra_refresh: IntraRefresh::Cra,
        ..config(false)
    };
    assert_eq!(endless.can_force_key(), modern);
    assert_eq!(open.can_force_key(), modern);
    assert!(at(RateControl::Crf(35), false));
    assert_eq!(at(RateControl::Crf(35), true), modern);
    assert_eq!(at(RateControl::Cbr { target: 1 }, true), modern);
}

/// A picture that is hard to encode: bitrates show.
fn noise(config: &Config, number: usize) -> Frame {
    let mut state = number as u64 + 1;
    let mut frame = frame(config, number, 0);
    for byte in frame.planes.iter_mut().flatten() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        *byte = (state >> 56) as u8;
    }
    frame
}

#[test]
fn the_bitrate_of_a_running_session_changes_where_the_library_can() {
    let _turn = one_at_a_time();
    let parameters = if Version::installed().at_least(4, 2) {
        "rtc=1"
    } else {
        ""
    };
    let config = Config {
        rate_control: RateControl::Cbr { target: 6_000_000 },
        parameters: codecwatch_svtav1::parse_parameters(parameters).unwrap(),
        ..Config::new(320, 240, RATE)
    };
    if !Version::installed().at_least(1, 8) {
        assert!(!config.can_change_bitrate());
        let error = within(PATIENCE, move || {
            let mut open = open(&config).unwrap();
            let picture = Picture {
                bitrate: Some(100_000),
                ..picture(&config, 0)
            };
            let error = open.session.send(&open.lane, picture).unwrap_err();
            open.session.close(&open.lane).unwrap();
            error
        });
        assert!(matches!(error, CodecError::Settings(_)), "{error}");
        return;
    }
    assert!(config.can_change_bitrate());
    let packets = within(PATIENCE, move || {
        let mut open = open(&config).unwrap();
        for number in 0..120 {
            let picture = Picture {
                planes: Box::new(noise(&config, number)),
                bitrate: (number == 60).then_some(1_800_000),
                ..picture(&config, number)
            };
            open.session.send(&open.lane, picture).unwrap();
        }
        open.finish()
    });
    let bytes = |range: std::ops::Range<usize>| -> usize {
        packets[range].iter().map(|packet| packet.data.len()).sum()
    };
    let (before, after) = (bytes(30..60), bytes(90..120));
    assert!(after * 2 < before, "{before} bytes, then {after}");
    assert_eq!(packets.len(), 120);
}

#[test]
fn a_plane_that_is_too_small_is_refused_before_the_library_sees_it() {
    let _turn = one_at_a_time();
    within(PATIENCE, || {
        let config = config(true);
        for plane in 0..3 {
            let mut open = open(&config).unwrap();
            let mut small = frame(&config, 0, 0);
            small.planes[plane].pop();
            let picture = Picture {
                planes: Box::new(small),
                ..picture(&config, 0)
            };
            let error = open.session.send(&open.lane, picture).unwrap_err();
            assert!(
                error.to_string().contains(&format!("plane {plane}")),
                "{error}"
            );
            open.session.close(&open.lane).unwrap();
        }
    });
}

/// Planes that are never given.
struct Broken;

impl Planes for Broken {
    fn planes(&self) -> [Plane<'_>; 3] {
        panic!("no planes");
    }
}

#[test]
fn a_session_survives_planes_that_panic() {
    let _turn = one_at_a_time();
    for sent in [0, 3] {
        within(PATIENCE, move || {
            let config = config(false);
            let mut open = open(&config).unwrap();
            for number in 0..sent {
                open.session
                    .send(&open.lane, picture(&config, number))
                    .unwrap();
            }
            let broken = Picture {
                planes: Box::new(Broken),
                ..picture(&config, sent)
            };
            let panicked = catch_unwind(AssertUnwindSafe(|| open.session.send(&open.lane, broken)));
            assert!(panicked.is_err());
            open.session.close(&open.lane).unwrap();
        });
    }
}

#[test]
fn padding_between_rows_does_not_show() {
    let _turn = one_at_a_time();
    let config = config(true);
    let with = |padding: usize| {
        let config = config.clone();
        within(PATIENCE, move || {
            let mut open = open(&config).unwrap();
            for number in 0..8 {
                let picture = Picture {
                    planes: Box::new(frame(&config, number, padding)),
                    ..picture(&config, number)
                };
                open.session.send(&open.lane, picture).unwrap();
            }
            open.finish()
        })
    };
    let packed = with(0);
    for padding in [32, 1000, 70_000] {
        assert!(with(padding) == packed, "with {padding} bytes of padding");
    }
}

#[test]
fn a_bad_parameter_is_named() {
    let _turn = one_at_a_time();
    for (name, value) in [("no-such-key", "1"), ("tune", "best"), ("preset", "")] {
        let config = Config {
            parameters: vec![(name.to_owned(), value.to_owned())],
            ..config(false)
        };
        let (lane, _outputs) = Lane::detached();
        let error = SvtAv1::new(config).open(&lane).unwrap_err();
        let CodecError::Settings(message) = error else {
            panic!("{error}");
        };
        assert!(message.contains(&format!("{name}={value}")), "{message}");
    }
}

#[test]
fn settings_that_only_the_library_knows_are_the_users_to_mend() {
    let _turn = one_at_a_time();
    let config = Config {
        parameters: vec![("tile-rows".to_owned(), "7".to_owned())],
        ..config(false)
    };
    let (lane, _outputs) = Lane::detached();
    let error = SvtAv1::new(config).open(&lane).unwrap_err();
    let CodecError::Settings(message) = error else {
        panic!("{error}");
    };
    if Version::installed().at_least(4, 0) {
        assert!(message.contains("Log2Tile"), "{message}");
    }
    // And the library is fit for the next.
    assert_eq!(within(PATIENCE, || encode(&self::config(true), 2).len()), 2);
}

#[test]
fn headers_say_what_was_asked_for() {
    let _turn = one_at_a_time();
    use codecwatch_svtav1::{BitDepth, ChromaPosition};
    for (bit_depth, position, number) in [
        (BitDepth::Eight, ChromaPosition::Unknown, 0),
        (BitDepth::Ten, ChromaPosition::Left, 1),
        (BitDepth::Eight, ChromaPosition::TopLeft, 2),
    ] {
        let config = Config {
            bit_depth,
            chroma_position: position,
            ..config(false)
        };
        let (sequence, packet) = within(PATIENCE, move || {
            let mut open = open(&config).unwrap();
            open.session.send(&open.lane, picture(&config, 0)).unwrap();
            open.session.drain(&open.lane).unwrap();
            let Ok(Output::Header(sequence)) = open.outputs.try_recv() else {
                panic!("the header comes first");
            };
            let Ok(Output::Packet(packet)) = open.outputs.try_recv() else {
                panic!("then the packet");
            };
            open.session.close(&open.lane).unwrap();
            (sequence, packet)
        });
        assert_eq!(sequence.profile, 0);
        assert_eq!(sequence.bit_depth(), bit_depth.bytes() as u8 * 2 + 6);
        assert!(!sequence.monochrome);
        assert!(sequence.chroma_subsampling_x && sequence.chroma_subsampling_y);
        assert_eq!(sequence.chroma_sample_position, number);
        assert_eq!(
            (sequence.max_frame_width, sequence.max_frame_height),
            (96, 64)
        );
        assert!(sequence.level().is_some());
        let av1c = sequence.av1c();
        assert_eq!(av1c[0], 0x81);
        // The stream begins with the same header, and so does the record.
        assert_eq!(SequenceHeader::parse(&packet.data), Some(sequence.clone()));
        assert_eq!(SequenceHeader::parse(&av1c[4..]), Some(sequence));
    }
}

#[test]
fn odd_and_small_sizes_encode_where_they_are_taken() {
    let _turn = one_at_a_time();
    for (width, height) in [(65, 67), (16, 16), (4, 4), (3, 5), (1, 1)] {
        for bit_depth in [
            codecwatch_svtav1::BitDepth::Eight,
            codecwatch_svtav1::BitDepth::Ten,
        ] {
            let config = Config {
                bit_depth,
                ..Config::new(width, height, RATE)
            };
            if let Err(refusal) = config.check() {
                skip(&format!("{width}x{height}"), &refusal.to_string());
                continue;
            }
            let packets = within(PATIENCE, move || encode(&config, 5));
            assert_eq!(packets.len(), 5, "{width}x{height}");
        }
    }
}

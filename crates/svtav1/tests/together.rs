// SPDX-License-Identifier: MPL-2.0
//! Sessions that live at the same time.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

mod support;

use std::time::Duration;

use codecwatch_supervisor::{CodecError, Session};
use codecwatch_svtav1::{Config, Version};
use support::{RATE, one_at_a_time, open, packets, picture, within};

/// Before 4.0, freeing one encoder while another opens crashes the process; of
/// three runs of this test without `turn`, one did.
#[test]
fn sessions_open_and_close_beside_each_other() {
    const THREADS: usize = 3;
    const ROUNDS: usize = 150;
    within(Duration::from_secs(120), || {
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                scope.spawn(move || {
                    let config = Config {
                        preset: 12,
                        low_delay: thread % 2 == 0,
                        ..Config::new(64, 64, RATE)
                    };
                    for round in 0..ROUNDS {
                        // As under the supervisor: opens take turns, closes do not.
                        let turn = one_at_a_time();
                        let mut open = open(&config).unwrap();
                        drop(turn);
                        open.session
                            .send(&open.lane, picture(&config, round))
                            .unwrap();
                        open.session.drain(&open.lane).unwrap();
                        open.session.close(&open.lane).unwrap();
                        assert_eq!(packets(&open.outputs).len(), 1);
                    }
                });
            }
        });
    });
}

/// Until 4.0 such a pair hangs or crashes.
#[test]
fn a_slow_preset_runs_beside_others_only_where_the_library_can() {
    let _turn = one_at_a_time();
    let safe = Version::installed().at_least(4, 1);
    let preset = |preset| Config {
        preset,
        ..Config::new(64, 64, RATE)
    };
    for (first, second) in [(10, 4), (4, 10), (4, 4)] {
        within(Duration::from_secs(60), move || {
            let running = open(&preset(first)).unwrap();
            match open(&preset(second)) {
                Ok(beside) => {
                    assert!(safe, "{second} beside {first}");
                    beside.session.close(&beside.lane).unwrap();
                }
                Err(CodecError::Settings(message)) => {
                    assert!(!safe && message.contains("isolate=true"), "{message}");
                }
                Err(other) => panic!("{other}"),
            }
            running.session.close(&running.lane).unwrap();
            // Alone it may.
            let alone = open(&preset(second)).unwrap();
            alone.session.close(&alone.lane).unwrap();
        });
    }
}

// SPDX-License-Identifier: MPL-2.0
//! A session whose receive lane fails can still be closed. The fault is rehearsed
//! in a process of its own, because the script is read once.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

mod support;

use std::time::Duration;

use codecwatch_supervisor::Session;
use codecwatch_svtav1::Config;
use support::{RATE, child, open, packets, picture, this_test, within};

/// More than the library keeps for one who does not ask for them: 2048 packets.
const FRAMES: usize = 2600;

#[test]
fn a_session_whose_receive_lane_panicked_takes_pictures_and_closes() {
    if child().is_some() {
        return send_much_more_than_the_library_holds();
    }
    let this = "a_session_whose_receive_lane_panicked_takes_pictures_and_closes";
    let output = this_test(this, "send")
        .env("CODECWATCH_REHEARSE", "svt_av1_enc_get_packet:panic@11")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("10 packets"), "{said}");
}

fn send_much_more_than_the_library_holds() {
    within(Duration::from_secs(60), || {
        let config = Config {
            low_delay: true,
            preset: 13,
            ..Config::new(64, 64, RATE)
        };
        let mut open = open(&config).unwrap();
        for number in 0..FRAMES {
            open.session
                .send(&open.lane, picture(&config, number))
                .unwrap();
        }
        open.session.close(&open.lane).unwrap();
        println!("{} packets", packets(&open.outputs).len());
    });
}

// SPDX-License-Identifier: MPL-2.0
//! What opens a session is plain data.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

mod support;

use std::fmt::Debug;
use std::time::Duration;

use codecwatch_svtav1::{BitDepth, Color, Config, ContentLight, RateControl};
use support::{RATE, encode, one_at_a_time, within};

fn is_plain<T: Send + Sync + Clone + Debug + PartialEq + 'static>(_: &T) {}

#[test]
fn a_copy_of_the_config_opens_the_same_session_elsewhere() {
    let _turn = one_at_a_time();
    let config = Config {
        preset: 12,
        rate_control: RateControl::Crf(20),
        bit_depth: BitDepth::Ten,
        color: Color {
            primaries: 9,
            transfer: 16,
            matrix: 9,
            full_range: false,
        },
        content_light: Some(ContentLight {
            max: 1000,
            max_average: 400,
        }),
        parameters: vec![("enable-tf".to_owned(), "0".to_owned())],
        ..Config::new(128, 72, RATE)
    };
    is_plain(&config);
    let encoded = |config: &Config| {
        let config = config.clone();
        within(Duration::from_secs(120), move || encode(&config, 8))
    };
    let other = Config {
        parameters: Vec::new(),
        rate_control: RateControl::Crf(60),
        ..config.clone()
    };
    assert_ne!(config, other);
    let here = encoded(&config);
    assert_eq!(here.len(), 8);
    assert_eq!(encoded(&config), here);
    assert_ne!(encoded(&other), here, "the settings make a difference");
}

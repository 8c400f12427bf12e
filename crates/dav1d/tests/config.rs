// SPDX-License-Identifier: MPL-2.0
//! What opens a session is plain data; what it needs beside is lent by the process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test"
)]

mod common;

use std::fmt::Debug;

use codecwatch_dav1d::{Config, Dav1d, Environment, InloopFilters};
use common::{Encoder, decode, md5, sources::Source, surgery};

fn is_plain<T: Send + Sync + Clone + Debug + PartialEq + 'static>(_: &T) {}

#[test]
fn a_copy_of_the_config_opens_the_same_session_elsewhere() {
    let arguments = ["--kf-max-dist=4", "--kf-min-dist=4", "--lag-in-frames=0"];
    let Some(units) = Encoder::Aomenc.encode("a config", &Source::new(160, 96, 12), &arguments)
    else {
        return;
    };
    // Headers that the stream does not have, and a setting that changes its pictures.
    let (headers, units) = surgery::strip_headers(&units);
    let config = Config {
        n_threads: 2,
        inloop_filters: InloopFilters {
            deblock: false,
            cdef: false,
            restoration: false,
        },
        headers,
        ..Config::default()
    };
    is_plain(&config);
    let copy = config.clone();
    assert_eq!(copy, config);
    let sum = |config: Config, units: &[Vec<u8>]| {
        let decoded = decode(Dav1d::new(config, Environment::default()), units).unwrap();
        (md5(&decoded.pictures), decoded.pictures.len())
    };
    let elsewhere = {
        let units = units.clone();
        std::thread::spawn(move || sum(copy, &units))
            .join()
            .unwrap()
    };
    let whole = Config {
        headers: config.headers.clone(),
        ..Config::default()
    };
    let other = sum(whole, &units);
    let here = sum(config, &units);
    assert_eq!(elsewhere, here);
    assert_eq!(here.1, 12);
    assert_ne!(here.0, other.0, "the filters make a difference");
}

// SPDX-License-Identifier: MPL-2.0
//! The pictures are bit for bit those of dav1d's own tool.

mod common;

use codecwatch_dav1d::Settings;
use common::{
    decode::{decode_with, reference_md5},
    md5,
    set::{SET, generate},
    skip,
};

/// One frame at a time; two; three (see `frame_delay`).
const THREADS: [u32; 3] = [1, 2, 5];

fn same_as_dav1d(case: &str, units: &[Vec<u8>], settings: &Settings, arguments: &[&str]) {
    let Some(expected) = reference_md5(units, arguments) else {
        return skip(case, "dav1d");
    };
    for threads in THREADS {
        let decoded = decode_with(settings, threads, units);
        assert_eq!(decoded.damaged, [], "{case}, {threads} threads");
        assert_eq!(
            md5(&decoded.pictures),
            expected,
            "{case}, {threads} threads"
        );
    }
}

#[test]
fn every_generated_stream_decodes_as_with_dav1ds_tool() {
    for (case, units) in generate(SET) {
        same_as_dav1d(case, &units, &Settings::default(), &["--alllayers", "0"]);
    }
}

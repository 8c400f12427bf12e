// SPDX-License-Identifier: MPL-2.0
//! The pictures are bit for bit those of dav1d's own tool.

mod common;

use codecwatch_dav1d::{Chroma, Settings};
use common::{
    Encoder,
    decode::{decode_with, reference_md5},
    md5, skip,
    sources::Source,
};

const THREADS: [u32; 3] = [1, 2, 5];

/// Encodes, decodes with several numbers of threads, and compares.
fn matches_dav1d(case: &str, encoder: Encoder, source: Source, arguments: &[&str]) {
    let Some(units) = encoder.encode(&source, arguments) else {
        return skip(case, encoder.program());
    };
    same_as_dav1d(case, &units, &Settings::default(), &["--alllayers", "0"]);
}

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
fn p8_420() {
    matches_dav1d("p8_420", Encoder::Aomenc, Source::new(160, 96, 12), &[]);
}

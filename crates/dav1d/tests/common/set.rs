// SPDX-License-Identifier: MPL-2.0
//! The streams that are generated: together they use what AV1 has.

use super::{Encoder, sources::Source};

/// A stream to generate.
pub struct Case {
    pub name: &'static str,
    pub encoder: Encoder,
    pub source: Source,
    pub arguments: &'static [&'static str],
}

const BASE: Source = Source::new(160, 96, 12);

const fn aom(name: &'static str, source: Source, arguments: &'static [&'static str]) -> Case {
    Case {
        name,
        encoder: Encoder::Aomenc,
        source,
        arguments,
    }
}

const fn svt(name: &'static str, source: Source, arguments: &'static [&'static str]) -> Case {
    Case {
        name,
        encoder: Encoder::SvtAv1,
        source,
        arguments,
    }
}

const fn sampled(chroma: &'static str, depth: u32) -> Source {
    Source {
        chroma,
        depth,
        ..BASE
    }
}

/// Every case is small: the whole set encodes in seconds.
pub const SET: &[Case] = &[
    // bit depths and chroma formats: profiles 0, 1 and 2
    aom("420-8", BASE, &[]),
    aom(
        "420-10",
        sampled("420", 10),
        &["-b", "10", "--input-bit-depth=10"],
    ),
    aom(
        "420-12",
        sampled("420", 12),
        &["--profile=2", "-b", "12", "--input-bit-depth=12"],
    ),
    aom("422-8", sampled("422", 8), &["--profile=2"]),
    aom(
        "422-10",
        sampled("422", 10),
        &["--profile=2", "-b", "10", "--input-bit-depth=10"],
    ),
    aom(
        "422-12",
        sampled("422", 12),
        &["--profile=2", "-b", "12", "--input-bit-depth=12"],
    ),
    aom("444-8", sampled("444", 8), &["--profile=1"]),
    aom(
        "444-10",
        sampled("444", 10),
        &["--profile=1", "-b", "10", "--input-bit-depth=10"],
    ),
    aom(
        "444-12",
        sampled("444", 12),
        &["--profile=2", "-b", "12", "--input-bit-depth=12"],
    ),
    aom("mono-8", BASE, &["--monochrome"]),
    aom(
        "mono-10",
        sampled("420", 10),
        &["--monochrome", "-b", "10", "--input-bit-depth=10"],
    ),
    aom(
        "mono-12",
        sampled("420", 12),
        &[
            "--monochrome",
            "--profile=2",
            "-b",
            "12",
            "--input-bit-depth=12",
        ],
    ),
    aom(
        "gbr-8",
        sampled("444", 8),
        &["--profile=1", "--matrix-coefficients=identity"],
    ),
    aom(
        "gbr-10",
        sampled("444", 10),
        &[
            "--profile=1",
            "--matrix-coefficients=identity",
            "-b",
            "10",
            "--input-bit-depth=10",
        ],
    ),
    aom(
        "gbr-12",
        sampled("444", 12),
        &[
            "--profile=2",
            "--matrix-coefficients=identity",
            "-b",
            "12",
            "--input-bit-depth=12",
        ],
    ),
    // tools of the format
    aom("grain-8", BASE, &["--film-grain-test=1"]),
    aom(
        "grain-10",
        sampled("420", 10),
        &["-b", "10", "--input-bit-depth=10", "--film-grain-test=5"],
    ),
    aom(
        "grain-444",
        sampled("444", 8),
        &["--profile=1", "--film-grain-test=7"],
    ),
    aom(
        "tiles",
        Source::new(512, 256, 6),
        &["--tile-columns=2", "--tile-rows=1"],
    ),
    aom(
        "tile-groups",
        Source::new(512, 256, 6),
        &["--tile-columns=2", "--num-tile-groups=3"],
    ),
    aom("odd-size", Source::new(131, 73, 10), &[]),
    aom("tiny", Source::new(16, 16, 6), &[]),
    aom(
        "scaled-references",
        BASE,
        &["--resize-mode=2", "--lag-in-frames=0"],
    ),
    aom("super-resolution", BASE, &["--superres-mode=2"]),
    aom("error-resilient", BASE, &["--error-resilient=1"]),
    aom(
        "switch-frames",
        BASE,
        &["--sframe-dist=4", "--sframe-mode=1"],
    ),
    aom("lossless", Source::new(64, 64, 4), &["--lossless=1"]),
    aom("screen", BASE, &["--tune-content=screen"]),
    // ways to order frames
    aom("low-delay", BASE, &["--rt", "--lag-in-frames=0"]),
    aom(
        "show-existing",
        Source::new(160, 96, 40),
        &["--lag-in-frames=25", "--auto-alt-ref=1"],
    ),
    aom(
        "forward-key",
        Source::new(160, 96, 60),
        &[
            "--lag-in-frames=19",
            "--enable-fwd-kf=1",
            "--kf-max-dist=16",
            "--kf-min-dist=16",
        ],
    ),
    aom(
        "key-every-8",
        Source::new(160, 96, 32),
        &["--kf-max-dist=8", "--kf-min-dist=8"],
    ),
    svt(
        "svt-random-access",
        Source::new(160, 96, 40),
        &["--keyint", "16"],
    ),
    svt(
        "svt-open-gop",
        Source::new(160, 96, 40),
        &["--keyint", "16", "--irefresh-type", "1"],
    ),
    svt(
        "svt-low-delay",
        Source::new(160, 96, 20),
        &["--pred-struct", "1"],
    ),
    svt("svt-10", sampled("420", 10), &["--input-depth", "10"]),
    svt("svt-grain", BASE, &["--film-grain", "10"]),
];

impl Case {
    /// The temporal units; `None` when they cannot be had here.
    pub fn encode(&self) -> Option<Vec<Vec<u8>>> {
        self.encoder.encode(self.name, &self.source, self.arguments)
    }
}

/// Encodes what can be encoded here; prints what cannot.
pub fn generate(cases: &[Case]) -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let mut streams = Vec::new();
    for case in cases {
        streams.extend(case.encode().map(|units| (case.name, units)));
    }
    streams
}

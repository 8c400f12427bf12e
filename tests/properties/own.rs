// SPDX-License-Identifier: MPL-2.0
//! The elements' own properties, as the native library is handed them: each changes the
//! settings that it is for, in the library's unit, and no other.

use support::Launch;

use crate::handed::{self, Handed};
use crate::rig::{Element, Rig, When};

/// A property, set before the element opens its session.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) property: &'static str,
    /// As `gst-launch-1.0` takes it; not the default.
    value: &'static str,
    /// Properties without which it means nothing.
    with: &'static str,
    /// The settings that it changes, and what to.
    changes: &'static [(&'static str, i64)],
    /// The versions of the library that have it: from, and before.
    versions: ((u32, u32), (u32, u32)),
}

const ALL_VERSIONS: ((u32, u32), (u32, u32)) = ((0, 0), (u32::MAX, 0));

const fn case(
    property: &'static str,
    value: &'static str,
    changes: &'static [(&'static str, i64)],
) -> Case {
    Case {
        property,
        value,
        with: "",
        changes,
        versions: ALL_VERSIONS,
    }
}

impl Case {
    const fn with(self, with: &'static str) -> Self {
        Self { with, ..self }
    }

    const fn from(self, version: (u32, u32)) -> Self {
        let versions = (version, self.versions.1);
        Self { versions, ..self }
    }

    const fn before(self, version: (u32, u32)) -> Self {
        let versions = (self.versions.0, version);
        Self { versions, ..self }
    }
}

pub(crate) const ENCODER: &[Case] = &[
    case("preset", "12", &[("enc_mode", 12)]),
    // Bits per second, of kilobits.
    case("target-bitrate", "500", &[("target_bit_rate", 500_000)]).with("target-bitrate=400"),
    case("max-bitrate", "700", &[("max_bit_rate", 700_000)])
        .with("target-bitrate=500")
        .before((1, 8)),
    case(
        "max-bitrate",
        "500",
        &[("rate_control_mode", 2), ("pred_structure", 1)],
    )
    .with("target-bitrate=500"),
    case("max-qp-allowed", "50", &[("max_qp_allowed", 50)]).with("target-bitrate=500"),
    case("min-qp-allowed", "20", &[("min_qp_allowed", 20)]).with("target-bitrate=500"),
    case("cqp", "30", &[("qp", 30)]).with("crf=-1 cqp=20"),
    case("crf", "30", &[("qp", 30)]),
    // Milliseconds.
    case(
        "maximum-buffer-size",
        "600",
        &[("maximum_buffer_size_ms", 600)],
    )
    .with("target-bitrate=500 max-bitrate=500"),
    case("intra-period-length", "7", &[("intra_period_length", 7)]),
    case("intra-refresh-type", "CRA", &[("intra_refresh_type", 1)]),
    case("level-of-parallelism", "2", &[]).before((3, 0)),
    case("level-of-parallelism", "2", &[("level_of_parallelism", 2)]).from((3, 0)),
    case("logical-processors", "2", &[("logical_processors", 2)]).before((3, 0)),
    case("logical-processors", "2", &[]).from((3, 0)),
    case("target-socket", "0", &[("target_socket", 0)]).before((4, 0)),
    case("target-socket", "0", &[]).from((4, 0)),
    case("parameters-string", "tune=0", &[("tune", 0)]),
    case("low-latency", "true", &[("pred_structure", 1)]),
];

pub(crate) const DECODER: &[Case] = &[
    case("n-threads", "3", &[("n_threads", 3)]),
    case("max-frame-delay", "2", &[("max_frame_delay", 2)]),
    case("apply-grain", "false", &[("apply_grain", 0)]),
    case("inloop-filters", "deblock", &[("inloop_filters", 1)]),
    case("inloop-filters", "cdef", &[("inloop_filters", 2)]),
    case("inloop-filters", "restoration", &[("inloop_filters", 4)]),
    case("operating-point", "3", &[("operating_point", 3)]),
    case(
        "frame-size-limit",
        "1000000",
        &[("frame_size_limit", 1_000_000)],
    ),
];

/// A property, set while the element plays; what the next session is handed.
#[derive(Debug)]
pub(crate) struct WhilePlaying {
    pub(crate) property: &'static str,
    value: &'static str,
    with: &'static str,
    changes: &'static [(&'static str, i64)],
}

pub(crate) const ENCODER_WHILE_PLAYING: &[WhilePlaying] = &[
    WhilePlaying {
        property: "target-bitrate",
        value: "700",
        with: "target-bitrate=500",
        changes: &[("target_bit_rate", 700_000)],
    },
    WhilePlaying {
        property: "max-bitrate",
        value: "500",
        with: "target-bitrate=500",
        changes: &[("rate_control_mode", 2)],
    },
];

fn expected(changes: &[(&str, i64)]) -> Handed {
    let changes = changes.iter();
    changes
        .map(|(name, value)| ((*name).to_owned(), *value))
        .collect()
}

fn reach_the_library(element: Element) {
    let version = element.library_version();
    let cases = element.cases().iter();
    let cases = cases.filter(|case| version >= case.versions.0 && version < case.versions.1);
    let wrong: Vec<_> = cases
        .filter_map(|case| {
            let without = handed::with(element, case.with);
            let set = format!("{} {}={}", case.with, case.property, case.value);
            let changed = handed::changed(&without, &handed::with(element, &set));
            (changed != expected(case.changes)).then_some((set, changed, case.changes))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "what was set, changed, expected: {wrong:#?}"
    );
}

#[test]
fn the_encoders_own_properties_reach_the_library_each_as_itself() {
    reach_the_library(Element::Encoder);
}

#[test]
fn the_decoders_own_properties_reach_the_library_each_as_itself() {
    reach_the_library(Element::Decoder);
}

#[test]
fn what_is_set_while_playing_reaches_the_next_session() {
    const THIS: &str = "own::what_is_set_while_playing_reaches_the_next_session";
    const INDEX: &str = "CODECWATCH_TEST_CASE";
    if support::is_child() {
        let index: usize = std::env::var(INDEX).unwrap().parse().unwrap();
        let case = &ENCODER_WHILE_PLAYING[index];
        let properties = format!("{} restart-limit=1", case.with);
        let rig = Rig::new(Element::Encoder, When::WhilePlaying, &properties);
        rig.set_at_frame(3, case.property, case.value);
        rig.play();
        return rig.ends_well();
    }
    for (index, case) in ENCODER_WHILE_PLAYING.iter().enumerate() {
        let log = handed::log();
        let script = format!("{},svt_av1_enc_send_picture:fail@10", handed::TRACE);
        let launch = Launch::this_test(THIS).env(INDEX, index.to_string());
        let run = handed::traced(launch, &script, &log).run();
        assert_eq!(run.code(), 0, "{}", run.text());
        let sessions = handed::sessions(&log, &run);
        assert_eq!(sessions.len(), 2, "{}", run.text());
        let changed = handed::changed(&sessions[0], &sessions[1]);
        assert_eq!(changed, expected(case.changes), "{case:?}");
    }
}

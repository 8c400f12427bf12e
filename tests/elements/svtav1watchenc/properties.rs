// SPDX-License-Identifier: MPL-2.0
use gst::glib;
use gst::prelude::*;

fn element() -> gst::Element {
    support::init();
    gst::ElementFactory::make("svtav1watchenc").build().unwrap()
}

/// Name, minimum, maximum, default of `svtav1enc` in GStreamer 1.28.
const UNSIGNED: [(&str, u32, u32, u32); 8] = [
    ("preset", 0, 13, 10),
    ("target-bitrate", 0, 100_000, 0),
    ("max-bitrate", 0, 100_000, 0),
    ("max-qp-allowed", 0, 63, 63),
    ("min-qp-allowed", 0, 63, 1),
    ("maximum-buffer-size", 20, 10_000, 1000),
    ("level-of-parallelism", 0, 6, 0),
    ("logical-processors", 0, u32::MAX, 0),
];
const SIGNED: [(&str, i32, i32, i32); 4] = [
    ("cqp", -1, 63, -1),
    ("crf", -1, 63, 35),
    ("intra-period-length", -2, i32::MAX, -2),
    ("target-socket", -1, 15, -1),
];

#[test]
fn svtav1encs_properties_are_all_there_with_range_and_default() {
    let element = element();
    for (name, minimum, maximum, default) in UNSIGNED {
        let spec = element
            .find_property(name)
            .unwrap_or_else(|| panic!("{name} is missing"));
        let spec = spec.downcast::<glib::ParamSpecUInt>().unwrap();
        assert_eq!(
            (spec.minimum(), spec.maximum()),
            (minimum, maximum),
            "{name}"
        );
        assert_eq!(element.property::<u32>(name), default, "{name}");
    }
    for (name, minimum, maximum, default) in SIGNED {
        let spec = element
            .find_property(name)
            .unwrap_or_else(|| panic!("{name} is missing"));
        let spec = spec.downcast::<glib::ParamSpecInt>().unwrap();
        assert_eq!(
            (spec.minimum(), spec.maximum()),
            (minimum, maximum),
            "{name}"
        );
        assert_eq!(element.property::<i32>(name), default, "{name}");
    }
    assert_eq!(
        element.property::<Option<String>>("parameters-string"),
        None
    );
    for nick in ["CRA", "IDR"] {
        element.set_property_from_str("intra-refresh-type", nick);
    }
}

#[test]
fn every_property_keeps_what_it_is_given() {
    let element = element();
    for (name, minimum, maximum, _) in UNSIGNED {
        for value in [minimum, maximum] {
            element.set_property(name, value);
            assert_eq!(element.property::<u32>(name), value, "{name}");
        }
    }
    for (name, minimum, maximum, _) in SIGNED {
        for value in [minimum, maximum] {
            element.set_property(name, value);
            assert_eq!(element.property::<i32>(name), value, "{name}");
        }
    }
    for name in ["low-latency", "eos-after-failure"] {
        element.set_property(name, true);
        assert!(element.property::<bool>(name), "{name}");
    }
    element.set_property("parameters-string", "tune=0");
    assert_eq!(element.property::<String>("parameters-string"), "tune=0");
}

#[test]
fn the_shared_properties_have_the_documented_defaults() {
    let element = element();
    let second = 1_000_000_000_u64;
    for (name, default) in [
        ("watchdog-timeout", 30 * second),
        ("drain-timeout", 30 * second),
        ("open-timeout", 10 * second),
        ("close-timeout", 5 * second),
        ("slow-limit", 600 * second),
        ("restart-window", 60 * second),
        ("max-duration", 0),
        ("max-frames", 0),
    ] {
        assert_eq!(element.property::<u64>(name), default, "{name}");
        element.set_property(name, 7_u64);
        assert_eq!(element.property::<u64>(name), 7, "{name}");
    }
    assert_eq!(element.property::<u32>("restart-limit"), 0);
    assert_eq!(element.property::<u32>("max-abandoned"), 4);
}

#[test]
fn stats_can_be_read_before_there_is_a_session() {
    let stats = element().property::<gst::Structure>("stats");
    assert_eq!(stats.get::<&str>("phase"), Ok("none"));
}

#[test]
fn a_value_out_of_range_is_refused_with_a_warning_and_changes_nothing() {
    let run = support::Launch::pipeline(
        "videotestsrc num-buffers=3 ! video/x-raw,width=128,height=128 ! svtav1watchenc preset=99 \
         ! fakesink",
    )
    .run();
    assert!(run.says("out of range"), "{}", run.text());
}

#[test]
fn an_unknown_parameter_is_an_error_that_names_it() {
    for (parameters, named) in [("tune=0:no-such-key=1", "no-such-key"), ("tune", "tune")] {
        let run = support::Launch::pipeline(&format!(
            "videotestsrc num-buffers=3 ! video/x-raw,width=128,height=128,framerate=25/1 \
             ! identity sleep-time=500000 \
             ! svtav1watchenc preset=12 parameters-string={parameters} ! fakesink"
        ))
        .run();
        assert_eq!(run.code(), 1, "{}", run.text());
        let line = run.lines.iter().find(|line| line.text.contains("ERROR:"));
        assert!(
            line.is_some_and(|line| line.text.contains(named)),
            "{}",
            run.text()
        );
    }
}

#[test]
fn what_the_library_says_is_in_the_debug_log_and_nowhere_else() {
    let run = support::Launch::pipeline(
        "videotestsrc num-buffers=3 ! video/x-raw,width=128,height=128,framerate=25/1 \
         ! svtav1watchenc preset=10 ! fakesink",
    )
    .env("GST_DEBUG", "svtav1watchenc-library:4")
    .env("GST_DEBUG_NO_COLOR", "1")
    .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    let said = |line: &&support::Line| line.text.contains("SVT [version]");
    let lines: Vec<_> = run.lines.iter().filter(said).collect();
    // Libraries before 4.0 cannot deliver; they are silenced.
    assert_eq!(
        !lines.is_empty(),
        support::svtav1_version() >= (4, 0),
        "{}",
        run.text()
    );
    assert!(
        lines
            .iter()
            .all(|line| line.text.contains("svtav1watchenc-library"))
    );
    assert!(!run.says("Svt["), "{}", run.text());
}

// SPDX-License-Identifier: MPL-2.0
use gst::glib;
use gst::prelude::*;

fn element() -> gst::Element {
    support::init();
    gst::ElementFactory::make("dav1dwatchdec").build().unwrap()
}

fn spec<T: glib::value::ValueType>(element: &gst::Element, name: &str) -> glib::ParamSpec {
    let spec = element.find_property(name);
    let spec = spec.unwrap_or_else(|| panic!("{name} is missing"));
    assert_eq!(spec.value_type(), T::Type::static_type(), "{name}");
    spec
}

/// dav1ddec's properties as gst-plugins-rs 0.14 has them, but for the defaults
/// that make its output other than what the stream says.
#[test]
fn dav1ddecs_properties_are_all_there_and_the_defaults_are_conformant() {
    let element = element();
    let threads = spec::<u32>(&element, "n-threads");
    let threads = threads.downcast::<glib::ParamSpecUInt>().unwrap();
    assert_eq!((threads.minimum(), threads.maximum()), (0, u32::MAX));
    assert_eq!(element.property::<u32>("n-threads"), 0);

    let delay = spec::<i64>(&element, "max-frame-delay");
    let delay = delay.downcast::<glib::ParamSpecInt64>().unwrap();
    assert_eq!(
        (delay.minimum(), delay.maximum()),
        (-1, i64::from(u32::MAX))
    );
    assert_eq!(element.property::<i64>("max-frame-delay"), -1);

    spec::<bool>(&element, "apply-grain");
    assert!(element.property::<bool>("apply-grain"));

    let filters = || {
        let value = element.property_value("inloop-filters");
        let (_class, flags) = glib::FlagsValue::from_value(&value).unwrap();
        flags
            .iter()
            .map(|flag| flag.nick().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(filters(), ["deblock", "cdef", "restoration"]);
    element.set_property_from_str("inloop-filters", "cdef+deblock");
    assert_eq!(filters(), ["deblock", "cdef"]);
}

#[test]
fn the_properties_that_dav1ddec_lacks_have_the_documented_ranges_and_defaults() {
    let element = element();
    let point = spec::<u32>(&element, "operating-point");
    let point = point.downcast::<glib::ParamSpecUInt>().unwrap();
    assert_eq!((point.minimum(), point.maximum()), (0, 31));
    assert_eq!(element.property::<u32>("operating-point"), 0);
    // Levels 6.0 to 6.3: the largest that AV1 defines.
    assert_eq!(element.property::<u32>("frame-size-limit"), 35_651_584);
}

#[test]
fn errors_without_end_are_not_tolerated_by_default() {
    assert_eq!(element().property::<i32>("max-errors"), 10);
}

#[test]
fn every_property_keeps_what_it_is_given() {
    let element = element();
    for (name, value) in [
        ("n-threads", 3_u32),
        ("operating-point", 2),
        ("frame-size-limit", 1234),
        ("restart-limit", 5),
    ] {
        element.set_property(name, value);
        assert_eq!(element.property::<u32>(name), value, "{name}");
    }
    element.set_property("max-frame-delay", 7_i64);
    assert_eq!(element.property::<i64>("max-frame-delay"), 7);
    element.set_property("apply-grain", false);
    assert!(!element.property::<bool>("apply-grain"));
    element.set_property("watchdog-timeout", 7_u64);
    assert_eq!(element.property::<u64>("watchdog-timeout"), 7);
}

#[test]
fn stats_can_be_read_before_there_is_a_session() {
    let stats = element().property::<gst::Structure>("stats");
    assert_eq!(stats.get::<&str>("phase"), Ok("none"));
    assert_eq!(stats.get::<u64>("damaged"), Ok(0));
}

#[test]
fn more_threads_than_dav1d_takes_still_open() {
    let run = support::Launch::pipeline(&format!(
        "filesrc location={} ! matroskademux ! av1parse \
         ! dav1dwatchdec n-threads=100000 max-frame-delay=100000 ! fakesink",
        support::media::clip().display()
    ))
    .run();
    assert_eq!(run.code(), 0, "{}", run.text());
}

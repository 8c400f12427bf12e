// SPDX-License-Identifier: MPL-2.0
//! The element beside the installed `svtav1enc`, as far as GStreamer can say what
//! an element is: what a pipeline sets there can be set here.

use gst::glib;
use gst::prelude::*;

/// A property as `gst-inspect-1.0` shows it, without the words and the default.
#[derive(Debug, PartialEq)]
struct Property {
    /// The type; of an enumeration the values that can be named.
    kind: String,
    /// Of a number.
    range: Option<(String, String)>,
}

impl Property {
    fn of(spec: &glib::ParamSpec) -> Self {
        fn range<T: ToString>(minimum: T, maximum: T) -> Option<(String, String)> {
            Some((minimum.to_string(), maximum.to_string()))
        }
        let range = if let Some(spec) = spec.downcast_ref::<glib::ParamSpecUInt>() {
            range(spec.minimum(), spec.maximum())
        } else if let Some(spec) = spec.downcast_ref::<glib::ParamSpecInt>() {
            range(spec.minimum(), spec.maximum())
        } else if let Some(spec) = spec.downcast_ref::<glib::ParamSpecUInt64>() {
            range(spec.minimum(), spec.maximum())
        } else {
            None
        };
        let kind = match spec.downcast_ref::<glib::ParamSpecEnum>() {
            Some(spec) => {
                let class = spec.enum_class();
                let values = class.values().iter();
                let values: Vec<_> = values.map(|v| (v.value(), v.nick().to_owned())).collect();
                format!("{values:?}")
            }
            None => spec.value_type().to_string(),
        };
        Self { kind, range }
    }
}

/// A value in words that two types of enumeration share.
fn word(value: &glib::Value) -> String {
    glib::EnumValue::from_value(value).map_or_else(
        || format!("{value:?}"),
        |(_, value)| value.nick().to_owned(),
    )
}

#[test]
fn every_property_of_the_installed_svtav1enc_is_there_with_its_range_and_default() {
    support::init();
    let Ok(theirs) = gst::ElementFactory::make("svtav1enc").build() else {
        return support::skip("svtav1watchenc", "this GStreamer has no svtav1enc");
    };
    let ours = gst::ElementFactory::make("svtav1watchenc").build().unwrap();
    let specs = theirs.list_properties();
    assert!(specs.iter().any(|spec| spec.name() == "preset"));
    for spec in specs.iter().filter(|spec| spec.name() != "name") {
        let name = spec.name();
        let same = ours
            .find_property(name)
            .unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(Property::of(&same), Property::of(spec), "{name}");
        assert!(
            same.flags()
                .contains(spec.flags() & glib::ParamFlags::READWRITE)
        );
        // What it says and what a new element has are not always the same: of
        // max-qp-allowed it says 4 up to 1.26, and has 63; of target-socket it says
        // -1, and has 0 where SVT-AV1 does not know it any more.
        let default = word(&ours.property_value(name));
        let said = word(spec.default_value());
        let has = word(&theirs.property_value(name));
        assert!(
            [&said, &has].contains(&&default),
            "{name}: {default}, and not {said} or {has}"
        );
    }
}

#[test]
fn it_takes_every_format_that_the_installed_svtav1enc_takes() {
    support::init();
    let Some(theirs) = gst::ElementFactory::find("svtav1enc") else {
        return support::skip("svtav1watchenc", "this GStreamer has no svtav1enc");
    };
    let ours = gst::ElementFactory::find("svtav1watchenc").unwrap();
    let sink = |factory: &gst::ElementFactory| {
        factory
            .static_pad_templates()
            .iter()
            .find(|template| template.direction() == gst::PadDirection::Sink)
            .unwrap()
            .caps()
    };
    let formats = |caps: &gst::Caps| -> Vec<String> {
        let structure = caps.structure(0).unwrap();
        structure
            .get::<gst::List>("format")
            .unwrap()
            .iter()
            .map(|format| format.get::<String>().unwrap())
            .collect()
    };
    let taken = formats(&sink(&ours));
    for format in formats(&sink(&theirs)) {
        assert!(taken.contains(&format), "{format} is not among {taken:?}");
    }
}

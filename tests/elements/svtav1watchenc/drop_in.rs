// SPDX-License-Identifier: MPL-2.0
//! The element beside the installed `svtav1enc`, as far as GStreamer can say what
//! an element is: what a pipeline sets there can be set here.

use gst::glib;
use gst::prelude::*;

/// A property as `gst-inspect-1.0` shows it, without the words.
#[derive(Debug, PartialEq)]
struct Property {
    /// The type; of an enumeration the values that can be named.
    kind: String,
    /// Of a number.
    range: Option<(String, String)>,
    /// What a new element has. That of the specification may be another: of
    /// svtav1enc's max-qp-allowed it is 4 up to GStreamer 1.26, and 63 in truth.
    default: String,
}

impl Property {
    fn of(element: &gst::Element, spec: &glib::ParamSpec) -> Self {
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
        let default = &element.property_value(spec.name());
        let (kind, default) = match spec.downcast_ref::<glib::ParamSpecEnum>() {
            Some(spec) => {
                let values: Vec<_> = spec
                    .enum_class()
                    .values()
                    .iter()
                    .map(|value| (value.value(), value.nick().to_owned()))
                    .collect();
                let (_, default) = glib::EnumValue::from_value(default).unwrap();
                (format!("{values:?}"), default.nick().to_owned())
            }
            None => (spec.value_type().to_string(), format!("{default:?}")),
        };
        Self {
            kind,
            range,
            default,
        }
    }
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
        assert_eq!(
            Property::of(&ours, &same),
            Property::of(&theirs, spec),
            "{name}"
        );
        assert!(
            same.flags()
                .contains(spec.flags() & glib::ParamFlags::READWRITE)
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

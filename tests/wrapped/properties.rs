// SPDX-License-Identifier: MPL-2.0
//! A wrapped element has the properties of its original.

use std::collections::BTreeMap;
use std::sync::Mutex;

use gst::glib;
use gst::prelude::*;

use crate::rig::Rig;

/// Encoders and decoders of several libraries.
const CODECS: [&str; 14] = [
    "x264enc",
    "vp8enc",
    "vp9enc",
    "vp8dec",
    "avdec_h264",
    "opusenc",
    "opusdec",
    "jpegdec",
    "jpegenc",
    "lamemp3enc",
    "vorbisenc",
    "flacenc",
    "avenc_aac",
    "openjpegdec",
];

/// The original, and an element `wrapped-NAME`. `None` if it is not installed.
pub(crate) fn wrapped(codec: &str) -> Option<(gst::Element, gst::Element)> {
    static REGISTERING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = REGISTERING.lock();
    support::init();
    let factory = gst::ElementFactory::find(codec)?;
    let name = format!("wrapped-{codec}");
    if gst::ElementFactory::find(&name).is_none() {
        gstcodecwatch::wrapped::register(None, &factory, &name, gst::Rank::NONE).unwrap();
    }
    let make = |name: &str| gst::ElementFactory::make(name).build().unwrap();
    Some((make(codec), make(&name)))
}

/// Does it with each of the codecs that are installed.
fn with_each(check: impl Fn(&str, gst::Element, gst::Element)) {
    let mut missing = Vec::new();
    for codec in CODECS {
        match wrapped(codec) {
            Some((original, wrapped)) => check(codec, original, wrapped),
            None => missing.push(codec),
        }
    }
    assert!(missing.len() < CODECS.len() / 2, "{missing:?}");
    if !missing.is_empty() {
        support::skip("wrapped", &format!("not installed: {missing:?}"));
    }
}

/// Those that every object has are not compared.
fn specs(element: &gst::Element) -> BTreeMap<String, glib::ParamSpec> {
    let own = |spec: &glib::ParamSpec| !gst::Object::static_type().is_a(spec.owner_type());
    let specs = element
        .list_properties()
        .iter()
        .cloned()
        .collect::<Vec<_>>();
    let named = |spec: glib::ParamSpec| (spec.name().to_owned(), spec);
    specs.into_iter().filter(own).map(named).collect()
}

/// The range of a number, its values if it is an enumeration.
fn range(spec: &glib::ParamSpec) -> String {
    macro_rules! range_of {
        ($($kind:ty),*) => {
            $(if let Some(spec) = spec.downcast_ref::<$kind>() {
                return format!("{:?} to {:?}", spec.minimum(), spec.maximum());
            })*
        };
    }
    range_of!(
        glib::ParamSpecInt,
        glib::ParamSpecUInt,
        glib::ParamSpecInt64,
        glib::ParamSpecUInt64,
        glib::ParamSpecLong,
        glib::ParamSpecULong,
        glib::ParamSpecFloat,
        glib::ParamSpecDouble,
        gst::ParamSpecFraction
    );
    match spec.downcast_ref::<glib::ParamSpecEnum>() {
        Some(spec) => format!("{:?}", spec.enum_class().type_()),
        None => String::new(),
    }
}

fn said_of(spec: &glib::ParamSpec) -> String {
    // GStreamer cannot show that there is none.
    let default = (!boxed(spec)).then(|| spec.default_value());
    format!(
        "{} {} {:?} {:?} {:?} {default:?} {}",
        spec.type_(),
        spec.value_type(),
        spec.nick(),
        spec.blurb(),
        spec.flags(),
        range(spec),
    )
}

#[test]
fn every_property_is_there_with_its_type_range_default_flags_and_texts() {
    with_each(|codec, original, wrapped| {
        let (originals, wrappeds) = (specs(&original), specs(&wrapped));
        assert!(originals.len() > 1, "{codec}");
        for (name, spec) in &originals {
            let found = wrappeds.get(name).map(said_of);
            assert_eq!(found, Some(said_of(spec)), "{codec} {name}");
            let found = wrapped.find_property(name);
            assert_eq!(
                found.as_ref().map(said_of),
                Some(said_of(spec)),
                "{codec} {name}"
            );
        }
    });
}

#[test]
fn the_shared_properties_are_beside_them_renamed_where_the_original_has_the_name() {
    with_each(|codec, original, wrapped| {
        let (originals, wrappeds) = (specs(&original), specs(&wrapped));
        let plain = gst::ElementFactory::make("codecwatch").build().unwrap();
        for (name, spec) in specs(&plain) {
            let name = match originals.contains_key(&name) {
                true => format!("codecwatch-{name}"),
                false => name,
            };
            let found = wrappeds.get(&name).map(said_of);
            assert_eq!(found, Some(said_of(&spec)), "{codec} {name}");
        }
    });
}

#[test]
fn a_renamed_property_and_the_one_that_has_the_name_are_two() {
    let Some((_, wrapped)) = wrapped("opusdec") else {
        return support::skip("wrapped", "no opusdec");
    };
    let ours = wrapped.property::<gst::Structure>("codecwatch-stats");
    assert!(ours.has_field("verdict"), "{ours}");
    let its = wrapped.property::<Option<gst::Structure>>("stats");
    assert!(its.is_none_or(|its| !its.has_field("verdict")));
}

/// A value that is not the default; `None` if none is known.
fn another(spec: &glib::ParamSpec) -> Option<glib::Value> {
    macro_rules! other_number {
        ($($kind:ty: $one:expr),*) => {
            $(if let Some(spec) = spec.downcast_ref::<$kind>() {
                let (least, most) = (spec.minimum(), spec.maximum());
                let default = spec.default_value();
                let next = if default < most { default + $one } else { least };
                return (next != default).then(|| next.to_value());
            })*
        };
    }
    if let Some(spec) = spec.downcast_ref::<glib::ParamSpecBoolean>() {
        return Some((!spec.default_value()).to_value());
    }
    other_number!(
        glib::ParamSpecInt: 1,
        glib::ParamSpecUInt: 1,
        glib::ParamSpecInt64: 1,
        glib::ParamSpecUInt64: 1,
        glib::ParamSpecFloat: 0.1,
        glib::ParamSpecDouble: 0.1
    );
    if let Some(spec) = spec.downcast_ref::<glib::ParamSpecEnum>() {
        let default = spec.default_value_as_i32();
        let class = spec.enum_class();
        let other = class
            .values()
            .iter()
            .find(|value| value.value() != default)?;
        return class.to_value(other.value());
    }
    if let Some(spec) = spec.downcast_ref::<glib::ParamSpecFlags>() {
        let class = spec.flags_class();
        let default = spec.default_value_as_u32();
        let other = class
            .values()
            .iter()
            .find(|value| value.value() & !default != 0)?;
        return class.to_value_by_nick(other.nick());
    }
    if spec.value_type() == String::static_type() {
        return Some("a=\"b c\", d".to_value());
    }
    None
}

fn boxed(spec: &glib::ParamSpec) -> bool {
    spec.value_type().is_a(glib::Type::BOXED)
}

fn value_is(one: &glib::Value, other: &glib::Value) -> bool {
    format!("{one:?}") == format!("{other:?}")
}

/// Sets every property that can be set to another value.
fn set_all(codec: &str, wrapped: &gst::Element, original: &gst::Element) -> Vec<(String, String)> {
    let mut set = Vec::new();
    for (name, spec) in specs(original) {
        let flags = spec.flags();
        let both = flags.contains(glib::ParamFlags::READWRITE);
        if !both || flags.contains(glib::ParamFlags::CONSTRUCT_ONLY) {
            continue;
        }
        let now = original.property_value(&name);
        let other = match boxed(&spec) || value_is(&now, spec.default_value()) {
            true => another(&spec),
            false => Some(spec.default_value().clone()),
        };
        match other {
            Some(value) => {
                wrapped.set_property_from_value(&name, &value);
                let text = value
                    .serialize()
                    .unwrap_or_else(|_| panic!("{codec} {name}: {value:?}"));
                set.push((name, text.to_string()));
            }
            None => println!("{codec} {name}: a {} is not set", spec.value_type()),
        }
    }
    set
}

fn value(element: &gst::Element, name: &str) -> String {
    let value = element.property_value(name);
    // Not everything can be written.
    let written = value.serialize().map(Into::into);
    written.unwrap_or_else(|_| format!("{value:?}"))
}

#[test]
fn what_nobody_has_set_is_what_the_original_begins_with() {
    with_each(|codec, original, wrapped| {
        for (name, spec) in specs(&original) {
            if boxed(&spec) || !spec.flags().contains(glib::ParamFlags::READABLE) {
                continue;
            }
            assert_eq!(
                value(&wrapped, &name),
                value(&original, &name),
                "{codec} {name}"
            );
        }
    });
}

#[test]
fn every_value_that_is_set_is_read_back() {
    with_each(|codec, original, wrapped| {
        let set = set_all(codec, &wrapped, &original);
        assert!(!set.is_empty(), "{codec}");
        for (name, text) in set {
            assert_eq!(value(&wrapped, &name), text, "{codec} {name}");
            assert_ne!(value(&original, &name), text, "{codec} {name}: no default");
        }
    });
}

#[test]
fn every_value_that_is_set_reaches_the_codec_as_it_would_reach_the_bare_one() {
    for codec in ["x264enc", "vp8enc", "opusenc", "avdec_h264", "jpegdec"] {
        let Some((original, wrapped)) = wrapped(codec) else {
            support::skip("wrapped", &format!("no {codec}"));
            continue;
        };
        let set = set_all(codec, &wrapped, &original);
        // Some setters change what another property says.
        set_all(codec, &original, &original);
        let rig = Rig::around(wrapped.clone(), codec.to_owned());
        for life in 0..2 {
            settle_open(&wrapped);
            for (name, _) in &set {
                let (expected, found) = (value(&original, name), value(&wrapped, name));
                assert_eq!(found, expected, "{codec} {name}, life {life}");
            }
            wrapped.set_state(gst::State::Ready).unwrap();
            wrapped.set_state(gst::State::Playing).unwrap();
        }
        drop(rig);
    }
}

/// Waits until the codec is open: a getter enters it from then on.
fn settle_open(element: &gst::Element) {
    let stats = match element.find_property("codecwatch-stats") {
        Some(_) => "codecwatch-stats",
        None => "stats",
    };
    let begun = std::time::Instant::now();
    while element.property::<gst::Structure>(stats).get("phase") != Ok("running") {
        assert!(begun.elapsed() < std::time::Duration::from_secs(20));
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

#[test]
fn a_property_that_is_set_is_notified_once() {
    let Some((_, wrapped)) = wrapped("x264enc") else {
        return support::skip("wrapped", "no x264enc");
    };
    let (sender, heard) = std::sync::mpsc::channel();
    wrapped.connect_notify(None, move |_, spec| {
        sender.send(spec.name().to_owned()).unwrap();
    });
    wrapped.set_property("bitrate", 300_u32);
    wrapped.set_property("restart-limit", 3_u32);
    let heard: Vec<_> = heard.try_iter().collect();
    assert_eq!(heard, ["bitrate", "restart-limit"]);
    assert_eq!(wrapped.property::<u32>("restart-limit"), 3);
}

#[test]
fn the_codec_is_fixed() {
    let Some((_, wrapped)) = wrapped("x264enc") else {
        return support::skip("wrapped", "no x264enc");
    };
    assert_eq!(wrapped.property::<String>("codec"), "x264enc");
    wrapped.set_property("codec", "identity");
    assert_eq!(wrapped.property::<String>("codec"), "x264enc");
}

#[test]
fn metadata_and_pads_are_those_of_the_original() {
    with_each(|codec, original, wrapped| {
        let shown = |element: &gst::Element| {
            let factory = element.factory().unwrap();
            let keys = factory.metadata_keys();
            let metadata = keys
                .iter()
                .map(|key| format!("{key}: {:?}", factory.metadata(key)));
            let mut metadata: Vec<_> = metadata.collect();
            metadata.sort();
            let templates = factory.static_pad_templates();
            let templates = templates.iter().map(|template| {
                let caps = template.caps().to_string();
                let (name, presence) = (template.name_template().to_owned(), template.presence());
                (name, template.direction(), presence, caps)
            });
            let mut templates: Vec<_> = templates.collect();
            templates.sort_by(|one, other| one.0.cmp(&other.0));
            (metadata, format!("{templates:?}"))
        };
        assert_eq!(shown(&wrapped), shown(&original), "{codec}");
        for interface in [gst::Preset::static_type(), gst::TagSetter::static_type()] {
            let (has, had) = (
                wrapped.type_().is_a(interface),
                original.type_().is_a(interface),
            );
            assert_eq!(has, had, "{codec} {interface}");
        }
    });
}

#[test]
fn an_element_that_nobody_names_is_called_by_its_own_name() {
    let Some((_, wrapped)) = wrapped("x264enc") else {
        return support::skip("wrapped", "no x264enc");
    };
    let name = wrapped.name();
    let number = name.strip_prefix("wrapped-x264enc");
    assert!(
        number.is_some_and(|number| number.parse::<u32>().is_ok()),
        "{name}"
    );
    let named = gst::ElementFactory::make("wrapped-x264enc")
        .name("mine")
        .build()
        .unwrap();
    assert_eq!(named.name(), "mine");
}

#[test]
fn what_is_no_codec_cannot_be_wrapped() {
    support::init();
    for (name, said) in [
        ("fakesink", "no source pad"),
        ("tee", "no source pad"),
        ("videotestsrc", "no sink pad"),
    ] {
        let factory = gst::ElementFactory::find(name).unwrap();
        let new = format!("wrapped-{name}");
        let refused = gstcodecwatch::wrapped::register(None, &factory, &new, gst::Rank::NONE);
        let error = refused.unwrap_err().to_string();
        assert!(error.contains(said), "{name}: {error}");
        assert!(gst::ElementFactory::find(&new).is_none());
    }
}

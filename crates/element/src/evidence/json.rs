// SPDX-License-Identifier: MPL-2.0
//! GStreamer's values as JSON.

use gst::glib;
use gst::prelude::*;
use serde_json::{Map, Value};

/// Most characters of a text: what a stream or an application says has no limit.
const LONGEST_TEXT: usize = 10_000;

/// The fields of a structure.
pub(super) fn structure(structure: &gst::StructureRef) -> Map<String, Value> {
    let fields = structure.iter();
    fields
        .map(|(name, field)| (name.to_string(), value(field)))
        .collect()
}

/// The properties of an element, except for objects and `stats`, whose fields at the
/// time of the fault are in its details.
pub(super) fn properties(element: &gst::Element) -> Map<String, Value> {
    let specs = element.list_properties();
    let read = specs.iter().filter(|&spec| {
        let is_object = spec.value_type().is_a(glib::Type::OBJECT);
        let is_readable = spec.flags().contains(glib::ParamFlags::READABLE);
        is_readable && !is_object && spec.name() != "stats"
    });
    read.map(|spec| {
        let name = spec.name();
        (name.to_owned(), value(&element.property_value(name)))
    })
    .collect()
}

fn value(from: &glib::Value) -> Value {
    macro_rules! number {
        ($($kind:ty),*) => {
            $(if let Ok(number) = from.get::<$kind>() {
                return Value::from(number);
            })*
        };
    }
    number!(bool, i32, u32, i64, u64, f32, f64);
    if let Ok(text) = from.get::<Option<&str>>() {
        return text.map_or(Value::Null, |text| Value::from(limited(text)));
    }
    if let Ok(nested) = from.get::<gst::Structure>() {
        return Value::Object(structure(&nested));
    }
    let text = from.serialize();
    text.map_or(Value::Null, |text| Value::from(limited(&text)))
}

/// The beginning of a text.
pub(super) fn limited(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_keep_their_types_and_texts_are_limited() {
        gst::init().unwrap();
        let inner = gst::Structure::builder("inner").field("n", 7_i32).build();
        let made = gst::Structure::builder("s")
            .field("text", "a \"b\"\n")
            .field("none", None::<String>)
            .field("big", u64::MAX)
            .field("yes", true)
            .field("part", 0.5_f64)
            .field("rate", gst::Fraction::new(25, 1))
            .field("inner", inner)
            .field("long", "ä".repeat(LONGEST_TEXT + 1))
            .build();
        let mut read = structure(&made);
        let long = read.remove("long").unwrap();
        assert_eq!(long.as_str().unwrap().chars().count(), LONGEST_TEXT);
        let expected = json!({
            "text": "a \"b\"\n", "none": null, "big": u64::MAX, "yes": true, "part": 0.5,
            "rate": "25/1", "inner": {"n": 7},
        });
        assert_eq!(Value::Object(read), expected);
    }

    #[test]
    fn properties_are_read_but_for_objects() {
        gst::init().unwrap();
        let queue = gst::ElementFactory::make("identity")
            .name("it")
            .build()
            .unwrap();
        let read = properties(&queue);
        assert_eq!(read.get("name"), Some(&json!("it")));
        assert_eq!(read.get("sync"), Some(&json!(false)));
        assert!(!read.contains_key("parent"));
    }
}

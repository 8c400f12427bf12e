// SPDX-License-Identifier: MPL-2.0
//! Structures and caps as text. What a child has written may have been made up to harm
//! whoever reads it. So it is [scanned](super::scan) first. And GStreamer's parser takes
//! values that it complains of, such as a range whose end lies before its start, and
//! calculating with these ends the process, so the values are looked at afterwards.

use gst::glib;

use super::scan::is_harmless;

/// The text of a structure, without the fields that are nothing or objects (`parsebin` has
/// a `GstStream` in the starts of its streams): their text could not be read again.
pub(super) fn text_of(structure: &gst::StructureRef) -> String {
    let mut kept = structure.to_owned();
    let is_portable =
        |value: &glib::Value| !is_nothing(value) && !value.type_().is_a(glib::Type::OBJECT);
    kept.filter_map_in_place(|_, value| is_portable(&value).then_some(value));
    kept.to_string()
}

/// Whether it is a pointer to nothing.
pub(crate) fn is_nothing(value: &glib::Value) -> bool {
    let type_ = value.type_();
    if type_.is_a(glib::Type::BOXED) {
        return value
            .get::<Option<glib::BoxedValue>>()
            .is_ok_and(|inside| inside.is_none());
    }
    type_ == glib::Type::STRING && value.get::<Option<String>>().is_ok_and(|it| it.is_none())
}

/// A structure from its text: `Some(None)` from none, `None` if it cannot be read.
#[allow(clippy::option_option, reason = "no structure is as good as one")]
pub(super) fn structure(text: Option<&str>) -> Option<Option<gst::Structure>> {
    match text {
        None => Some(None),
        Some(text) => {
            let structure: gst::Structure = read(text)?;
            is_sound(&structure).then_some(Some(structure))
        }
    }
}

/// Caps from their text; `None` if they cannot be read.
pub(super) fn caps(text: &str) -> Option<gst::Caps> {
    read(text).filter(are_sound)
}

fn are_sound(caps: &gst::Caps) -> bool {
    caps.iter().all(is_sound)
}

/// Whether each value is one that GStreamer would make itself.
fn is_sound(structure: &gst::StructureRef) -> bool {
    structure.iter().all(|(_, value)| is_sound_value(value))
}

/// Whether a value is one that GStreamer would make itself.
pub(crate) fn is_sound_value(value: &glib::Value) -> bool {
    if is_nothing(value) {
        return false;
    }
    if let Some(sound) = numbers::is_sound(value) {
        return sound;
    }
    if let Ok(list) = value.get::<gst::List>() {
        return list.iter().all(|item| is_sound_value(item));
    }
    if let Ok(array) = value.get::<gst::Array>() {
        return array.iter().all(|item| is_sound_value(item));
    }
    if let Ok(structure) = value.get::<gst::Structure>() {
        return is_sound(&structure);
    }
    if let Ok(caps) = value.get::<gst::Caps>() {
        return are_sound(&caps);
    }
    true
}

fn read<T: std::str::FromStr>(text: &str) -> Option<T> {
    is_harmless(text).then(|| text.parse().ok()).flatten()
}

/// Numbers that consist of several. The bindings panic when they read one that is not
/// sound, so its parts are read one by one.
mod numbers {
    use gst::ffi;
    use gst::glib::translate::ToGlibPtr;
    use gst::glib::{self, gobject_ffi::GValue, prelude::*};

    /// `None` of another type.
    pub(super) fn is_sound(value: &glib::Value) -> Option<bool> {
        let type_ = value.type_();
        let value = value.to_glib_none();
        let pointer: *const GValue = value.0;
        if type_ == gst::IntRange::<i32>::static_type() {
            // SAFETY: a value of this type, which lives as long as it is borrowed.
            let min = unsafe { ffi::gst_value_get_int_range_min(pointer) };
            // SAFETY: as above.
            let max = unsafe { ffi::gst_value_get_int_range_max(pointer) };
            // SAFETY: as above.
            let step = unsafe { ffi::gst_value_get_int_range_step(pointer) };
            return Some(is_range(min.into(), max.into(), step.into()));
        }
        if type_ == gst::IntRange::<i64>::static_type() {
            // SAFETY: a value of this type, which lives as long as it is borrowed.
            let min = unsafe { ffi::gst_value_get_int64_range_min(pointer) };
            // SAFETY: as above.
            let max = unsafe { ffi::gst_value_get_int64_range_max(pointer) };
            // SAFETY: as above.
            let step = unsafe { ffi::gst_value_get_int64_range_step(pointer) };
            return Some(is_range(min, max, step));
        }
        if type_ == gst::Fraction::static_type() {
            return Some(fraction(pointer).is_some());
        }
        if type_ == gst::FractionRange::static_type() {
            // SAFETY: a value of this type, which lives as long as it is borrowed.
            let min = unsafe { ffi::gst_value_get_fraction_range_min(pointer) };
            // SAFETY: as above.
            let max = unsafe { ffi::gst_value_get_fraction_range_max(pointer) };
            let (min, max) = (fraction(min), fraction(max));
            return Some(min.zip(max).is_some_and(|(min, max)| min < max));
        }
        if type_.name() == "GstDoubleRange" {
            // SAFETY: a value of this type, which lives as long as it is borrowed.
            let min = unsafe { ffi::gst_value_get_double_range_min(pointer) };
            // SAFETY: as above.
            let max = unsafe { ffi::gst_value_get_double_range_max(pointer) };
            return Some(min < max);
        }
        None
    }

    fn is_range(min: i64, max: i64, step: i64) -> bool {
        min < max && step > 0 && min % step == 0 && max % step == 0
    }

    /// The fraction at a pointer, which may lead nowhere.
    fn fraction(pointer: *const GValue) -> Option<gst::Fraction> {
        if pointer.is_null() {
            return None;
        }
        // SAFETY: a fraction, or a part of a range of them, which is one; it lives as long
        // as what it is a part of.
        let numerator = unsafe { ffi::gst_value_get_fraction_numerator(pointer) };
        // SAFETY: as above.
        let denominator = unsafe { ffi::gst_value_get_fraction_denominator(pointer) };
        // What cannot be negated cannot be shortened.
        let is_number = denominator > 0 && numerator != i32::MIN;
        is_number.then(|| gst::Fraction::new(numerator, denominator))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::scan::DEEPEST;

    #[test]
    fn what_is_nested_too_deeply_is_not_read() {
        gst::init().unwrap();
        let nested = |levels: usize| {
            let (open, close) = ("{".repeat(levels), "}".repeat(levels));
            structure(Some(&format!("a, b=(int){open}1{close}")))
        };
        assert!(nested(DEEPEST).is_some());
        assert!(nested(DEEPEST + 1).is_none());
        assert!(nested(1_000_000).is_none());
        let range = format!("video/x-raw, width={}", "[".repeat(1_000_000));
        assert!(caps(&range).is_none());
        assert!(caps("video/x-raw, width=(int){ 1, [ 2, 3 ] }").is_some());
    }

    #[test]
    fn the_words_of_a_title_are_not_read_as_types() {
        gst::init().unwrap();
        let mut tags = gst::TagList::new();
        for title in [
            "one (Sample) [Live]",
            "(buffer)0g",
            "\"a\\",
            &":( [{".repeat(2 * DEEPEST),
        ] {
            let tags = tags.make_mut();
            tags.add::<gst::tags::Title>(&title, gst::TagMergeMode::Append);
        }
        // In an event, and in a structure within a structure.
        let event = gst::event::Tag::new(tags);
        let event = event.structure().unwrap().to_owned();
        let inside = gst::Structure::builder("inside").field("event", &event);
        let outside = gst::Structure::builder("outside").field("inside", inside.build());
        for said in [event, outside.build()] {
            assert_eq!(structure(Some(&text_of(&said))), Some(Some(said)));
        }
    }

    #[test]
    fn values_that_are_none_are_not_read() {
        gst::init().unwrap();
        // The parser says what it thinks of some.
        glib::log_set_always_fatal(glib::LogLevels::LEVEL_ERROR);
        for (text, sound) in [
            ("(int)[ 1, 2 ]", true),
            ("(int)[ 2, 1 ]", false),
            ("(int)[ 0, 10, 5 ]", true),
            ("(int)[ 1, 10, 3 ]", false),
            ("(gint64)[ 2, 1 ]", false),
            ("(fraction)[ 1/2, 2/1 ]", true),
            ("(fraction)[ 2/1, 1/2 ]", false),
            ("{ (int)1, (int)[ 2, 1 ] }", false),
            ("< (int)1, (int)[ 2, 1 ] >", false),
            ("(structure)\"a, b=(int)[ 2, 1 ]\"", false),
            ("(GstCaps)\"video/x-raw, width=(int)[ 2, 1 ]\"", false),
            ("(GstBuffer)NULL", false),
            ("(GstBuffer)00ff", true),
            ("(buffer)00fF", true),
            ("(buffer)\"00ff\"", false),
            ("(buffer)", false),
            ("(buffer)< 00, ff01 >", true),
            ("(buffer){ 00, ff01 }", true),
            (
                "(GstCaps)\"video/x-raw\\,\\ codec_data\\=\\(buffer\\)00ff\"",
                true,
            ),
            (
                "(GstCaps)\"video/x-raw\\,\\ codec_data\\=\\(buffer\\)00fg\"",
                false,
            ),
            ("(buffer)< 00, f >", false),
            ("(buffer)< 00, \"ff\" >", false),
            ("(buffer)< 00, < zz > >", false),
            ("< (buffer)00, (buffer)ff >", true),
            ("( buffer )00f", false),
            ("( buffer)0g", false),
            ("(\tbuffer)0g", false),
            ("( buffer)00ff", true),
            ("( sample)00:None:None:None", false),
            ("(structure)\"b\\,\\ c\\=\\(\\ buffer\\)0g\"", false),
            ("[e12345.E]", false),
            ("(structure)[e123456789]", false),
            ("(GstCaps)[ e777 ]", false),
            ("(double)[ 0, inf ]", true),
            ("(buffer)0g", false),
            ("(structure)\"a, b=\\(buffer\\)0g\"", false),
            ("(sample)00:None:None:None", false),
            ("(string)\"a (Sample)\"", true),
            ("(string){ a, \"b (Sample)\", c, \"d\\\"(buffer)\" }", true),
            ("(string)\"a\", b=(buffer)0g, c=(string)\"d\"", false),
            ("(string){ \"a\" }, b=(buffer)0g, c=(string)\"d\"", false),
            ("(string){ \"a\", (structure)\"b, c=(buffer)0g\" }", false),
            (
                "(structure)\"b, c=(string)\", d=(buffer)0g, e=(string)\"f\"",
                false,
            ),
            ("(structure){ \"b, c=(int)1\", \"b, c=(buffer)0g\" }", false),
            // GStreamer finds the first closing bracket.
            ("(structure)[b; c=(string)\"], d=(buffer)0g; \"", false),
            (
                "(structure)[b; c=(string)\"], d=(int)1, e=(structure)[f; g=(string)\"]",
                false,
            ),
            ("[b; c=(string)\"], d=(sample)00:None:None:None; \"", false),
            ("(GstCaps)[b; c=(string)\"], d=(int)1; \"", false),
            (
                "(structure)\"b\\,\\ c\\=\\(structure\\)\\[d\\;\\ e\\]\"",
                false,
            ),
            ("(fraction)[ 0/1, 2147483647/1 ]", true),
            ("(double)[ 1, 1.7976931348623157e+308 ]", true),
        ] {
            let read = structure(Some(&format!("a, value={text}")));
            assert_eq!(read.is_some(), sound, "{text}: {read:?}");
        }
    }
}

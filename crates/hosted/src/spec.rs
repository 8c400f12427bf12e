// SPDX-License-Identifier: MPL-2.0
//! Specs of properties: which an element has, copies of them for classes that are
//! defined at run time, and values as text.

use gst::glib;
use gst::glib::translate::{IntoGlib, ToGlibPtr, from_glib_none};
use gst::prelude::*;

use crate::remote::{is_nothing, is_sound_value};

/// The properties of the elements of a type, which is registered; without those that
/// every object has.
pub fn properties_of(element: glib::Type) -> Option<Vec<glib::ParamSpec>> {
    let class = glib::Class::<gst::Element>::from_type(element)?;
    let own = |spec: &glib::ParamSpec| !gst::Object::static_type().is_a(spec.owner_type());
    let specs = class.list_properties();
    Some(specs.iter().filter(|spec| own(spec)).cloned().collect())
}

/// A spec that says the same of a property with the name `name`: type, range, default,
/// flags and texts. A spec belongs to one class, so another class needs its own.
///
/// It is kept for ever, as the specs of classes are.
pub fn copy(spec: &glib::ParamSpec, name: &str) -> Option<glib::ParamSpec> {
    use glib::gobject_ffi::{GParamSpec, g_param_spec_internal, g_type_query};
    let kind = spec.type_();
    let mut query = glib::gobject_ffi::GTypeQuery {
        type_: 0,
        type_name: std::ptr::null(),
        class_size: 0,
        instance_size: 0,
    };
    // SAFETY: the type is registered, and the query is written by this call alone.
    unsafe { g_type_query(kind.into_glib(), &mut query) };
    let common = size_of::<GParamSpec>();
    let own = (query.instance_size as usize).checked_sub(common)?;
    // The copy refers to what the original owns (its default, its enumeration).
    let kept: &'static glib::ParamSpec = Box::leak(Box::new(spec.clone()));
    let original: *const GParamSpec = kept.to_glib_none().0;
    let (nick, blurb) = (spec.nick(), spec.blurb());
    // The texts of the original are not promised to be static.
    let texts = glib::gobject_ffi::G_PARAM_STATIC_NAME
        | glib::gobject_ffi::G_PARAM_STATIC_NICK
        | glib::gobject_ffi::G_PARAM_STATIC_BLURB;
    // SAFETY: a spec is valid as long as it is referred to.
    let flags = unsafe { (*original).flags } & !texts;
    // SAFETY: the type is one of specs, and the texts are copied.
    let made = unsafe {
        g_param_spec_internal(
            kind.into_glib(),
            name.to_glib_none().0,
            nick.to_glib_none().0,
            blurb.to_glib_none().0,
            flags,
        )
    };
    let made: *mut GParamSpec = made.cast();
    if made.is_null() {
        return None;
    }
    // SAFETY: a spec is valid as long as it is referred to.
    let value_type = unsafe { (*original).value_type };
    // SAFETY: it is a spec, and new: nobody else has it.
    unsafe { (*made).value_type = value_type };
    // What a type adds to every spec follows what all have.
    // SAFETY: an instance of this type is `common` + `own` long.
    let from = unsafe { original.cast::<u8>().add(common) };
    // SAFETY: the same.
    let to = unsafe { made.cast::<u8>().add(common) };
    // SAFETY: both are `own` long. Pointers in it stay valid, because the original is
    // kept for ever, and are freed by neither, because the copy is kept for ever, too.
    unsafe { std::ptr::copy_nonoverlapping(from, to, own) };
    // SAFETY: it is a spec; this takes a reference of its own (the first one).
    let made: glib::ParamSpec = unsafe { from_glib_none(made) };
    let kept: &'static glib::ParamSpec = Box::leak(Box::new(made));
    Some(kept.clone())
}

/// A value as GStreamer writes it. `None` if it has no text form, or is nothing.
pub fn text_if_any(value: &glib::Value) -> Option<String> {
    let boxed = value.type_().is_a(glib::Type::BOXED);
    if boxed
        && value
            .get::<Option<glib::BoxedValue>>()
            .is_ok_and(|inside| inside.is_none())
    {
        // GStreamer does not look whether there is anything.
        return None;
    }
    if value.type_().name() == "GValueArray" {
        // GStreamer writes it, and cannot read what it has written.
        return None;
    }
    let named = value.serialize().map(Into::into);
    // Some flags have no name for none of them.
    let number = || {
        Some(
            value
                .transform::<u32>()
                .ok()?
                .get::<u32>()
                .ok()?
                .to_string(),
        )
    };
    let is_flags = value.type_().is_a(glib::Type::FLAGS);
    named.ok().or_else(|| number().filter(|_| is_flags))
}

/// A value as GStreamer writes it. `None`, with a warning, if it has no text form.
pub fn text_of(value: &glib::Value, spec: &glib::ParamSpec) -> Option<String> {
    let text = text_if_any(value);
    if text.is_none() {
        glib::g_warning!(
            "codecwatch",
            "property '{}' is not set: this {} has no text form",
            spec.name(),
            spec.value_type()
        );
    }
    text
}

/// The value that a text stands for; the default if there is none.
pub fn value_from(text: Option<String>, spec: &glib::ParamSpec) -> glib::Value {
    text.and_then(|text| glib::Value::deserialize_with_pspec(&text, spec).ok())
        // The text may have come from a child process.
        .filter(|value| is_nothing(value) || is_sound_value(value))
        .unwrap_or_else(|| spec.default_value().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_cannot_be_read_again_has_no_text() {
        gst::init().unwrap();
        let array = glib::ValueArray::new([1.to_value(), 2.to_value()]);
        assert_eq!(text_if_any(&array.to_value()), None);
        assert_eq!(text_if_any(&7.to_value()).as_deref(), Some("7"));
    }
}

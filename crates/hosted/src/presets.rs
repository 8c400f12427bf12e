// SPDX-License-Identifier: MPL-2.0
//! Presets of a class that looks like the elements of a factory: those of the factory's
//! own elements. GStreamer finds presets by the name of an object's class, so an element
//! of the factory is created to read and to write them; it is not the one that works.
//!
//! The bindings do not let a class implement these functions: therefore the unsafe code.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use gst::ffi::{GstPreset, GstPresetInterface};
use gst::glib;
use gst::glib::translate::{IntoGlib, IntoGlibPtr, ToGlibPtr, from_glib_borrow, from_glib_full};
use gst::prelude::*;

use crate::{originals, spec};

/// The factory for each class that has presets.
static OF_CLASS: RwLock<BTreeMap<glib::Type, gst::ElementFactory>> = RwLock::new(BTreeMap::new());

/// Fills in the functions of the interface.
pub(crate) const INIT: glib::gobject_ffi::GInterfaceInitFunc = Some(init);

/// Notes whose presets a class has.
pub(crate) fn note(class: glib::Type, factory: gst::ElementFactory) {
    let mut factories = OF_CLASS.write().unwrap_or_else(PoisonError::into_inner);
    factories.insert(class, factory);
}

/// Does something with the presets of the factory that an object's class belongs to.
fn with_presets<R: Send + 'static>(
    object: &glib::Object,
    act: impl FnOnce(&gst::Preset) -> R + Send + 'static,
) -> Option<R> {
    let factory = {
        let factories = OF_CLASS.read().unwrap_or_else(PoisonError::into_inner);
        factories.get(&object.type_())?.clone()
    };
    let answer = originals::with_new(&factory, |element| {
        Some(act(element.dynamic_cast_ref::<gst::Preset>()?))
    });
    answer.flatten()
}

/// A property that is not one of every object, such as the name.
fn own_property(object: &glib::Object, name: &str) -> Option<glib::ParamSpec> {
    let own = |spec: &glib::ParamSpec| !gst::Object::static_type().is_a(spec.owner_type());
    object.find_property(name).filter(own)
}

/// Sets what a preset sets.
fn load(object: &glib::Object, name: String) -> Option<()> {
    let values = with_presets(object, move |preset| {
        let set = Arc::new(Mutex::new(Vec::new()));
        let notified = set.clone();
        preset.connect_notify(None, move |_, spec| {
            let mut set = notified.lock().unwrap_or_else(PoisonError::into_inner);
            set.push(spec.name().to_owned());
        });
        preset.load_preset(&name).ok()?;
        let set = set.lock().unwrap_or_else(PoisonError::into_inner);
        let text = |name: &String| {
            let text = spec::text_if_any(&preset.property_value(name))?;
            Some((name.clone(), text))
        };
        Some(set.iter().filter_map(text).collect::<Vec<_>>())
    });
    for (name, text) in values.flatten()? {
        if let Some(spec) = own_property(object, &name) {
            object.set_property_from_value(&name, &spec::value_from(Some(text), &spec));
        }
    }
    Some(())
}

/// Saves the values of an object as a preset.
fn save(object: &glib::Object, name: String) -> Option<()> {
    let names = with_presets(object, |preset| preset.property_names())?;
    let text = |name: &glib::GString| {
        let text = spec::text_if_any(&object.property_value(name))?;
        Some((name.to_string(), text))
    };
    let own = names
        .iter()
        .filter(|name| own_property(object, name).is_some());
    let values: Vec<_> = own.filter_map(text).collect();
    let saved = with_presets(object, move |preset| {
        for (name, text) in values {
            if let Some(spec) = preset.find_property(&name) {
                preset.set_property_from_value(&name, &spec::value_from(Some(text), &spec));
            }
        }
        preset.save_preset(&name).ok()
    });
    saved.flatten()
}

/// What is said of a preset. GStreamer may say that it has something where there is
/// nothing, which the bindings do not expect.
fn meta(preset: &gst::Preset, name: &str, tag: &str) -> Option<glib::GString> {
    let mut value = std::ptr::null_mut();
    // SAFETY: all are valid, and the place is written by this call alone.
    let known = unsafe {
        gst::ffi::gst_preset_get_meta(
            preset.to_glib_none().0,
            name.to_glib_none().0,
            tag.to_glib_none().0,
            &mut value,
        )
    };
    // SAFETY: the caller owns the text, if there is one.
    let value: Option<glib::GString> = unsafe { from_glib_full(value) };
    value.filter(|_| known != glib::ffi::GFALSE)
}

// ---- the functions of the interface

/// Fills in the functions. Called by GLib once for each class.
///
/// # Safety
/// `interface` is that of GstPreset.
unsafe extern "C" fn init(interface: glib::ffi::gpointer, _data: glib::ffi::gpointer) {
    // SAFETY: the class is being initialised, by this thread alone.
    let interface = unsafe { &mut *interface.cast::<GstPresetInterface>() };
    interface.get_preset_names = Some(get_preset_names);
    interface.get_property_names = Some(get_property_names);
    interface.load_preset = Some(load_preset);
    interface.save_preset = Some(save_preset);
    interface.rename_preset = Some(rename_preset);
    interface.delete_preset = Some(delete_preset);
    interface.set_meta = Some(set_meta);
    interface.get_meta = Some(get_meta);
}

/// The object, as long as the call lasts.
///
/// # Safety
/// `preset` is an object with a reference that the caller holds.
unsafe fn object(preset: *mut GstPreset) -> glib::translate::Borrowed<glib::Object> {
    // SAFETY: see above.
    unsafe { from_glib_borrow(preset.cast::<glib::gobject_ffi::GObject>()) }
}

/// The text; nothing for a null pointer.
///
/// # Safety
/// `text` is null, or ends with a zero.
unsafe fn text(text: *const c_char) -> Option<String> {
    // SAFETY: see above.
    let text = (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) });
    text.map(|text| text.to_string_lossy().into_owned())
}

/// A list that the caller frees; null if there is none.
fn list(names: Option<Vec<glib::GString>>) -> *mut *mut c_char {
    match names {
        Some(names) if !names.is_empty() => glib::StrV::from(names).into_glib_ptr(),
        _ => std::ptr::null_mut(),
    }
}

/// # Safety
/// As GStreamer calls it.
unsafe extern "C" fn get_preset_names(preset: *mut GstPreset) -> *mut *mut c_char {
    // SAFETY: as GStreamer calls it.
    let object = unsafe { object(preset) };
    list(with_presets(&object, |preset| preset.preset_names()))
}

/// # Safety
/// As GStreamer calls it.
unsafe extern "C" fn get_property_names(preset: *mut GstPreset) -> *mut *mut c_char {
    // SAFETY: as GStreamer calls it.
    let object = unsafe { object(preset) };
    list(with_presets(&object, |preset| preset.property_names()))
}

/// # Safety
/// As GStreamer calls it.
unsafe extern "C" fn load_preset(preset: *mut GstPreset, name: *const c_char) -> i32 {
    // SAFETY: as GStreamer calls it.
    let (object, name) = (unsafe { object(preset) }, unsafe { text(name) });
    name.and_then(|name| load(&object, name))
        .is_some()
        .into_glib()
}

/// # Safety
/// As GStreamer calls it.
unsafe extern "C" fn save_preset(preset: *mut GstPreset, name: *const c_char) -> i32 {
    // SAFETY: as GStreamer calls it.
    let (object, name) = (unsafe { object(preset) }, unsafe { text(name) });
    name.and_then(|name| save(&object, name))
        .is_some()
        .into_glib()
}

/// # Safety
/// As GStreamer calls it.
unsafe extern "C" fn rename_preset(
    preset: *mut GstPreset,
    old: *const c_char,
    new: *const c_char,
) -> i32 {
    // SAFETY: as GStreamer calls it.
    let (object, old) = (unsafe { object(preset) }, unsafe { text(old) });
    // SAFETY: the same.
    let new = unsafe { text(new) };
    let renamed = old.zip(new).and_then(|(old, new)| {
        with_presets(&object, move |preset| {
            preset.rename_preset(&old, &new).is_ok()
        })
    });
    renamed.unwrap_or(false).into_glib()
}

/// # Safety
/// As GStreamer calls it.
unsafe extern "C" fn delete_preset(preset: *mut GstPreset, name: *const c_char) -> i32 {
    // SAFETY: as GStreamer calls it.
    let (object, name) = (unsafe { object(preset) }, unsafe { text(name) });
    let deleted = name
        .and_then(|name| with_presets(&object, move |preset| preset.delete_preset(&name).is_ok()));
    deleted.unwrap_or(false).into_glib()
}

/// # Safety
/// As GStreamer calls it; `value` is a text, whatever its type says.
unsafe extern "C" fn set_meta(
    preset: *mut GstPreset,
    name: *const c_char,
    tag: *const c_char,
    value: *mut *mut c_char,
) -> i32 {
    // SAFETY: as GStreamer calls it.
    let (object, name) = (unsafe { object(preset) }, unsafe { text(name) });
    // SAFETY: the same.
    let (tag, value) = (unsafe { text(tag) }, unsafe { text(value.cast()) });
    let set = name.zip(tag).and_then(|(name, tag)| {
        with_presets(&object, move |preset| {
            preset.set_meta(&name, &tag, value.as_deref()).is_ok()
        })
    });
    set.unwrap_or(false).into_glib()
}

/// # Safety
/// As GStreamer calls it; `value` is a place for a text that the caller frees.
unsafe extern "C" fn get_meta(
    preset: *mut GstPreset,
    name: *const c_char,
    tag: *const c_char,
    value: *mut *mut c_char,
) -> i32 {
    // SAFETY: as GStreamer calls it.
    let (object, name) = (unsafe { object(preset) }, unsafe { text(name) });
    // SAFETY: the same.
    let tag = unsafe { text(tag) };
    let found = name.zip(tag).and_then(|(name, tag)| {
        with_presets(&object, move |preset| meta(preset, &name, &tag)).flatten()
    });
    let known = found.is_some();
    // SAFETY: see above.
    unsafe { *value = found.to_glib_full() };
    known.into_glib()
}

// SPDX-License-Identifier: MPL-2.0
//! Classes that are defined at run time: what they look like depends on which elements
//! are installed, and the bindings define classes at compile time. Therefore the unsafe
//! calls here.

use std::sync::{Mutex, PoisonError};

use gst::glib;
use gst::glib::translate::{FromGlib, IntoGlib, IntoGlibPtr, ToGlibPtr};
use gst::prelude::*;

use crate::signals::{Act, Signal};
use crate::{presets, spec};

/// A class that is to be registered, as a subclass of one that is.
#[derive(Debug)]
pub struct Subclass {
    /// Its name, which no other class has.
    pub name: String,
    /// The class that it is derived from, which handles its properties.
    pub parent: glib::Type,
    /// Its properties.
    pub properties: Vec<NewProperty>,
    /// If it is an element, how that is described.
    pub metadata: Vec<(String, String)>,
    /// If it is an element, its pads. They replace those of the parent with their names.
    pub templates: Vec<gst::PadTemplate>,
    /// If it has presets (GstPreset), the factory whose elements' presets they are.
    pub presets: Option<gst::ElementFactory>,
    /// Its signals, which its parent does not have.
    pub signals: Vec<Signal>,
    /// Answers those that an application emits.
    pub act: Option<Act>,
    /// Further interfaces, which work without functions of their own.
    pub interfaces: Vec<glib::Type>,
}

/// A property of a class that is to be registered.
#[derive(Debug)]
pub struct NewProperty {
    /// The number that the parent's functions get; none of the parent's own.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// What is said of it: a copy is installed.
    pub like: glib::ParamSpec,
}

impl Subclass {
    /// Registers the class; returns it if it is registered already. `None` if it cannot
    /// be.
    pub fn register(self) -> Option<glib::Type> {
        static REGISTERING: Mutex<()> = Mutex::new(());
        let _one_at_a_time = REGISTERING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = glib::Type::from_name(&self.name) {
            return Some(known);
        }
        let mut query = glib::gobject_ffi::GTypeQuery {
            type_: 0,
            type_name: std::ptr::null(),
            class_size: 0,
            instance_size: 0,
        };
        // SAFETY: the type is registered, and the query is written by this call alone.
        unsafe { glib::gobject_ffi::g_type_query(self.parent.into_glib(), &mut query) };
        // A class lives as long as the process.
        let class: &'static Self = Box::leak(Box::new(self));
        let info = glib::gobject_ffi::GTypeInfo {
            class_size: u16::try_from(query.class_size).ok()?,
            base_init: None,
            base_finalize: None,
            class_init: Some(install),
            class_finalize: None,
            class_data: std::ptr::from_ref(class).cast(),
            instance_size: u16::try_from(query.instance_size).ok()?,
            n_preallocs: 0,
            instance_init: None,
            value_table: std::ptr::null(),
        };
        // SAFETY: class and instance are as large as the parent's; `install` fits
        // `class_data`, which lives for ever; the name is new (checked under the lock).
        let registered = unsafe {
            glib::gobject_ffi::g_type_register_static(
                class.parent.into_glib(),
                class.name.to_glib_none().0,
                &info,
                0,
            )
        };
        // SAFETY: any value that GLib returns is a type, or 0, which is the invalid type.
        let registered = unsafe { glib::Type::from_glib(registered) };
        if !registered.is_valid() {
            return None;
        }
        let presets = class.presets.iter().map(|factory| {
            presets::note(registered, factory.clone());
            (gst::Preset::static_type(), presets::INIT)
        });
        let others = class.interfaces.iter().map(|interface| (*interface, None));
        for (interface, interface_init) in presets.chain(others) {
            let info = glib::gobject_ffi::GInterfaceInfo {
                interface_init,
                interface_finalize: None,
                interface_data: std::ptr::null_mut(),
            };
            // SAFETY: both types are registered, and the new one has no class yet; the
            // function is that of this interface, or there is none.
            unsafe {
                glib::gobject_ffi::g_type_add_interface_static(
                    registered.into_glib(),
                    interface.into_glib(),
                    &info,
                );
            }
        }
        Some(registered)
    }
}

/// Makes the class what its description says. Called by GLib once, with the class and
/// `class_data`.
///
/// # Safety
/// `class` is that of a type which `register` has registered, `data` its `class_data`.
unsafe extern "C" fn install(class: glib::ffi::gpointer, data: glib::ffi::gpointer) {
    // SAFETY: the class of any type but the first has a parent's, here an object's.
    let parent: *const glib::gobject_ffi::GObjectClass =
        unsafe { glib::gobject_ffi::g_type_class_peek_parent(class) }.cast();
    // SAFETY: see there; a class is not changed after its initialisation.
    let parent = unsafe { &*parent };
    {
        // SAFETY: the class is being initialised, by this thread alone.
        let own = unsafe { &mut *class.cast::<glib::gobject_ffi::GObjectClass>() };
        // These two are not inherited.
        own.set_property = parent.set_property;
        own.get_property = parent.get_property;
    }
    // SAFETY: see above; the description lives for ever and is never changed.
    let description: &'static Subclass = unsafe { &*data.cast() };
    for property in &description.properties {
        let Some(own) = spec::copy(&property.like, &property.name) else {
            continue;
        };
        // SAFETY: the class is being initialised; the spec is new.
        unsafe {
            glib::gobject_ffi::g_object_class_install_property(
                class.cast(),
                property.id,
                own.to_glib_none().0,
            );
        }
    }
    // SAFETY: a class begins with its type.
    let kind = unsafe { (*class.cast::<glib::gobject_ffi::GTypeClass>()).g_type };
    // SAFETY: it is that of a registered type.
    let kind = unsafe { glib::Type::from_glib(kind) };
    for signal in &description.signals {
        signal.install(kind, description.act);
    }
    for (key, value) in &description.metadata {
        // SAFETY: who gives metadata derives from an element; the texts are copied.
        unsafe {
            gst::ffi::gst_element_class_add_metadata(
                class.cast(),
                key.to_glib_none().0,
                value.to_glib_none().0,
            );
        }
    }
    for template in &description.templates {
        // The class takes a reference if it replaces a template, and none if it adds one.
        let kept: *mut gst::ffi::GstPadTemplate = template.clone().into_glib_ptr();
        // SAFETY: who gives templates derives from an element; the reference is given.
        unsafe { gst::ffi::gst_element_class_add_pad_template(class.cast(), kept) };
    }
}

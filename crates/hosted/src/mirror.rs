// SPDX-License-Identifier: MPL-2.0
//! Objects with the properties of an element that only a worker may touch.
//!
//! Applications set an inner element's property on an object
//! (`gst_child_proxy_set ("codec::bitrate")`), on any thread. So there is an object for
//! each element of a chain, of a class with the same properties, which hands values on
//! as text. The bindings define classes at compile time, and which elements are
//! installed is known at run time: therefore the two unsafe calls here.

use std::sync::OnceLock;

use gst::glib;
use gst::glib::translate::{FromGlib, IntoGlib, ToGlibPtr};
use gst::prelude::*;
use gst::subclass::prelude::*;

/// What the names of the classes begin with; the element's type follows.
const CLASS: &str = "GstCodecwatchMirror+";

/// Hands the values of properties on, as GStreamer serialises them.
pub trait Values: Send + Sync + 'static {
    /// Sets a property.
    fn set(&self, property: &str, value: String);
    /// The value of a property; `None` if it is not known.
    fn get(&self, property: &str) -> Option<String>;
}

mod imp {
    use super::*;

    /// See the module's description.
    #[derive(Default)]
    pub struct Mirror {
        pub(super) values: OnceLock<Box<dyn Values>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Mirror {
        const NAME: &'static str = "GstCodecwatchMirror";
        type Type = super::Mirror;
        type ParentType = gst::Object;
    }

    impl ObjectImpl for Mirror {
        fn set_property(&self, _id: usize, value: &glib::Value, spec: &glib::ParamSpec) {
            let Some(values) = self.values.get() else {
                return;
            };
            match value.serialize() {
                Ok(text) => values.set(spec.name(), text.into()),
                Err(_) => glib::g_warning!(
                    "codecwatch",
                    "property '{}' has no text form, and is not set: it is a {}",
                    spec.name(),
                    spec.value_type()
                ),
            }
        }

        fn property(&self, _id: usize, spec: &glib::ParamSpec) -> glib::Value {
            let known = self.values.get().and_then(|values| values.get(spec.name()));
            let spec = spec.redirect_target().unwrap_or_else(|| spec.clone());
            known
                .and_then(|text| glib::Value::deserialize_with_pspec(&text, &spec).ok())
                .unwrap_or_else(|| spec.default_value().clone())
        }
    }

    impl GstObjectImpl for Mirror {}
}

glib::wrapper! {
    /// An object with the properties of an element.
    pub struct Mirror(ObjectSubclass<imp::Mirror>)
        @extends gst::Object;
}

impl Mirror {
    /// A mirror of the elements of a factory, which is loaded. `None` if the class
    /// cannot be created.
    pub fn of(factory: &gst::ElementFactory, values: impl Values) -> Option<Self> {
        let class = class_of(factory.element_type())?;
        let object = glib::Object::with_type(class).downcast::<Self>().ok()?;
        // Set once, here.
        let _ = object.imp().values.set(Box::new(values));
        Some(object)
    }
}

/// The class that mirrors an element's; registered when it is first asked for.
fn class_of(element: glib::Type) -> Option<glib::Type> {
    static REGISTERING: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one_at_a_time = REGISTERING.lock();
    let name = format!("{CLASS}{}", element.name());
    if let Some(known) = glib::Type::from_name(&name) {
        return Some(known);
    }
    let class = glib::Class::<gst::Element>::from_type(element)?;
    let own = |spec: &glib::ParamSpec| !gst::Object::static_type().is_a(spec.owner_type());
    let specs: Vec<_> = class
        .list_properties()
        .iter()
        .filter(|spec| own(spec))
        .cloned()
        .collect();
    let parent = Mirror::static_type();
    let mut query = glib::gobject_ffi::GTypeQuery {
        type_: 0,
        type_name: std::ptr::null(),
        class_size: 0,
        instance_size: 0,
    };
    // SAFETY: the type is registered, and the query is written by this call alone.
    unsafe { glib::gobject_ffi::g_type_query(parent.into_glib(), &mut query) };
    // A class lives as long as the process.
    let specs: &'static Vec<glib::ParamSpec> = Box::leak(Box::new(specs));
    let info = glib::gobject_ffi::GTypeInfo {
        class_size: u16::try_from(query.class_size).ok()?,
        base_init: None,
        base_finalize: None,
        class_init: Some(install),
        class_finalize: None,
        class_data: std::ptr::from_ref(specs).cast(),
        instance_size: u16::try_from(query.instance_size).ok()?,
        n_preallocs: 0,
        instance_init: None,
        value_table: std::ptr::null(),
    };
    // SAFETY: class and instance are as large as the parent's; `install` fits
    // `class_data`, which lives for ever; the name is new (checked under the lock).
    let registered = unsafe {
        glib::gobject_ffi::g_type_register_static(
            parent.into_glib(),
            name.to_glib_none().0,
            &info,
            0,
        )
    };
    // SAFETY: any value that GLib returns is a type, or 0, which is the invalid type.
    let registered = unsafe { glib::Type::from_glib(registered) };
    registered.is_valid().then_some(registered)
}

/// Installs the properties. Called by GLib once, with the class and `class_data`.
///
/// # Safety
/// `class` is that of a type which `class_of` has registered, `data` its `class_data`.
unsafe extern "C" fn install(class: glib::ffi::gpointer, data: glib::ffi::gpointer) {
    // SAFETY: the class of any type but the first has a parent's, here that of `Mirror`.
    let parent: *const glib::gobject_ffi::GObjectClass =
        unsafe { glib::gobject_ffi::g_type_class_peek_parent(class) }.cast();
    // SAFETY: see there; a class is not changed after its initialisation.
    let parent = unsafe { &*parent };
    let own = class.cast::<glib::gobject_ffi::GObjectClass>();
    // SAFETY: the class is being initialised, by this thread alone.
    let own = unsafe { &mut *own };
    // These two are not inherited.
    own.set_property = parent.set_property;
    own.get_property = parent.get_property;
    // SAFETY: see above; the list lives for ever and is never changed.
    let specs = unsafe { &*data.cast::<Vec<glib::ParamSpec>>() };
    for (id, spec) in (1..).zip(specs) {
        // SAFETY: both are valid; the new spec refers to the element's, and keeps it.
        let own = unsafe {
            glib::gobject_ffi::g_param_spec_override(
                spec.name().to_glib_none().0,
                spec.to_glib_none().0,
            )
        };
        // SAFETY: the class is being initialised; the spec is new, and the class takes it.
        unsafe { glib::gobject_ffi::g_object_class_install_property(class.cast(), id, own) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<BTreeMap<String, String>>>);

    impl Values for Kept {
        fn set(&self, property: &str, value: String) {
            self.0.lock().unwrap().insert(property.to_owned(), value);
        }

        fn get(&self, property: &str) -> Option<String> {
            self.0.lock().unwrap().get(property).cloned()
        }
    }

    fn mirror(kept: &Kept) -> Mirror {
        gst::init().unwrap();
        let factory = gst::ElementFactory::find("identity").unwrap();
        let factory = factory.load().unwrap();
        Mirror::of(&factory, kept.clone()).unwrap()
    }

    #[test]
    fn a_mirror_has_the_properties_of_the_element_and_hands_their_values_on() {
        let kept = Kept::default();
        let mirror = mirror(&kept);
        let spec = mirror.find_property("sleep-time").unwrap();
        assert_eq!(spec.value_type(), u32::static_type());
        assert_eq!(mirror.property::<u32>("sleep-time"), 0, "the default");
        mirror.set_property("sleep-time", 7_u32);
        assert_eq!(kept.get("sleep-time").as_deref(), Some("7"));
        assert_eq!(mirror.property::<u32>("sleep-time"), 7);
        mirror.set_property_from_str("silent", "false");
        assert!(!mirror.property::<bool>("silent"));
        // Those of every object are its own.
        assert!(mirror.property::<Option<String>>("name").is_some());
        assert_eq!(kept.get("name"), None);
    }

    #[test]
    fn two_mirrors_of_an_element_are_of_one_class() {
        let (one, other) = (Kept::default(), Kept::default());
        let (first, second) = (mirror(&one), mirror(&other));
        assert_eq!(first.type_(), second.type_());
        second.set_property("sleep-time", 9_u32);
        assert_eq!(one.get("sleep-time"), None);
    }

    #[test]
    fn a_change_is_notified() {
        let mirror = mirror(&Kept::default());
        let (sender, heard) = std::sync::mpsc::channel();
        mirror.connect_notify(Some("sleep-time"), move |_, spec| {
            sender.send(spec.name().to_owned()).unwrap();
        });
        mirror.set_property("sleep-time", 7_u32);
        assert_eq!(heard.try_recv().as_deref(), Ok("sleep-time"));
    }
}

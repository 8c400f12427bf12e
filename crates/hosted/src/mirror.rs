// SPDX-License-Identifier: MPL-2.0
//! Objects with the properties of an element that only a worker may touch.
//!
//! Applications set an inner element's property on an object
//! (`gst_child_proxy_set ("codec::bitrate")`), on any thread. So there is an object for
//! each element of a chain, of a class with the same properties, which hands values on
//! as text.

use std::sync::OnceLock;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::class::{NewProperty, Subclass};
use crate::spec;

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
            if let Some(text) = spec::text_of(value, spec) {
                values.set(spec.name(), text);
            }
        }

        fn property(&self, _id: usize, spec: &glib::ParamSpec) -> glib::Value {
            let known = self.values.get().and_then(|values| values.get(spec.name()));
            spec::value_from(known, spec)
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
    let name = format!("{CLASS}{}", element.name());
    if let Some(known) = glib::Type::from_name(&name) {
        return Some(known);
    }
    let specs = spec::properties_of(element)?;
    let property = |(id, like): (u32, glib::ParamSpec)| NewProperty {
        id,
        name: like.name().to_owned(),
        like,
    };
    let class = Subclass {
        name,
        parent: Mirror::static_type(),
        properties: (1..).zip(specs).map(property).collect(),
        metadata: Vec::new(),
        templates: Vec::new(),
        presets: None,
        signals: Vec::new(),
        act: None,
        interfaces: Vec::new(),
    };
    class.register()
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

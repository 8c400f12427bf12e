// SPDX-License-Identifier: MPL-2.0
//! Properties as a table: one row holds the declaration of a property and how it is
//! stored and read, so that none can be declared without being stored.

use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::{CAT, Settings, Supervised};

/// How a property is stored, and how it is read; see [`stored!`](crate::stored).
pub type Accessors<S> = (fn(&mut S, &glib::Value), fn(&S) -> glib::Value);

/// A property of an element whose values are an `S`.
pub struct Property<S: 'static> {
    /// Its name.
    pub name: &'static str,
    /// Creates its GLib spec: the values that it takes, and when it may be set. Each
    /// class needs its own spec.
    spec: fn(&str, &S) -> glib::ParamSpec,
    set: fn(&mut S, &glib::Value),
    get: fn(&S) -> glib::Value,
}

impl<S> Property<S> {
    /// A property. `spec` is given the name and the default values.
    pub const fn new(
        name: &'static str,
        spec: fn(&str, &S) -> glib::ParamSpec,
        (set, get): Accessors<S>,
    ) -> Self {
        Self {
            name,
            spec,
            set,
            get,
        }
    }
}

/// How a property is stored in a field and read again.
#[macro_export]
macro_rules! stored {
    ($field:ident $(. $rest:ident)*) => {
        (
            |values, value| $crate::store(&mut values.$field$(.$rest)*, value),
            |values| $crate::gst::prelude::ToValue::to_value(&values.$field$(.$rest)*),
        )
    };
}

/// A property that is an unsigned number, stored in a field of type `u32` and read when
/// a session is opened: its name, the field, its range, and its blurb.
#[macro_export]
macro_rules! number_property {
    ($name:literal, $field:ident $(. $rest:ident)*, $range:expr, $blurb:literal) => {
        $crate::Property::new(
            $name,
            |name, defaults| {
                $crate::properties::number(name, $blurb, $range, defaults.$field$(.$rest)*)
            },
            $crate::stored!($field$(.$rest)*),
        )
    };
}

/// The spec of a [`number_property!`](crate::number_property!).
#[doc(hidden)]
pub fn number(
    name: &str,
    blurb: &str,
    range: RangeInclusive<u32>,
    default: u32,
) -> glib::ParamSpec {
    glib::ParamSpecUInt::builder(name)
        .blurb(blurb)
        .minimum(*range.start())
        .maximum(*range.end())
        .default_value(default)
        .mutable_ready()
        .build()
}

/// Stores a value. GLib has checked its type against the spec; a type that does not fit
/// the field is a mistake in the table.
pub fn store<'a, V>(field: &mut V, value: &'a glib::Value)
where
    V: glib::value::FromValue<'a>,
{
    match value.get::<V>() {
        Ok(value) => *field = value,
        Err(error) => complain(&format!("property type does not match its field: {error}")),
    }
}

/// Reports a property that a class declares and does not handle.
#[doc(hidden)]
pub fn complain_of_unknown(class: glib::Type, name: &str) {
    complain(&format!("{class} does not handle its property {name}"));
}

/// Reports a programming error in an element, which no user can cause.
fn complain(text: &str) {
    glib::g_critical!("codecwatch", "{text}");
}

/// The values of an element's own properties.
pub trait ElementSettings: Clone + Default + Send + 'static {
    /// The properties.
    fn properties() -> &'static [Property<Self>];
}

/// Where an element keeps the values of its own properties.
#[derive(Debug, Default)]
pub struct Stored<S>(Mutex<S>);

impl<S> From<S> for Stored<S> {
    fn from(values: S) -> Self {
        Self(Mutex::new(values))
    }
}

impl<S: ElementSettings> Stored<S> {
    /// A copy of all current values.
    pub fn get(&self) -> S {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, S> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The specs of an element's own properties and of the shared ones.
#[doc(hidden)]
pub fn specs<T: Supervised>() -> Vec<glib::ParamSpec> {
    let mut specs = specs_of::<T::Settings>();
    specs.extend(specs_of::<Settings>());
    specs.push(stats_spec());
    specs
}

fn specs_of<S: ElementSettings>() -> Vec<glib::ParamSpec> {
    let defaults = S::default();
    let properties = S::properties().iter();
    properties
        .map(|property| (property.spec)(property.name, &defaults))
        .collect()
}

fn stats_spec() -> glib::ParamSpec {
    glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
        .nick("Statistics")
        .blurb("Session state, counters and the ledger of the codec library")
        .read_only()
        .build()
}

/// Sets a property.
#[doc(hidden)]
pub fn set<T: Supervised>(imp: &T, value: &glib::Value, spec: &glib::ParamSpec) {
    let name = spec.name();
    if let Some(property) = find(Settings::properties(), name) {
        imp.supervision()
            .change_settings(|settings| (property.set)(settings, value));
    } else if let Some(property) = find(T::Settings::properties(), name) {
        (property.set)(&mut imp.settings().lock(), value);
        imp.property_set(name);
    } else {
        complain_of_unknown(imp.obj().type_(), name);
    }
    gst::trace!(CAT, imp = imp, "{name} = {value:?}");
}

/// The value of a property. Never waits for the codec.
#[doc(hidden)]
pub fn get<T: Supervised>(imp: &T, spec: &glib::ParamSpec) -> glib::Value {
    let name = spec.name();
    if name == "stats" {
        let mut stats = imp.supervision().stats();
        imp.add_stats(&mut stats);
        stats.to_value()
    } else if let Some(property) = find(Settings::properties(), name) {
        (property.get)(&imp.supervision().settings())
    } else if let Some(property) = find(T::Settings::properties(), name) {
        (property.get)(&imp.settings().lock())
    } else {
        complain_of_unknown(imp.obj().type_(), name);
        spec.default_value().clone()
    }
}

fn find<S>(table: &'static [Property<S>], name: &str) -> Option<&'static Property<S>> {
    table.iter().find(|property| property.name == name)
}

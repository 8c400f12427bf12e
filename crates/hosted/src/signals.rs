// SPDX-License-Identifier: MPL-2.0
//! Which signals elements have, and classes that have the same ones.

use gst::glib;
use gst::glib::subclass::SignalId;
use gst::glib::translate::{FromGlib, FromGlibContainer, IntoGlib, ToGlibPtr};
use gst::prelude::*;

/// A signal of an element's class.
#[derive(Debug, Clone)]
pub struct Signal {
    /// Its name.
    pub name: String,
    flags: glib::SignalFlags,
    returns: glib::Type,
    parameters: Vec<glib::Type>,
}

/// Answers an action signal of a class that is registered at run time: the signal's name,
/// the object and the arguments.
pub type Act = fn(&str, &[glib::Value]) -> Option<glib::Value>;

/// The signals of the elements of a type, without those that every element has.
pub fn signals_of(element: glib::Type) -> Vec<Signal> {
    // Signals are there when the class is.
    let class = glib::Class::<gst::Element>::from_type(element);
    let mut signals = Vec::new();
    let mut owner = class.map(|class| class.type_());
    while let Some(kind) = owner.filter(|kind| !gst::Element::static_type().is_a(*kind)) {
        signals.extend(own_signals(kind));
        owner = kind.parent();
    }
    signals
}

/// The signals that a class adds to those of its parent.
fn own_signals(kind: glib::Type) -> Vec<Signal> {
    let mut count = 0;
    // SAFETY: the type is registered, and the number is written by this call alone.
    let list = unsafe { glib::gobject_ffi::g_signal_list_ids(kind.into_glib(), &mut count) };
    // SAFETY: it is a list of that length, which the caller frees.
    let ids: Vec<u32> = unsafe { FromGlibContainer::from_glib_full_num(list, count as usize) };
    let signal = |id: u32| {
        // SAFETY: it is the number of a signal, and not 0.
        let query = unsafe { SignalId::from_glib(id) }.query();
        Signal {
            name: query.signal_name().to_owned(),
            flags: query.flags(),
            returns: query.return_type().type_(),
            parameters: query.param_types().iter().map(|of| of.type_()).collect(),
        }
    };
    ids.into_iter().map(signal).collect()
}

impl Signal {
    /// An application emits it.
    pub(crate) fn is_action(&self) -> bool {
        self.flags.contains(glib::SignalFlags::ACTION)
    }

    /// Whether it can be repeated on another thread: it has no objects of the chain, and
    /// what emits it waits for no answer.
    pub fn passes(&self) -> bool {
        let returns =
            self.returns == glib::Type::UNIT || self.is_action() && is_plain(self.returns);
        returns && self.parameters.iter().all(|kind| is_plain(*kind))
    }

    /// Adds it to a class that is being initialised. `act` answers it if an application emits
    /// it.
    pub(crate) fn install(&'static self, class: glib::Type, act: Option<Act>) {
        let act = act.filter(|_| self.is_action());
        let closure = act.map(|act| {
            glib::Closure::new(move |values| {
                let answer = act(&self.name, values);
                let none = || glib::Value::from_type(self.returns);
                (self.returns != glib::Type::UNIT).then(|| answer.unwrap_or_else(none))
            })
        });
        let mut parameters: Vec<_> = self.parameters.iter().map(|of| of.into_glib()).collect();
        let count = u32::try_from(parameters.len()).unwrap_or(0);
        // SAFETY: the class is being initialised and has no signal of this name (`register`'s
        // caller); the types are those of an existing signal; the name and the list are
        // copied, and the closure is referenced.
        unsafe {
            glib::gobject_ffi::g_signal_newv(
                self.name.to_glib_none().0,
                class.into_glib(),
                self.flags.into_glib(),
                closure.to_glib_none().0,
                None,
                std::ptr::null_mut(),
                None,
                self.returns.into_glib(),
                count,
                parameters.as_mut_ptr(),
            );
        }
    }
}

/// Whether values of a type mean the same on any thread: numbers, texts, and what is copied
/// or counted, such as buffers and caps.
fn is_plain(kind: glib::Type) -> bool {
    let others = [
        glib::Type::OBJECT,
        glib::Type::INTERFACE,
        glib::Type::POINTER,
        glib::Type::PARAM_SPEC,
        glib::Type::VARIANT,
    ];
    kind.is_valid() && !others.iter().any(|other| kind.is_a(*other))
}

/// The arguments of a signal for another thread; `None` if one has to stay on this.
pub fn portable(values: &[glib::Value]) -> Option<Vec<glib::SendValue>> {
    let portable = |value: &glib::Value| {
        // SAFETY: such a value has no reference to what belongs to a thread (`is_plain`).
        is_plain(value.type_()).then(|| unsafe { value.clone().into_send_value() })
    };
    values.iter().map(portable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_has_its_own_signals_and_those_of_its_base_class() {
        gst::init().unwrap();
        let signals = |name: &str| {
            let factory = gst::ElementFactory::find(name).unwrap().load().unwrap();
            signals_of(factory.element_type())
        };
        let of_identity = signals("identity");
        let names: Vec<_> = of_identity.iter().map(|signal| &*signal.name).collect();
        assert_eq!(names, ["handoff"]);
        assert!(of_identity[0].passes() && !of_identity[0].is_action());
        assert!(signals("capsfilter").is_empty());
        // It has an element as an argument.
        let of_bin = own_signals(gst::Bin::static_type());
        let added = of_bin.iter().find(|signal| signal.name == "element-added");
        assert!(!added.unwrap().passes());
    }
}

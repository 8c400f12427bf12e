// SPDX-License-Identifier: MPL-2.0
//! Which signals elements have.

use gst::glib;
use gst::glib::translate::{FromGlibContainer, IntoGlib, from_glib_none};
use gst::prelude::*;

/// The names of the signals of the elements of a type, without those that every element
/// has.
pub fn signals_of(element: glib::Type) -> Vec<String> {
    // Signals are there when the class is.
    let class = glib::Class::<gst::Element>::from_type(element);
    let mut names = Vec::new();
    let mut owner = class.map(|class| class.type_());
    while let Some(kind) = owner.filter(|kind| !gst::Element::static_type().is_a(*kind)) {
        names.extend(own_signals(kind));
        owner = kind.parent();
    }
    names
}

/// The signals that a class adds to those of its parent.
fn own_signals(kind: glib::Type) -> Vec<String> {
    let mut count = 0;
    // SAFETY: the type is registered, and the number is written by this call alone.
    let list = unsafe { glib::gobject_ffi::g_signal_list_ids(kind.into_glib(), &mut count) };
    // SAFETY: it is a list of that length, which the caller frees.
    let ids: Vec<u32> = unsafe { FromGlibContainer::from_glib_full_num(list, count as usize) };
    let name = |id: u32| {
        // SAFETY: GLib returns a static text, or nothing for a number that it does not know.
        let name = unsafe { glib::gobject_ffi::g_signal_name(id) };
        // SAFETY: see above.
        let name: Option<glib::GString> = unsafe { from_glib_none(name) };
        name.map(Into::into)
    };
    ids.into_iter().filter_map(name).collect()
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
        assert_eq!(signals("identity"), ["handoff"]);
        assert!(signals("capsfilter").is_empty());
    }
}

// SPDX-License-Identifier: MPL-2.0
//! What an element of a chain says to whom it is connected: its signals, and that one of its
//! properties has changed. An element that looks like it repeats both.

use std::cell::RefCell;
use std::sync::Arc;

use gst::glib;
use gst::prelude::*;

use crate::io::{Content, Output, Posted};
use crate::link::Link;
use crate::signals;

/// See the module's description.
#[derive(Debug)]
pub enum Said {
    /// A property has changed.
    Changed(String),
    /// A signal, with its arguments.
    Signal(String, Vec<glib::SendValue>),
}

thread_local! {
    /// The property that this thread sets: the application knows.
    static SETS: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Sets a property as an application wants it, which hears of it by itself.
pub(crate) fn while_setting<R>(property: &str, set: impl FnOnce() -> R) -> R {
    SETS.set(Some(property.to_owned()));
    let result = set();
    SETS.set(None);
    result
}

/// Tells what an element says from now on.
pub(crate) fn listen(link: &Arc<Link>, element: &gst::Element) {
    let changed = link.clone();
    element.connect_notify(None, move |element, spec| {
        let is_own = !gst::Object::static_type().is_a(spec.owner_type());
        let is_set = SETS.with_borrow(|sets| sets.as_deref() == Some(spec.name()));
        if is_own && !is_set {
            tell(&changed, element, Said::Changed(spec.name().to_owned()));
        }
    });
    for signal in signals::signals_of(element.type_()) {
        if signal.is_action() || !signal.passes() {
            continue;
        }
        let (link, name) = (link.clone(), signal.name.clone());
        element.connect(&signal.name, false, move |values| {
            let (object, arguments) = values.split_first()?;
            let element = object.get::<gst::Element>().ok()?;
            let arguments = signals::portable(arguments)?;
            tell(&link, &element, Said::Signal(name.clone(), arguments));
            None
        });
    }
}

fn tell(link: &Link, element: &gst::Element, said: Said) {
    link.outlet.tell(Output::Posted(Box::new(Posted {
        part: element.name().to_string(),
        content: Content::Said(said),
    })));
}

// SPDX-License-Identifier: MPL-2.0
//! The name `codecwatch`. GStreamer has one name space for all that its registry
//! holds, and the element has this name. So while GStreamer looks for the tracer, as
//! often as the variable names it, the name is the tracer's, and afterwards it is the
//! element's again.

use std::sync::{Mutex, PoisonError};

use gst::glib;
use gst::prelude::*;

use super::{NAME, Tracer, VARIABLE, entries};
use crate::element;

/// The element's place in the registry, while the tracer has the name.
struct Lent {
    element: gst::PluginFeature,
    plugin: gst::Plugin,
}

static LENT: Mutex<Option<Lent>> = Mutex::new(None);

/// Registers the tracer instead of the element if GStreamer loads the plugin in order
/// to create the tracer. Returns whether it has.
pub(crate) fn register_if_awaited(plugin: &gst::Plugin) -> Result<bool, glib::BoolError> {
    let variable = std::env::var_os(VARIABLE).unwrap_or_default();
    if !entries::names_tracer(&variable.to_string_lossy()) {
        return Ok(false);
    }
    // Not while GStreamer finds out what the plugin has: then it knows of no such
    // element yet.
    let known = gst::Registry::get().lookup_feature(NAME);
    let waits = |known: &gst::PluginFeature| {
        let element = known.downcast_ref::<gst::ElementFactory>();
        element.is_some_and(|element| !element.element_type().is_valid())
    };
    let Some(element) = known.filter(waits) else {
        return Ok(false);
    };
    gst::Registry::get().remove_feature(&element);
    let registered = gst::Tracer::register(Some(plugin), NAME, Tracer::static_type());
    let lent = Lent {
        element,
        plugin: plugin.clone(),
    };
    *LENT.lock().unwrap_or_else(PoisonError::into_inner) = Some(lent);
    if registered.is_err() {
        give_back();
    }
    registered.map(|()| true)
}

/// Gives the name back to the element.
pub(super) fn give_back() {
    let lent = LENT.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(Lent { element, plugin }) = lent else {
        return;
    };
    let registry = gst::Registry::get();
    if let Some(tracer) = registry.lookup_feature(NAME) {
        registry.remove_feature(&tracer);
    }
    let given_back = registry.add_feature(&element);
    if let Err(error) = given_back.and_then(|()| element::register(&plugin)) {
        super::complain(&error.to_string());
    }
}

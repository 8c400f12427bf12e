// SPDX-License-Identifier: MPL-2.0
//! Puts an element under supervision in the place of its original.

use std::time::Instant;

use codecwatch_hosted::loading::{self, LOAD, LoadError};
use codecwatch_hosted::originals;
use codecwatch_hosted::signals::signals_of;
use gst::prelude::*;

use super::complain;
use crate::element::CodecWatch;
use crate::{CAT, defaults, wrapped};

/// Wraps each of the elements; one line about each that cannot be.
pub(super) fn wrap(names: &[String]) {
    // What is wrong with them is said once, at the beginning.
    let _ = defaults::of_process();
    for name in names {
        match wrap_one(name) {
            Ok(()) => gst::info!(CAT, "{name} runs under supervision"),
            Err(why) => complain(&format!("{name} is not wrapped: {why}")),
        }
    }
}

fn wrap_one(name: &str) -> Result<(), String> {
    if originals::is_kept(name) {
        return Ok(());
    }
    let Some(factory) = gst::ElementFactory::find(name) else {
        return Err("no such element is installed".to_owned());
    };
    // The original has to be loaded before it loses its name.
    let loaded = loading::load(&factory, Instant::now() + LOAD);
    let original = loaded.map_err(|error| match error {
        LoadError::Fails => "its plugin cannot be loaded",
        LoadError::Hangs => "its plugin was not loaded in time: its driver may hang",
    })?;
    if original.element_type().is_a(CodecWatch::static_type()) {
        return Err("it is already supervised".to_owned());
    }
    // Without a plugin: GStreamer may write the registry down, and must not take the
    // wrapped element for one that is installed.
    wrapped::register(None, &original, name, original.rank()).map_err(|why| why.to_string())?;
    let signals = signals_of(original.element_type()).into_iter();
    let signals: Vec<_> = signals
        .filter(|signal| !signal.passes())
        .map(|signal| signal.name)
        .collect();
    if !signals.is_empty() {
        complain(&format!(
            "{name} is wrapped without these of its signals: {}",
            signals.join(", ")
        ));
    }
    originals::keep(name, original);
    Ok(())
}

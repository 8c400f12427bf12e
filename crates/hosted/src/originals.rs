// SPDX-License-Identifier: MPL-2.0
//! The factories whose names others have taken in the registry. A chain is made of
//! these: an element that runs `x264enc` under supervision and is called so, too, must
//! not get itself.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, mpsc};
use std::time::Duration;

use gst::glib;
use gst::prelude::*;

use crate::spec;

/// The longest that somebody waits for an element to be created.
const CREATION: Duration = Duration::from_secs(1);

static KEPT: RwLock<BTreeMap<String, gst::ElementFactory>> = RwLock::new(BTreeMap::new());

/// Keeps a factory, which is loaded, under a name.
pub fn keep(name: &str, factory: gst::ElementFactory) {
    let mut kept = KEPT.write().unwrap_or_else(PoisonError::into_inner);
    kept.entry(name.to_owned()).or_insert(factory);
}

/// Whether a factory is kept under a name.
pub fn is_kept(name: &str) -> bool {
    let kept = KEPT.read().unwrap_or_else(PoisonError::into_inner);
    kept.contains_key(name)
}

/// The factory with a name: the one that is kept, or that of the registry.
pub fn find(name: &str) -> Option<gst::ElementFactory> {
    let kept = {
        let kept = KEPT.read().unwrap_or_else(PoisonError::into_inner);
        kept.get(name).cloned()
    };
    kept.or_else(|| gst::ElementFactory::find(name))
}

/// The factory with a name, loaded.
///
/// # Errors
/// It cannot be loaded.
pub fn load(name: &str) -> Result<Option<gst::ElementFactory>, glib::BoolError> {
    find(name).map(|factory| factory.load()).transpose()
}

/// The values that the properties of a factory's elements have at the beginning, as
/// text. Not all elements begin with what they announce as the default.
///
/// They are read from an element that a thread of its own creates and disposes of;
/// nobody waits for it for long. `None` if it has not answered in time.
pub fn initial_values(factory: &gst::ElementFactory) -> Option<BTreeMap<String, String>> {
    let factory = factory.clone();
    let (sender, values) = mpsc::channel();
    let read = move || {
        let Ok(element) = factory.create().build() else {
            return;
        };
        let specs = spec::properties_of(element.type_()).unwrap_or_default();
        let readable = |spec: &&glib::ParamSpec| spec.flags().contains(glib::ParamFlags::READABLE);
        let value = |spec: &glib::ParamSpec| {
            let value = spec::text_if_any(&element.property_value(spec.name()))?;
            Some((spec.name().to_owned(), value))
        };
        let values: BTreeMap<_, _> = specs.iter().filter(readable).filter_map(value).collect();
        drop(element);
        // Nobody waits any more if it came late.
        let _ = sender.send(values);
    };
    let started = std::thread::Builder::new().name("codecwatch-look".into());
    started.spawn(read).ok()?;
    values.recv_timeout(CREATION).ok()
}

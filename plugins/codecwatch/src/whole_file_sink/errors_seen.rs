// SPDX-License-Identifier: MPL-2.0
//! Whether an error was seen since the element left READY.
//!
//! EOS can follow an error: elements outside of this project push it after a failure,
//! and those of this project do with `eos-after-failure`. Two things tell:
//!
//! - the bus of the application's pipeline, by its signal `sync-message`, which is
//!   emitted in the thread that posts. A message that a bin keeps to itself is none of
//!   the pipeline's. Where the application's own sync handler drops messages, the signal
//!   is not emitted (a bus read as a stream in Rust, for one): then this is blind;
//! - the elements of this project in the same pipeline, which know of their failure
//!   before they push EOS (`failed` in their `stats`), and post the error only when
//!   downstream has returned.
//!
//! Not seen are errors of other elements on a bus of the first kind, those from before
//! the sink was added, and those in another pipeline or process. Tracers would see each
//! message that any element posts, but cannot be added safely while pipelines run.

use std::sync::{Arc, Mutex, PoisonError};

use gst::glib;
use gst::prelude::*;

/// The names of the property, the second where a wrapped element has one of its own of
/// the first name.
const STATS: [&str; 2] = ["stats", "codecwatch-stats"];

/// A property that only elements of this project have.
const OURS: &str = "eos-after-failure";

/// What is watched while the element is in PAUSED or PLAYING. Dropped, it ends.
#[derive(Debug)]
pub(super) struct ErrorsSeen {
    /// The outermost object that contains the element.
    top: gst::Object,
    bus: Option<(gst::Bus, Option<glib::SignalHandlerId>)>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Whether any message came at all.
    any: bool,
    /// The first error.
    error: Option<String>,
}

impl ErrorsSeen {
    /// Begins to watch the pipeline that the element is in now.
    pub(super) fn watch(element: &gst::Element) -> Self {
        let mut top = element.clone().upcast::<gst::Object>();
        while let Some(parent) = top.parent() {
            top = parent;
        }
        let seen = Arc::new(Mutex::new(Seen::default()));
        let bus = top.downcast_ref::<gst::Element>().and_then(ElementExt::bus);
        let bus = bus.map(|bus| {
            let seen = seen.clone();
            bus.enable_sync_message_emission();
            let handler = bus.connect_sync_message(None, move |_, message| {
                note(&seen, message);
            });
            (bus, Some(handler))
        });
        Self { top, bus, seen }
    }

    /// The first error of the pipeline, or one that is about to be posted. Waits for no
    /// codec.
    pub(super) fn first(&self) -> Option<String> {
        // In this order: a failure that is no longer known to its element, because that
        // was stopped, has been posted.
        let failed = failed_element(&self.top);
        let posted = lock(&self.seen).error.clone();
        posted.or(failed)
    }

    /// Whether messages do not come this way. Only after the start of a stream, which
    /// is a message.
    pub(super) fn is_blind(&self) -> bool {
        self.bus.is_some() && !lock(&self.seen).any
    }
}

impl Drop for ErrorsSeen {
    fn drop(&mut self) {
        if let Some((bus, handler)) = &mut self.bus {
            if let Some(handler) = handler.take() {
                bus.disconnect(handler);
            }
            bus.disable_sync_message_emission();
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn note(seen: &Mutex<Seen>, message: &gst::Message) {
    let mut seen = lock(seen);
    seen.any = true;
    if let gst::MessageView::Error(error) = message.view()
        && seen.error.is_none()
    {
        let source = message.src().map(|source| source.name());
        let source = source.as_deref().unwrap_or("the pipeline");
        seen.error = Some(format!("{source}: {}", error.error()));
    }
}

/// An element of this project that has failed.
fn failed_element(top: &gst::Object) -> Option<String> {
    let bin = top.downcast_ref::<gst::Bin>()?;
    let mut elements = bin.iterate_recurse();
    loop {
        match elements.next() {
            Ok(Some(element)) if has_failed(&element) => {
                return Some(format!("{} has failed", element.name()));
            }
            Ok(Some(_)) => {}
            Ok(None) => return None,
            // Elements were added or removed.
            Err(gst::IteratorError::Resync) => elements.resync(),
            Err(gst::IteratorError::Error) => return None,
        }
    }
}

fn has_failed(element: &gst::Element) -> bool {
    // Statistics of other elements may take their time.
    if element.find_property(OURS).is_none() {
        return false;
    }
    STATS.iter().any(|name| {
        let is_structure = |spec: &glib::ParamSpec| {
            spec.value_type() == gst::Structure::static_type()
                && spec.flags().contains(glib::ParamFlags::READABLE)
        };
        element
            .find_property(name)
            .is_some_and(|spec| is_structure(&spec))
            && element
                .property::<Option<gst::Structure>>(name)
                .is_some_and(|stats| stats.get("failed") == Ok(true))
    })
}

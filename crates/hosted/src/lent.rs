// SPDX-License-Identifier: MPL-2.0
//! What a chain has lent to the pipeline around it: the displays in its contexts.
//!
//! Other elements, bins and messages share such an object, and whoever drops the last
//! reference ends it, on its own thread. For a VA display that is a call of the driver,
//! which may hang. So one more reference is kept, a toggle reference: GObject tells when
//! it is the only one that is left, and then it is dropped on a thread that nobody waits
//! for.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib::gobject_ffi::{GObject, g_object_add_toggle_ref, g_object_remove_toggle_ref};
use gst::glib::translate::ToGlibPtr;
use gst::glib::{self, ffi::GTRUE};

/// The objects that are lent, by address. GObject does not tell anything when an object
/// has two toggle references.
fn lent() -> MutexGuard<'static, HashSet<usize>> {
    static LENT: LazyLock<Mutex<HashSet<usize>>> = LazyLock::new(Mutex::default);
    LENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the objects in a context alive until nobody else does.
pub(crate) fn lend(context: &gst::ContextRef) {
    for (_, value) in context.structure().iter() {
        if let Ok(object) = value.get::<glib::Object>() {
            keep(&object);
        }
    }
}

fn keep(object: &glib::Object) {
    let pointer: *mut GObject = object.to_glib_none().0;
    if lent().insert(pointer.addr()) {
        let data = std::ptr::null_mut();
        // SAFETY: the caller has a reference; `only_one_left` fits, and needs no data.
        unsafe { g_object_add_toggle_ref(pointer, Some(only_one_left), data) };
    }
}

/// Called by GObject, on the thread that has dropped the last reference but one.
unsafe extern "C" fn only_one_left(
    _data: glib::ffi::gpointer,
    object: *mut GObject,
    is_last: glib::ffi::gboolean,
) {
    if is_last != GTRUE || !lent().remove(&object.addr()) {
        return;
    }
    let last = Last(object);
    // Without a thread the object stays: that is a leak, and no hang.
    let thread = std::thread::Builder::new().name("cw-lent".into());
    let _ = thread.spawn(move || last.drop_here());
}

/// A toggle reference.
struct Last(*mut GObject);

// SAFETY: an object of GObject may be referred to from any thread.
unsafe impl Send for Last {}

impl Last {
    fn drop_here(self) {
        let data = std::ptr::null_mut();
        // SAFETY: the reference was added with these arguments, and it is removed once:
        // its object was taken from the set of those that are lent.
        unsafe { g_object_remove_toggle_ref(self.0, Some(only_one_left), data) };
    }
}

#[cfg(test)]
mod tests {
    use gst::prelude::*;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_lent_ends_on_a_thread_of_its_own() {
        gst::init().unwrap();
        let lent = gst::Bus::new();
        let mut context = gst::Context::new("test", true);
        let structure = context.get_mut().unwrap().structure_mut();
        structure.set("first", &lent);
        structure.set("again", &lent);
        lend(&context);
        lend(&context);
        let (sender, ended) = mpsc::channel();
        lent.add_weak_ref_notify(move || {
            let thread = std::thread::current();
            sender.send(thread.name().map(ToOwned::to_owned)).unwrap();
        });
        drop(lent);
        assert!(ended.try_recv().is_err(), "the context has it");
        drop(context);
        let thread = ended.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(thread.as_deref(), Some("cw-lent"));
    }
}

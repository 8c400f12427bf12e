// SPDX-License-Identifier: MPL-2.0
//! The factories whose names others have taken in the registry. A chain is made of
//! these: an element that runs `x264enc` under supervision and is called so, too, must
//! not get itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak, mpsc};
use std::time::Duration;

use gst::glib;
use gst::prelude::*;

use crate::spec;

/// The longest that somebody waits for an element that is created for a look at it.
const BOUND: Duration = Duration::from_secs(1);

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

/// Does something with a new element of a factory. The element is created, used and
/// disposed of by a thread of its own, for which nobody waits for long. `None` if there
/// was no answer in time.
pub fn with_new<R: Send + 'static>(
    factory: &gst::ElementFactory,
    act: impl FnOnce(&gst::Element) -> R + Send + 'static,
) -> Option<R> {
    let created = factory.clone();
    look(&factory.name(), BOUND, move || {
        let element = created.create().build().ok()?;
        Some(act(&element))
    })
}

/// Looks at an element of a factory, on a thread of its own, for which this waits for
/// `bound` at most. `None` if there is no answer in time, and while an earlier look at that
/// factory for which nobody waits any more has not come back.
pub(crate) fn look<R: Send + 'static>(
    factory: &str,
    bound: Duration,
    look: impl FnOnce() -> Option<R> + Send + 'static,
) -> Option<R> {
    /// Looks by the names of their factories: each ends, also by a panic, when the last
    /// reference to it is dropped.
    static HANGING: Mutex<Vec<(String, Weak<()>)>> = Mutex::new(Vec::new());
    let hanging = || {
        let mut hanging = HANGING.lock().unwrap_or_else(PoisonError::into_inner);
        hanging.retain(|(_, look)| look.strong_count() > 0);
        hanging
    };
    if hanging().iter().any(|(name, _)| name == factory) {
        return None;
    }
    let (sender, answer) = mpsc::channel();
    let this = Arc::new(());
    let mark = (factory.to_owned(), Arc::downgrade(&this));
    let thread = std::thread::Builder::new().name("codecwatch-look".into());
    let looking = thread.spawn(move || {
        // Nobody waits any more if it came late.
        let _ = sender.send(look());
        drop(this);
    });
    looking.ok()?;
    answer.recv_timeout(bound).unwrap_or_else(|_| {
        hanging().push(mark);
        None
    })
}

/// The values that the properties of a factory's elements have at the beginning, as
/// text. Not all elements begin with what they announce as the default. `None` if they
/// could not be read in time.
pub fn initial_values(factory: &gst::ElementFactory) -> Option<BTreeMap<String, String>> {
    with_new(factory, |element| {
        let specs = spec::properties_of(element.type_()).unwrap_or_default();
        let readable = |spec: &&glib::ParamSpec| spec.flags().contains(glib::ParamFlags::READABLE);
        let value = |spec: &glib::ParamSpec| {
            let value = spec::text_if_any(&element.property_value(spec.name()))?;
            Some((spec.name().to_owned(), value))
        };
        specs.iter().filter(readable).filter_map(value).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_a_look_hangs_no_other_is_begun() {
        let soon = Duration::from_millis(50);
        let hangs = |held: mpsc::Receiver<()>| {
            move || {
                let _ = held.recv();
                Some(1)
            }
        };
        let never = || -> Option<i32> { panic!("it is looked at again") };
        let (go_on, held) = mpsc::channel::<()>();
        let (another_goes_on, another_held) = mpsc::channel::<()>();
        // Two that began at the same time, of which one comes back.
        std::thread::scope(|scope| {
            scope.spawn(|| assert_eq!(look("made up", soon, hangs(held)), None));
            scope.spawn(|| assert_eq!(look("made up", soon, hangs(another_held)), None));
        });
        assert_eq!(look("made up", soon, never), None);
        assert_eq!(look("another", BOUND, || Some(2)), Some(2));
        drop(another_goes_on);
        std::thread::sleep(soon);
        assert_eq!(look("made up", soon, never), None);
        drop(go_on);
        // It comes back at some time.
        while look("made up", BOUND, || Some(3)).is_none() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_look_that_panics_late_hangs_no_more() {
        let (go_on, held) = mpsc::channel::<()>();
        let panics = move || -> Option<i32> {
            let _ = held.recv();
            panic!("late")
        };
        assert_eq!(look("late", Duration::from_millis(50), panics), None);
        drop(go_on);
        while look("late", BOUND, || Some(3)).is_none() {
            std::thread::yield_now();
        }
    }
}

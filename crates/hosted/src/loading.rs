// SPDX-License-Identifier: MPL-2.0
//! Loads plugins for a limited time. The first element of a plugin runs the plugin's code,
//! and that of a hardware codec asks its driver.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;

/// The longest that anybody waits for a plugin. One that takes longer hangs: nobody waits
/// for it again.
pub const LOAD: Duration = Duration::from_secs(10);

/// Why a factory is not loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadError {
    /// Its plugin cannot be loaded.
    Fails,
    /// Its plugin was not loaded in time.
    Hangs,
}

/// A load that somebody has begun.
struct Load {
    begun: Instant,
    loaded: Mutex<Option<Result<gst::ElementFactory, LoadError>>>,
    ended: Condvar,
}

/// Those that have not ended, by the plugin.
static LOADS: Mutex<BTreeMap<String, Arc<Load>>> = Mutex::new(BTreeMap::new());

/// A factory, loaded. Blocks until then at most, and for ten seconds from the moment at
/// which the load has begun.
///
/// # Errors
/// It is not loaded.
pub fn load(
    factory: &gst::ElementFactory,
    until: Instant,
) -> Result<gst::ElementFactory, LoadError> {
    let known = factory.plugin().filter(|plugin| !plugin.is_loaded());
    let Some(plugin) = known else {
        return factory.load().map_err(|_| LoadError::Fails);
    };
    let factory = factory.clone();
    let loading = join(plugin.plugin_name().as_str(), move || {
        factory.load().map_err(|_| LoadError::Fails)
    });
    loading.map_or(Err(LoadError::Fails), |loading| loading.wait(until))
}

/// The load of a plugin that is in progress, or a new one, on a thread of its own. `None` if
/// there is no thread.
fn join(
    plugin: &str,
    load: impl FnOnce() -> Result<gst::ElementFactory, LoadError> + Send + 'static,
) -> Option<Arc<Load>> {
    let mut loads = LOADS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(loading) = loads.get(plugin) {
        return Some(loading.clone());
    }
    let loading = Arc::new(Load {
        begun: Instant::now(),
        loaded: Mutex::new(None),
        ended: Condvar::new(),
    });
    let (name, done) = (plugin.to_owned(), loading.clone());
    let thread = std::thread::Builder::new().name("cw-load".into());
    let started = thread.spawn(move || {
        let loaded = load();
        let mut loads = LOADS.lock().unwrap_or_else(PoisonError::into_inner);
        loads.remove(&name);
        drop(loads);
        *done.loaded.lock().unwrap_or_else(PoisonError::into_inner) = Some(loaded);
        done.ended.notify_all();
    });
    started.ok()?;
    loads.insert(plugin.to_owned(), loading.clone());
    Some(loading)
}

impl Load {
    fn wait(&self, until: Instant) -> Result<gst::ElementFactory, LoadError> {
        let until = until.min(self.begun + LOAD);
        let left = until.saturating_duration_since(Instant::now());
        let loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .ended
            .wait_timeout_while(loaded, left, |loaded| loaded.is_none());
        let (loaded, _) = waited.unwrap_or_else(PoisonError::into_inner);
        loaded.clone().unwrap_or(Err(LoadError::Hangs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_load_that_hangs_is_waited_for_once_and_found_when_it_comes_back() {
        gst::init().unwrap();
        let factory = gst::ElementFactory::find("identity").unwrap();
        let (go_on, held) = mpsc::channel::<()>();
        let load = {
            let factory = factory.clone();
            move || {
                let _ = held.recv();
                Ok(factory)
            }
        };
        let loading = join("made up", load).unwrap();
        let soon = || Instant::now() + Duration::from_millis(50);
        assert_eq!(loading.wait(soon()), Err(LoadError::Hangs));
        let other = join("made up", || panic!("it is loaded twice")).unwrap();
        assert_eq!(other.wait(soon()), Err(LoadError::Hangs));
        drop(go_on);
        let later = Instant::now() + Duration::from_secs(5);
        assert_eq!(other.wait(later), Ok(factory));
        assert!(!LOADS.lock().unwrap().contains_key("made up"));
    }

    #[test]
    fn nobody_waits_again_for_a_load_that_has_taken_ten_seconds() {
        gst::init().unwrap();
        let loading = Load {
            begun: Instant::now().checked_sub(LOAD).unwrap(),
            loaded: Mutex::new(None),
            ended: Condvar::new(),
        };
        let begun = Instant::now();
        let later = begun + Duration::from_secs(60);
        assert_eq!(loading.wait(later), Err(LoadError::Hangs));
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
}

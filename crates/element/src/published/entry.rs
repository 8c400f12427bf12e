// SPDX-License-Identifier: MPL-2.0
//! One element, as others see it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use codecwatch_supervisor::{Name, Stats};
use gst::prelude::*;

use super::{join, next_element};
use crate::Settings;
use crate::supervision::Parts;

/// The elements of this plugin file.
static ENTRIES: Mutex<Vec<Weak<Entry>>> = Mutex::new(Vec::new());

fn entries() -> MutexGuard<'static, Vec<Weak<Entry>>> {
    ENTRIES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The elements of this plugin file that have not been freed.
pub(super) fn all() -> Vec<Arc<Entry>> {
    let mut entries = entries();
    entries.retain(|entry| entry.strong_count() > 0);
    entries.iter().filter_map(Weak::upgrade).collect()
}

/// What an element is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) name: String,
    /// Its place among the bins that it is in.
    pub(super) path: String,
    /// Empty for one that was made without a factory.
    pub(super) factory: String,
}

/// See the module's description.
pub(super) struct Entry {
    /// Unique in the process.
    pub(super) id: u64,
    identity: Mutex<Identity>,
    frames_in: AtomicU64,
    frames_out: AtomicU64,
    frames_lost: AtomicU64,
    /// Nanoseconds.
    lag: AtomicU64,
    /// When the newest session was started: nanoseconds since 1970.
    session_started: AtomicU64,
    source: Box<dyn Source>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let identity = self.identity();
        f.debug_tuple("Entry").field(&identity.name).finish()
    }
}

/// What an element counts, over all of its sessions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) frames_in: u64,
    pub(super) frames_out: u64,
    /// Lost in restarts.
    pub(super) frames_lost: u64,
    /// How long the last frame that came out was inside.
    pub(super) lag: Duration,
    /// When the newest session was started, since 1970.
    pub(super) session_started: Duration,
}

/// The state of an element at a moment.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) settings: Settings,
    /// It has failed, and has not been to READY since.
    pub(super) failed: bool,
    /// Since it was last in READY.
    pub(super) restarts: u32,
    /// That of its latest session in a child.
    pub(super) process: Option<u32>,
    /// The session that `stats` describes, and its codec.
    pub(super) session: Option<(Name, Stats)>,
}

/// Where the state is read.
trait Source: Send + Sync {
    /// `None` once the element is being freed.
    fn read(&self) -> Option<Live>;
}

impl<I: Send + 'static, O: Send + 'static> Source for Weak<Parts<I, O>> {
    fn read(&self) -> Option<Live> {
        let parts = self.upgrade()?;
        let settings = parts.settings();
        let process = parts.child_status.seen().map(|child| child.process);
        let live = {
            let line = parts.line();
            Live {
                settings,
                failed: line.has_failed(),
                restarts: line.restarts.total(),
                process,
                session: line.shown_stats(),
            }
        };
        // The element may have been freed meanwhile. What its sessions still hold is not
        // dropped on the reader's thread: it may be memory of a device, for instance, whose
        // driver hangs.
        if let Some(last) = Arc::into_inner(parts) {
            let dropping = std::thread::Builder::new().name("cw-drop".into());
            let _ = dropping.spawn(move || drop(last));
        }
        Some(live)
    }
}

impl Entry {
    pub(super) fn identity(&self) -> Identity {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Identity> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads how the element is called. On a thread of the application or of the element:
    /// takes locks of GStreamer's objects.
    fn identify(&self, element: &gst::Element) {
        let identity = Identity {
            name: element.name().to_string(),
            path: element.path_string().to_string(),
            factory: element
                .factory()
                .map(|factory| factory.name().to_string())
                .unwrap_or_default(),
        };
        *self.lock() = identity;
    }

    pub(super) fn counts(&self) -> Counts {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        // In this order: an output counts after its input.
        let (lost, out) = (load(&self.frames_lost), load(&self.frames_out));
        Counts {
            frames_in: load(&self.frames_in),
            frames_out: out,
            frames_lost: lost,
            lag: Duration::from_nanos(load(&self.lag)),
            session_started: Duration::from_nanos(load(&self.session_started)),
        }
    }

    /// The current state; `None` once the element is being freed.
    pub(super) fn live(&self) -> Option<Live> {
        self.source.read()
    }
}

/// What an element holds of its entry, which is there as long as this.
#[derive(Debug)]
pub(crate) struct Published(Arc<Entry>);

impl Published {
    /// Enters an element that is being constructed.
    pub(crate) fn new<I, O>(element: &gst::Element, parts: &Arc<Parts<I, O>>) -> Self
    where
        I: Send + 'static,
        O: Send + 'static,
    {
        let entry = Arc::new(Entry {
            id: next_element(join()),
            identity: Mutex::default(),
            frames_in: AtomicU64::new(0),
            frames_out: AtomicU64::new(0),
            frames_lost: AtomicU64::new(0),
            lag: AtomicU64::new(0),
            session_started: AtomicU64::new(0),
            source: Box::new(Arc::downgrade(parts)),
        });
        entry.identify(element);
        // Nobody is told when an element is put into a bin: see `identify`.
        let weak = Arc::downgrade(&entry);
        element.connect_notify(Some("name"), move |element, _| {
            if let Some(entry) = weak.upgrade() {
                entry.identify(element);
            }
        });
        entries().push(Arc::downgrade(&entry));
        Self(entry)
    }

    /// Reads again how the element is called: it, or the bin that it is in, may have been
    /// put into another. Called when its source pad is linked, and when a session starts.
    /// The caller must hold no lock.
    pub(crate) fn identify(&self, element: &gst::Element) {
        self.0.identify(element);
    }

    /// Notes that a session was started.
    pub(crate) fn note_session(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| u64::try_from(now.as_nanos()).unwrap_or(u64::MAX));
        self.0.session_started.store(now, Ordering::Relaxed);
    }

    /// Counts a frame that was submitted.
    pub(crate) fn note_in(&self) {
        self.0.frames_in.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts frames that an output settles. `lag`: how long the first was inside.
    pub(crate) fn note_out(&self, frames: u64, lag: Duration) {
        if frames > 0 {
            self.0.frames_out.fetch_add(frames, Ordering::Relaxed);
            let lag = u64::try_from(lag.as_nanos()).unwrap_or(u64::MAX);
            self.0.lag.store(lag, Ordering::Relaxed);
        }
    }

    /// Counts frames that were lost in a restart.
    pub(crate) fn note_lost(&self, frames: usize) {
        let frames = u64::try_from(frames).unwrap_or(u64::MAX);
        self.0.frames_lost.fetch_add(frames, Ordering::Relaxed);
    }
}

// SPDX-License-Identifier: MPL-2.0
//! The threads of a native session: its lanes, and those that the library started for
//! it.

use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Witness, set_aside};
use crate::procfs::Tasks;
use crate::{Name, Sample};

/// A session owns the threads that have its worker's name, which is unique in the
/// process: its lanes, and threads that the library starts at any time without naming
/// them. Of the threads that the library names, it owns those started during one of its
/// opens. Opens of one library run one at a time, so these belong to no other session.
#[derive(Debug)]
pub(crate) struct NamedThreads {
    worker: String,
    /// Prefixes of the names that the library gives.
    prefixes: Cow<'static, [Name]>,
    opens: Mutex<Opens>,
}

#[derive(Debug, Default)]
struct Opens {
    /// Threads started during an open.
    own: Vec<u32>,
    /// Threads that existed before the open in progress. Kept if the end of the open
    /// could not be observed: then all threads started since count.
    before: Option<Vec<u32>>,
}

impl NamedThreads {
    pub(crate) fn new(worker: &str, prefixes: Cow<'static, [Name]>) -> Self {
        Self {
            worker: comm_of(worker),
            prefixes,
            opens: Mutex::default(),
        }
    }

    /// Must be called by a lane just before a native open.
    pub(crate) fn open_begins(&self) {
        // Threads that cannot be listed count as absent. Then threads of other sessions
        // may count as this one's, which at worst makes the watchdog wait longer.
        let before = Tasks::of_this_process().ids().unwrap_or_default();
        self.opens().before = Some(before);
    }

    /// Must be called by the lane when the native open has returned.
    pub(crate) fn open_ended(&self) {
        let Ok(after) = Tasks::of_this_process().ids() else {
            return;
        };
        self.opens().end(after);
    }

    fn opens(&self) -> MutexGuard<'_, Opens> {
        self.opens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn owns(&self, opens: &Opens, thread: u32, name: &str) -> bool {
        // The worker's name may be followed by the lane's.
        let inherited = name
            .strip_prefix(&self.worker)
            .is_some_and(|rest| !rest.starts_with(char::is_numeric));
        let named = || {
            let of_prefix = |prefix: &Name| match &**prefix {
                "" => !is_of_others(name),
                prefix => name.starts_with(prefix),
            };
            self.prefixes.iter().any(of_prefix)
        };
        inherited || (named() && opens.own(thread))
    }
}

impl Opens {
    fn end(&mut self, mut after: Vec<u32>) {
        let before = self.before.take().unwrap_or_default();
        // Threads that have ended are removed: the kernel reuses their ids.
        after.retain(|thread| self.own.contains(thread) || !before.contains(thread));
        self.own = after;
    }

    fn own(&self, thread: u32) -> bool {
        let came_up = |before: &Vec<u32>| !before.contains(&thread);
        self.own.contains(&thread) || self.before.as_ref().is_some_and(came_up)
    }
}

impl Witness for NamedThreads {
    fn sample(&self) -> Sample {
        let opens = {
            let opens = self.opens();
            Opens {
                own: opens.own.clone(),
                before: opens.before.clone(),
            }
        };
        let aside = set_aside::threads();
        Tasks::of_this_process()
            .sample(|thread, name| !aside.contains(&thread) && self.owns(&opens, thread, name))
    }
}

/// Whether a thread's name shows that it works for something else, whenever it has
/// started: another session's lanes (`CODEC#N`), this library's own helpers (`cw-`), and
/// the tasks of GStreamer's pads (`ELEMENT:PAD`), such as the output task. The tasks of a
/// hosted chain announce themselves.
fn is_of_others(name: &str) -> bool {
    name.contains('#') || name.starts_with("cw-") || name.contains(":src") || name.contains(":sink")
}

/// A thread's name as the kernel stores it: 15 bytes.
fn comm_of(name: &str) -> String {
    name.chars().take(15).collect()
}

#[cfg(test)]
mod tests {
    use super::super::AdoptedThreads;
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_session_owns_its_lanes_and_the_librarys_threads_that_its_opens_started() {
        let set = NamedThreads::new("SVT-AV1#1", vec!["dav1d-worker".into()].into());
        let owns = |thread, name| set.owns(&set.opens(), thread, name);
        assert!(owns(1, "SVT-AV1#1"));
        assert!(owns(1, "SVT-AV1#1:recv"));
        assert!(!owns(1, "SVT-AV1#12"), "another session's worker");
        set.opens().before = Some(vec![10]);
        assert!(owns(11, "dav1d-worker"), "it is just opening");
        assert!(!owns(10, "dav1d-worker"), "was there before the open");
        set.opens().end(vec![10, 11]);
        assert!(owns(11, "dav1d-worker"));
        assert!(!owns(11, "queue0:src"));
        assert!(!owns(12, "dav1d-worker"), "came after the open");
        // It is opened again; 11 has ended, 12 is another session's.
        set.opens().before = Some(vec![10, 12]);
        set.opens().end(vec![10, 12, 13]);
        assert!(owns(13, "dav1d-worker"));
        assert!(!owns(11, "dav1d-worker"), "somebody else has the id by now");
        assert!(!owns(12, "dav1d-worker"));
        // And starts more during another open, without the first having ended.
        set.opens().before = Some(vec![10, 12, 13]);
        set.opens().end(vec![10, 12, 13, 14]);
        assert!(owns(13, "dav1d-worker") && owns(14, "dav1d-worker"));
    }

    #[test]
    fn any_name_is_the_sessions_but_those_of_others() {
        let set = NamedThreads::new("x264enc#1", vec!["".into()].into());
        set.opens().before = Some(vec![]);
        set.opens().end(vec![11, 12, 13, 14, 15]);
        let owns = |thread, name| set.owns(&set.opens(), thread, name);
        assert!(owns(11, "av:h264:df0") && owns(12, "x264enc#1") && owns(13, "pool-1"));
        assert!(!owns(20, "av:h264:df0"), "came after the open");
        for other in [
            "vp8enc#2",
            "vp8enc#12:recv",
            "cw-outside",
            "codecwatch0:src",
            "queue0:sink",
        ] {
            assert!(!owns(14, other), "{other}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn who_looks_and_who_is_set_aside_is_no_evidence() {
        use std::sync::mpsc::channel;
        let set = NamedThreads::new("any#1", vec!["".into()].into());
        set.open_begins();
        let owned = |set: &NamedThreads, thread: u32| {
            let threads = set.sample().threads;
            threads.iter().any(|times| times.tid == thread)
        };
        let (tell, ids) = channel();
        let (go_on, waits) = channel::<()>();
        let spawned = std::thread::Builder::new().name("a-long-name-of-an".into());
        let thread = spawned.spawn(move || {
            let this = AdoptedThreads::this_thread().unwrap();
            tell.send(this).unwrap();
            waits.recv().unwrap();
            let aside = crate::set_aside();
            tell.send(this).unwrap();
            waits.recv().unwrap();
            drop(aside);
            tell.send(this).unwrap();
            let _ = waits.recv();
        });
        let id = ids.recv().unwrap();
        assert!(owned(&set, id), "it came up while the session opened");
        go_on.send(()).unwrap();
        ids.recv().unwrap();
        assert!(!owned(&set, id));
        go_on.send(()).unwrap();
        ids.recv().unwrap();
        assert!(owned(&set, id));
        drop((go_on, thread));
        // As if this thread had come up then, too.
        set.opens().before = Some(Vec::new());
        assert!(!owned(&set, AdoptedThreads::this_thread().unwrap()));
    }

    #[cfg(target_os = "linux")]
    #[allow(
        clippy::disallowed_methods,
        reason = "real threads, watched for a while"
    )]
    #[test]
    fn a_thread_that_spins_is_seen_working_and_one_that_sleeps_is_not() {
        use crate::{Activity, Evidence};
        use std::sync::atomic::{AtomicBool, Ordering};
        static STOP: AtomicBool = AtomicBool::new(false);
        let look = |name: &str| {
            let set = NamedThreads::new(name, Cow::Borrowed(&[]));
            let before = set.sample();
            std::thread::sleep(Duration::from_millis(200));
            Evidence::between(&before, &set.sample(), Duration::from_millis(200)).activity
        };
        let spin = std::thread::Builder::new()
            .name("spinner#1".into())
            .spawn(|| {
                while !STOP.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
            .unwrap();
        let sleep = std::thread::Builder::new()
            .name("sleeper#1".into())
            .spawn(|| {
                while !STOP.load(Ordering::Relaxed) {
                    std::thread::park()
                }
            })
            .unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert!(look("spinner#1").excuses());
        assert_eq!(look("sleeper#1"), Activity::Asleep);
        assert_eq!(look("nobody#1"), Activity::Unknown);
        STOP.store(true, Ordering::Relaxed);
        sleep.thread().unpark();
        for thread in [spin, sleep] {
            while !thread.is_finished() {
                std::thread::yield_now();
            }
        }
    }
}

// SPDX-License-Identifier: MPL-2.0
//! Decides which encoders can run beside each other in one process.
//!
//! Until 4.0 the library keeps tables of block shapes for the whole process and
//! rebuilds them whenever an encoder opens. Fast presets all use the same small
//! tables, which survive that. With a slow preset, an encoder that runs while
//! another opens crashes the process, or hangs: of twenty pairs tried on 1.4.1 and
//! 2.3.0, with one or both at a slow preset, fifteen did so within a minute. So an
//! encoder with a slow preset must be alone; otherwise it is not opened.
//!
//! A closing session leaves its place when the library has encoded what is inside,
//! which may take seconds or minutes: a new session waits for it. It does not wait for
//! a running or an abandoned session, which may hold its place for ever.

use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use codecwatch_supervisor::{CodecError, Lane};

use crate::config::Config;
use crate::effective::Effective;
use crate::teardown_gate;
use crate::version::Version;

/// Longest wait for the place of a closing session: the default of `slow-limit`, after
/// which its own supervisor abandons it.
const PATIENCE: Duration = Duration::from_secs(600);
/// Longest wait for a session that seems to run: one that was told to close notices
/// it only when its native call returns.
const GRACE: Duration = Duration::from_secs(1);
/// How often a waiting session checks whether it was told to close.
const LOOK: Duration = Duration::from_millis(50);

/// The state of a session that holds a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Opening,
    Running,
    Closing(Instant),
    Abandoned,
}

#[derive(Debug)]
struct Holder {
    number: u64,
    /// The name of its worker.
    session: String,
    preset: i64,
    slow: bool,
    stage: Stage,
}

/// The encoders of a process.
#[derive(Debug, Default)]
struct Places {
    holders: Mutex<Holders>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Holders {
    all: Vec<Holder>,
    taken: u64,
}

/// The place of one encoder in the process. Dropping it does not leave the place: an
/// encoder that leaks continues to run.
#[derive(Debug)]
#[must_use = "a place that is not left is taken for ever"]
pub(crate) struct PresetSlot {
    /// `None` if this version can run any encoder beside any other.
    number: Option<u64>,
}

/// A place that was taken for an encoder that has not begun to open: left when dropped.
#[derive(Debug)]
pub(crate) struct Reservation(Option<PresetSlot>);

/// How a wait for a place ended.
#[derive(Debug, PartialEq, Eq)]
enum Wait {
    Place(u64),
    /// The waiting session was told to close.
    Stopped,
    /// A description of the holder.
    Refused(String),
}

/// Longest waits, by the holder's stage.
struct Bounds {
    closing: Duration,
    running: Duration,
}

static PLACES: LazyLock<Places> = LazyLock::new(Places::default);

impl PresetSlot {
    /// Waits while a session that closes holds the place, for ten minutes at most.
    /// `None`: the session of this lane has been told to close meanwhile.
    ///
    /// # Errors
    /// [`CodecError::Settings`] naming the holder of the place.
    pub(crate) fn reserve<O: Send + 'static>(
        lane: &Lane<O>,
        config: &Config,
    ) -> Result<Option<Reservation>, CodecError> {
        let slot = Self::take(lane, config)?;
        Ok(slot.map(|slot| Reservation(Some(slot))))
    }

    fn take<O: Send + 'static>(
        lane: &Lane<O>,
        config: &Config,
    ) -> Result<Option<Self>, CodecError> {
        let version = Version::installed();
        let Some(least) = least_fast_preset(version) else {
            return Ok(Some(Self { number: None }));
        };
        let preset = Effective::new(config, version).coded_preset();
        let bounds = Bounds {
            closing: PATIENCE,
            running: GRACE,
        };
        let slow = preset < least;
        match PLACES.take(preset, slow, &bounds, || lane.discarding()) {
            Wait::Place(number) => {
                lane.set_kill_hook(move || {
                    PLACES.enter(number, Stage::Abandoned);
                    teardown_gate::abandon(number);
                });
                Ok(Some(Self {
                    number: Some(number),
                }))
            }
            Wait::Stopped => Ok(None),
            Wait::Refused(holder) => Err(CodecError::Settings(format!(
                "SVT-AV1 {version} cannot run an encoder with preset {preset} in the same process as \
                 {holder}: it crashes if any of them has a preset below {least}. Use a preset of at \
                 least {least} for each encoder, or a process of its own for each (isolate=true), or \
                 SVT-AV1 4.1",
            ))),
        }
    }

    /// The number of the place's encoder; `None` if this version needs none.
    pub(crate) fn number(&self) -> Option<u64> {
        self.number
    }

    /// The encoder is open.
    pub(crate) fn running(&self) {
        self.enter(Stage::Running);
    }

    /// The session was told to close: others may wait for its place.
    pub(crate) fn closing(&self) {
        self.enter(Stage::Closing(Instant::now()));
    }

    fn enter(&self, stage: Stage) {
        if let Some(number) = self.number {
            PLACES.enter(number, stage);
        }
    }

    /// The encoder no longer runs: frees its place.
    pub(crate) fn leave(self) {
        if let Some(number) = self.number {
            PLACES.leave(number);
        }
    }
}

impl Reservation {
    /// The native open begins: from now on the place must be left explicitly.
    pub(crate) fn occupy(mut self) -> PresetSlot {
        self.0.take().unwrap_or(PresetSlot { number: None })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(slot) = self.0.take() {
            slot.leave();
        }
    }
}

impl Places {
    fn lock(&self) -> MutexGuard<'_, Holders> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `stop_waiting` without holding the lock.
    fn take(
        &self,
        preset: i64,
        slow: bool,
        bounds: &Bounds,
        stop_waiting: impl Fn() -> bool,
    ) -> Wait {
        let began = Instant::now();
        let mut holders = self.lock();
        loop {
            let Some(holder) = holders.against(slow) else {
                return Wait::Place(holders.add(preset, slow));
            };
            let bound = match holder.stage {
                Stage::Closing(_) => bounds.closing,
                Stage::Opening | Stage::Running => bounds.running,
                Stage::Abandoned => Duration::ZERO,
            };
            let left = bound.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Wait::Refused(holder.describe());
            }
            drop(holders);
            if stop_waiting() {
                return Wait::Stopped;
            }
            holders = self.lock();
            // Check again, because the holder may have left in between.
            if holders.against(slow).is_some() {
                holders = self
                    .changed
                    .wait_timeout(holders, left.min(LOOK))
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            }
        }
    }

    fn enter(&self, number: u64, stage: Stage) {
        if let Some(holder) = self.lock().find(number) {
            holder.stage = stage;
        }
    }

    fn leave(&self, number: u64) {
        self.lock().all.retain(|holder| holder.number != number);
        self.changed.notify_all();
    }
}

impl Holders {
    /// The holder that keeps an encoder from running: of several, one that is not closing.
    fn against(&self, slow: bool) -> Option<&Holder> {
        let closes = |holder: &&Holder| matches!(holder.stage, Stage::Closing(_));
        let others = self.all.iter().filter(|holder| slow || holder.slow);
        others.min_by_key(closes)
    }

    fn add(&mut self, preset: i64, slow: bool) -> u64 {
        self.taken += 1;
        let number = self.taken;
        let thread = std::thread::current();
        self.all.push(Holder {
            number,
            session: thread.name().unwrap_or("another session").to_owned(),
            preset,
            slow,
            stage: Stage::Opening,
        });
        number
    }

    fn find(&mut self, number: u64) -> Option<&mut Holder> {
        self.all.iter_mut().find(|holder| holder.number == number)
    }
}

impl Holder {
    fn describe(&self) -> String {
        let Self {
            session, preset, ..
        } = self;
        match self.stage {
            Stage::Opening => format!("{session} (preset {preset}), which has not opened yet"),
            Stage::Running => format!("{session} (preset {preset}), which is running"),
            Stage::Closing(since) => format!(
                "{session} (preset {preset}), which has been closing for {:.1} s",
                since.elapsed().as_secs_f64()
            ),
            Stage::Abandoned => format!("{session} (preset {preset}), which was abandoned"),
        }
    }
}

/// The slowest preset that can run beside others; `None` if all can.
fn least_fast_preset(version: Version) -> Option<i64> {
    if version.at_least(4, 1) {
        None
    } else if version.at_least(1, 5) {
        Some(8)
    } else {
        Some(6)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn take(places: &Places, slow: bool, closing: Duration, running: Duration) -> Wait {
        places.take(4, slow, &Bounds { closing, running }, || false)
    }

    /// A place that is free.
    #[track_caller]
    fn place(places: &Places, slow: bool) -> u64 {
        match take(places, slow, Duration::ZERO, Duration::ZERO) {
            Wait::Place(number) => number,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_fast_presets_go_with_each_other() {
        let places = Places::default();
        let (first, second) = (place(&places, false), place(&places, false));
        let refused = |slow| matches!(take(&places, slow, LONG, Duration::ZERO), Wait::Refused(_));
        assert!(refused(true));
        places.leave(first);
        assert!(refused(true));
        places.leave(second);
        place(&places, true);
        assert!(refused(true) && refused(false));
    }

    #[test]
    fn the_place_of_a_session_that_closes_is_waited_for() {
        let places = Places::default();
        let holder = place(&places, true);
        places.enter(holder, Stage::Closing(Instant::now()));
        thread::scope(|scope| {
            let waiting = scope.spawn(|| take(&places, true, LONG, Duration::ZERO));
            thread::sleep(Duration::from_millis(20));
            assert!(!waiting.is_finished());
            places.leave(holder);
            assert!(matches!(waiting.join().unwrap(), Wait::Place(_)));
        });
    }

    #[test]
    fn the_place_of_a_session_that_was_given_up_is_not_waited_for() {
        let places = Places::default();
        let holder = place(&places, true);
        places.enter(holder, Stage::Abandoned);
        assert!(matches!(take(&places, true, LONG, LONG), Wait::Refused(_)));
    }

    #[test]
    fn the_wait_has_a_bound_and_the_refusal_says_who_holds_the_place() {
        let places = Places::default();
        let holder = thread::scope(|scope| {
            let worker = thread::Builder::new().name("SVT-AV1#7".to_owned());
            let holder = worker.spawn_scoped(scope, || place(&places, true));
            holder.unwrap().join().unwrap()
        });
        let refused = |words: &str| {
            let wait = take(&places, false, Duration::from_millis(30), Duration::ZERO);
            let Wait::Refused(holder) = wait else {
                panic!("{wait:?}");
            };
            assert!(holder.contains("SVT-AV1#7 (preset 4)"), "{holder}");
            assert!(holder.contains(words), "{holder}");
        };
        refused("has not opened yet");
        places.enter(holder, Stage::Running);
        refused("is running");
        places.enter(holder, Stage::Closing(Instant::now()));
        refused("has been closing for 0.0 s");
        places.enter(holder, Stage::Abandoned);
        refused("was abandoned");
    }

    #[test]
    fn who_is_told_to_close_waits_no_longer() {
        let places = Places::default();
        let holder = place(&places, true);
        places.enter(holder, Stage::Closing(Instant::now()));
        let bounds = Bounds {
            closing: LONG,
            running: LONG,
        };
        let asked = std::cell::Cell::new(0);
        let wait = places.take(4, true, &bounds, || {
            asked.set(asked.get() + 1);
            asked.get() > 2
        });
        assert_eq!(wait, Wait::Stopped);
    }
}

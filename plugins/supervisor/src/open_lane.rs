// SPDX-License-Identifier: MPL-2.0
//! One open at a time per library: global initialisation is not safe in
//! parallel in every codec. The wait for a turn is bounded, and a wedged open
//! loses its turn when its worker is abandoned.

use std::collections::HashMap;
#[cfg(not(test))]
use std::sync::LazyLock;
use std::sync::PoisonError;
use std::time::Duration;

use crate::clock::now;
use crate::sync::{Condvar, Mutex, MutexGuard};

/// Who opens which library.
#[derive(Default)]
struct Lanes {
    turns: Mutex<HashMap<&'static str, u64>>,
    changed: Condvar,
}

#[cfg(not(test))]
static LANES: LazyLock<Lanes> = LazyLock::new(Lanes::default);
#[cfg(test)]
shuttle::lazy_static! { static ref LANES: Lanes = Lanes::default(); }

/// The turn of one worker; given back when dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    library: &'static str,
    worker: u64,
}

impl Turn {
    /// Waits for the library's lane, for `bound` at most, or until `give_up`
    /// says so (looked at whenever a turn ends and when [`wake`] is called).
    pub(crate) fn take(
        library: &'static str,
        worker: u64,
        bound: Duration,
        give_up: impl Fn() -> bool,
    ) -> Option<Self> {
        let deadline = now() + bound;
        let mut turns = turns();
        loop {
            if give_up() {
                return None;
            }
            if !turns.contains_key(library) {
                turns.insert(library, worker);
                return Some(Self { library, worker });
            }
            let left = deadline.saturating_duration_since(now());
            if left.is_zero() {
                return None;
            }
            turns = LANES
                .changed
                .wait_timeout(turns, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        revoke(self.library, self.worker);
    }
}

/// Takes the turn of a worker away, if it has it.
pub(crate) fn revoke(library: &'static str, worker: u64) {
    let mut turns = turns();
    if turns.get(library) == Some(&worker) {
        turns.remove(library);
    }
    LANES.changed.notify_all();
}

/// Makes waiting workers ask again whether they should give up.
pub(crate) fn wake() {
    let _turns = turns();
    LANES.changed.notify_all();
}

fn turns() -> MutexGuard<'static, HashMap<&'static str, u64>> {
    LANES.turns.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interleavings::{model::Time, once};

    #[test]
    fn a_second_open_waits_for_the_first_and_not_for_ever() {
        once(Time::Flies, || {
            let first = Turn::take("lane", 1, Duration::from_secs(1), || false);
            assert!(first.is_some());
            assert!(Turn::take("lane", 2, Duration::from_millis(20), || false).is_none());
            assert!(Turn::take("another", 3, Duration::ZERO, || false).is_some());
            drop(first);
            assert!(Turn::take("lane", 2, Duration::ZERO, || false).is_some());
        });
    }

    #[test]
    fn a_wedged_open_loses_its_turn_and_cannot_end_the_next_one() {
        once(Time::Flies, || {
            let wedged = Turn::take("lane", 1, Duration::ZERO, || false);
            revoke("lane", 1);
            let next = Turn::take("lane", 2, Duration::ZERO, || false);
            assert!(next.is_some());
            drop(wedged);
            assert!(Turn::take("lane", 3, Duration::ZERO, || false).is_none());
            drop(next);
        });
    }
}

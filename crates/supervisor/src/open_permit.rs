// SPDX-License-Identifier: MPL-2.0
//! One open at a time per library: global initialisation is not safe in
//! parallel in every codec. The wait for a permit is bounded, and a wedged open
//! loses its permit when its worker is abandoned.

use std::collections::HashMap;
#[cfg(not(test))]
use std::sync::LazyLock;
use std::sync::PoisonError;
use std::time::Duration;

use crate::Name;
use crate::admission::Admission;
use crate::clock::now;
use crate::sync::{Condvar, Mutex, MutexGuard};

/// Which worker is opening which library.
#[derive(Default)]
struct Permits {
    holders: Mutex<HashMap<Name, u64>>,
    changed: Condvar,
}

#[cfg(not(test))]
static PERMITS: LazyLock<Permits> = LazyLock::new(Permits::default);
#[cfg(test)]
shuttle::lazy_static! { static ref PERMITS: Permits = Permits::default(); }

/// The permit of one worker; released when dropped.
#[derive(Debug)]
pub(crate) struct OpenPermit {
    library: Name,
    worker: u64,
}

impl OpenPermit {
    fn of(library: &Name, worker: u64) -> Self {
        Self {
            library: library.clone(),
            worker,
        }
    }

    /// Takes the permit if it is free.
    pub(crate) fn take_now(library: &Name, worker: u64) -> Option<Self> {
        let mut holders = holders();
        if holders.contains_key(library) {
            return None;
        }
        holders.insert(library.clone(), worker);
        Some(Self::of(library, worker))
    }

    /// Waits for the library's permit and for the worker's admission, for `bound` at most.
    /// `admission` is called whenever a permit ends and when [`wake`] is called. After
    /// `patience` the worker opens beside the holder, who keeps the permit.
    ///
    /// # Errors
    /// The last admission: [`Granted`](Admission::Granted) if the permit was not free.
    pub(crate) fn take(
        library: &Name,
        worker: u64,
        bound: Duration,
        patience: Option<Duration>,
        admission: impl Fn() -> Admission,
    ) -> Result<Self, Admission> {
        let begun = now();
        let mut holders = holders();
        loop {
            let admission = admission();
            if let Admission::Refused(_) | Admission::Withdrawn = admission {
                return Err(admission);
            }
            let granted = matches!(admission, Admission::Granted);
            let waited = now().saturating_duration_since(begun);
            let impatient = patience.is_some_and(|patience| waited >= patience);
            if granted && (impatient || !holders.contains_key(library)) {
                holders.entry(library.clone()).or_insert(worker);
                return Ok(Self::of(library, worker));
            }
            if waited >= bound {
                return Err(admission);
            }
            let until = patience.filter(|_| !impatient).unwrap_or(bound);
            let left = until.min(bound).saturating_sub(waited);
            holders = PERMITS
                .changed
                .wait_timeout(holders, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl Drop for OpenPermit {
    fn drop(&mut self) {
        revoke(&self.library, self.worker);
    }
}

/// Revokes the permit of a worker, if it has it.
pub(crate) fn revoke(library: &Name, worker: u64) {
    let mut holders = holders();
    if holders.get(library) == Some(&worker) {
        holders.remove(library);
    }
    PERMITS.changed.notify_all();
}

/// Whether the worker has the permit.
pub(crate) fn is_held(library: &Name, worker: u64) -> bool {
    holders().get(library) == Some(&worker)
}

/// Makes waiting workers check their turn again.
pub(crate) fn wake() {
    let _holders = holders();
    PERMITS.changed.notify_all();
}

fn holders() -> MutexGuard<'static, HashMap<Name, u64>> {
    PERMITS
        .holders
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interleavings::{model::Time, once};

    const LIBRARY: Name = Name::from_static("library");
    const ANOTHER: Name = Name::from_static("another");

    #[test]
    fn a_second_open_waits_for_the_first_and_not_for_ever() {
        once(Time::Flies, || {
            let first = OpenPermit::take(&LIBRARY, 1, Duration::from_secs(1), None, || {
                Admission::Granted
            });
            assert!(first.is_ok());
            assert!(
                OpenPermit::take(&LIBRARY, 2, Duration::from_millis(20), None, || {
                    Admission::Granted
                })
                .is_err()
            );
            assert!(
                OpenPermit::take(&ANOTHER, 3, Duration::ZERO, None, || Admission::Granted).is_ok()
            );
            drop(first);
            assert!(
                OpenPermit::take(&LIBRARY, 2, Duration::ZERO, None, || Admission::Granted).is_ok()
            );
        });
    }

    #[test]
    fn a_wedged_open_loses_its_turn_and_cannot_end_the_next_one() {
        once(Time::Flies, || {
            let wedged = OpenPermit::take(&LIBRARY, 1, Duration::ZERO, None, || Admission::Granted);
            revoke(&LIBRARY, 1);
            let next = OpenPermit::take(&LIBRARY, 2, Duration::ZERO, None, || Admission::Granted);
            assert!(next.is_ok());
            drop(wedged);
            assert!(
                OpenPermit::take(&LIBRARY, 3, Duration::ZERO, None, || Admission::Granted).is_err()
            );
            drop(next);
        });
    }

    #[test]
    fn who_is_impatient_opens_beside_the_holder_and_does_not_end_its_permit() {
        once(Time::Flies, || {
            let bound = Duration::from_secs(5);
            let begun = now();
            let first = OpenPermit::take(&LIBRARY, 1, bound, None, || Admission::Granted);
            let beside =
                OpenPermit::take(&LIBRARY, 2, bound, Some(bound / 10), || Admission::Granted);
            assert!(beside.is_ok());
            assert!(now() - begun >= bound / 10);
            drop(beside);
            assert!(OpenPermit::take_now(&LIBRARY, 3).is_none());
            drop(first);
            assert!(OpenPermit::take_now(&LIBRARY, 3).is_some());
        });
    }
}

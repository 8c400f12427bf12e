// SPDX-License-Identifier: MPL-2.0
//! Stand-ins for the parts of the standard library that a run waits with. All
//! "threads" of one exploration are tasks on one real thread; shuttle decides at
//! each lock, wait and notification which of them goes on.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::sync::{LazyLock, LockResult, PoisonError};
use std::time::{Duration, Instant};

use shuttle::rand::Rng;
pub(crate) use shuttle::thread;

/// How time passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Time {
    /// Not at all: no wait times out, so a thread that is not woken sleeps for ever,
    /// and shuttle reports a deadlock.
    Stands,
    /// In leaps: the scheduler may let a wait with a bound time out at any moment.
    Flies,
}

thread_local! {
    static TIME: Cell<Time> = const { Cell::new(Time::Stands) };
    static ELAPSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Must be called at the beginning of each exploration.
pub(crate) fn begin(time: Time) {
    TIME.set(time);
    ELAPSED.set(Duration::ZERO);
}

pub(crate) fn now() -> Instant {
    #[allow(clippy::disallowed_methods, reason = "some instant to count from")]
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    *START + ELAPSED.get()
}

fn whole<T>(locked: LockResult<T>) -> T {
    locked.unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    guard: shuttle::sync::MutexGuard<'a, T>,
}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        Ok(MutexGuard {
            mutex: self,
            guard: whole(self.0.lock()),
        })
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

#[derive(Debug, Default)]
pub(crate) struct Condvar(shuttle::sync::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }

    pub(crate) fn wait<'a, T>(
        &self,
        MutexGuard { mutex, guard }: MutexGuard<'a, T>,
    ) -> LockResult<MutexGuard<'a, T>> {
        let guard = whole(self.0.wait(guard));
        Ok(MutexGuard { mutex, guard })
    }

    /// With [`Time::Flies`], this may also wake spuriously, too early, as conditions
    /// may.
    pub(crate) fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        left: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, ())> {
        if TIME.get() == Time::Stands {
            return Ok((whole(self.wait(guard)), ()));
        }
        let (mutex, until) = (guard.mutex, ELAPSED.get() + left);
        drop(guard);
        if shuttle::rand::thread_rng().gen_bool(0.5) {
            ELAPSED.set(until.max(ELAPSED.get()));
        }
        Ok((whole(mutex.lock()), ()))
    }
}

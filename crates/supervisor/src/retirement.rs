// SPDX-License-Identifier: MPL-2.0
//! Sessions that close in the background. One thread drives them all (one for each copy of
//! this crate in the process): it sleeps until the earliest deadline among them, or until
//! one of them ends, and ends when none is left.
//!
//! Lock order: a run's own lock, then the one here. The thread holds none while it
//! drives a session or reports a wedge.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

#[cfg(not(test))]
use std::sync::LazyLock;

use crate::Fault;
use crate::clock::now;
use crate::state::Shared;
use crate::sync::{Condvar, Mutex, MutexGuard, thread};

/// What to do when a session that retires is abandoned.
pub(crate) type OnWedge = Box<dyn FnOnce(&Fault) + Send>;

/// A session that retires.
struct Retiree {
    session: Arc<dyn Closing>,
    on_wedge: OnWedge,
}

/// The thread's interface to a closing session.
trait Closing: Send + Sync {
    fn drive(&self) -> Step;
    /// The fault that was not reported yet is reported now.
    fn reported(&self);
}

enum Step {
    /// Drive again at this time, or when woken.
    Until(Option<Instant>),
    /// It is over. The fault, if it has not been reported yet.
    Over(Option<Box<Fault>>),
}

impl<I: Send + 'static, O: Send + 'static> Closing for Shared<I, O> {
    fn drive(&self) -> Step {
        match self.look_after() {
            Ok(mut state) => {
                let fault = state.stuck_close.take();
                state.reporting = fault.as_ref().map(|_| std::thread::current().id());
                Step::Over(fault)
            }
            Err(until) => Step::Until(until),
        }
    }

    fn reported(&self) {
        let mut state = self.lock();
        state.reporting = None;
        self.wake_element();
    }
}

#[derive(Default)]
struct Retirement {
    desk: Mutex<Desk>,
    changed: Condvar,
}

#[derive(Default)]
struct Desk {
    arrivals: Vec<Retiree>,
    /// Something has changed since the thread drove its sessions.
    woken: bool,
    /// The thread is running.
    running: bool,
}

#[cfg(not(test))]
static RETIREMENT: LazyLock<Retirement> = LazyLock::new(Retirement::default);
#[cfg(test)]
shuttle::lazy_static! { static ref RETIREMENT: Retirement = Retirement::default(); }

fn desk() -> MutexGuard<'static, Desk> {
    RETIREMENT
        .desk
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

/// Adds a session. If no thread can be started, the session waits until the next one is
/// added; its worker closes it in any case.
pub(crate) fn hold<I, O>(session: Arc<Shared<I, O>>, on_wedge: OnWedge)
where
    I: Send + 'static,
    O: Send + 'static,
{
    let mut desk = desk();
    desk.arrivals.push(Retiree { session, on_wedge });
    if desk.running {
        RETIREMENT.changed.notify_all();
    } else {
        let thread = thread::Builder::new().name("cw-retirement".to_owned());
        desk.running = thread.spawn(work).is_ok();
    }
}

/// Wakes the thread: a session may have another deadline, or be over.
pub(crate) fn wake() {
    desk().woken = true;
    RETIREMENT.changed.notify_all();
}

fn wait(desk: MutexGuard<'static, Desk>, until: Option<Instant>) -> MutexGuard<'static, Desk> {
    let changed = &RETIREMENT.changed;
    match until {
        None => changed.wait(desk).unwrap_or_else(PoisonError::into_inner),
        Some(at) => {
            changed
                .wait_timeout(desk, at.saturating_duration_since(now()))
                .unwrap_or_else(PoisonError::into_inner)
                .0
        }
    }
}

fn work() {
    let mut held: Vec<Retiree> = Vec::new();
    loop {
        let mut until: Option<Instant> = None;
        let mut left = Vec::new();
        for retiree in held {
            match retiree.session.drive() {
                Step::Over(fault) => retiree.end(fault.as_deref()),
                Step::Until(at) => {
                    until = until.into_iter().chain(at).min();
                    left.push(retiree);
                }
            }
        }
        held = left;
        let mut desk = desk();
        if held.is_empty() && desk.arrivals.is_empty() {
            desk.running = false;
            return;
        }
        while !desk.woken && desk.arrivals.is_empty() && until.is_none_or(|at| now() < at) {
            desk = wait(desk, until);
        }
        desk.woken = false;
        held.append(&mut desk.arrivals);
    }
}

impl Retiree {
    /// Reports a wedge, if there was one. The callback is foreign code, whose panic
    /// must not end the thread.
    fn end(self, fault: Option<&Fault>) {
        let on_wedge = self.on_wedge;
        let _ = catch_unwind(AssertUnwindSafe(|| match fault {
            Some(fault) => on_wedge(fault),
            None => drop(on_wedge),
        }));
        self.session.reported();
    }
}

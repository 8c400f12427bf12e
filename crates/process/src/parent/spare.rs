// SPDX-License-Identifier: MPL-2.0
//! A child that is started ahead, so that a restart does not wait for its start.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;

use rustix::process::{Uid, geteuid};

use crate::launch::{Child, Launch};

/// The spare child of an element. It has no session yet: it waits for the message that
/// opens one. Nobody holds its lock while a child starts or ends.
#[derive(Debug, Default)]
pub struct Spare(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// How often the element has stopped: what was asked for before is not wanted any
    /// more.
    life: u64,
    child: Option<Ahead>,
    /// A thread starts one.
    starting: bool,
}

/// A child that was started ahead.
#[derive(Debug)]
struct Ahead {
    launch: Launch,
    /// Whom this process ran as.
    user: Uid,
    child: Child,
}

impl Ahead {
    fn start(launch: Launch) -> Option<Self> {
        let user = geteuid();
        let child = launch.start().ok()?;
        Some(Self {
            launch,
            user,
            child,
        })
    }

    /// The child, if it is as one that is started now would be, and lives. One of another
    /// user could not be killed.
    fn fitting(self, launch: &Launch) -> Option<Child> {
        let fits = self.launch == *launch && self.user == geteuid();
        // Otherwise it is killed here, or ends because nobody has its socket.
        (fits && self.child.process.try_wait().is_none()).then_some(self.child)
    }
}

/// The spare child of an element, for the sessions up to its next stop.
#[derive(Debug, Clone)]
pub struct SpareUse {
    spare: Arc<Spare>,
    life: u64,
    /// Whether one is wanted.
    wanted: bool,
}

impl Spare {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For a session that begins now. `wanted`: one is started when that is open.
    pub fn for_session(self: &Arc<Self>, wanted: bool) -> SpareUse {
        SpareUse {
            life: self.lock().life,
            spare: self.clone(),
            wanted,
        }
    }

    /// The element stops: the spare child is killed, and none is started until the next
    /// session. Does not block.
    pub fn drop_child(&self) {
        let child = {
            let mut state = self.lock();
            state.life += 1;
            state.child.take()
        };
        drop(child);
    }

    /// The id of its process.
    pub fn process(&self) -> Option<u32> {
        let state = self.lock();
        state.child.as_ref().map(|it| it.child.process.id())
    }
}

impl SpareUse {
    /// The spare child, if it fits.
    pub(super) fn take(&self, launch: &Launch) -> Option<Child> {
        let ahead = self.spare.lock().child.take();
        ahead?.fitting(launch)
    }

    /// Starts one on a thread of its own, if it is wanted and there is none.
    pub(super) fn prepare(self, launch: Launch) {
        {
            let mut state = self.spare.lock();
            let is_there = state.starting || state.child.is_some();
            if !self.wanted || is_there || state.life != self.life {
                return;
            }
            state.starting = true;
        }
        let spare = self.spare.clone();
        let thread = Builder::new().name("cw-spare".to_owned());
        let begun = thread.spawn(move || {
            // Without one, the next session starts its own.
            let ahead = Ahead::start(launch);
            let mut state = self.spare.lock();
            state.starting = false;
            let unwanted = match ahead {
                Some(ahead) if state.life == self.life && state.child.is_none() => {
                    state.child = Some(ahead);
                    None
                }
                unwanted => unwanted,
            };
            drop(state);
            drop(unwanted);
        });
        if begun.is_err() {
            spare.lock().starting = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::Limits;

    fn ahead() -> (Launch, Ahead) {
        let launch = Launch {
            program: "/bin/sleep".into(),
            arguments: vec!["60".into()],
            name: "sleep".to_owned(),
            variables: Vec::new(),
            limits: Limits::default(),
        };
        let ahead = Ahead::start(launch.clone()).unwrap();
        (launch, ahead)
    }

    #[test]
    fn a_child_that_was_started_otherwise_is_not_taken() {
        let (launch, fits) = ahead();
        assert!(fits.fitting(&launch).is_some());
        let (launch, another) = ahead();
        let other = Launch {
            name: "other".to_owned(),
            ..launch
        };
        assert!(another.fitting(&other).is_none());
    }

    #[test]
    fn a_child_that_was_started_as_another_user_is_not_taken() {
        let (launch, ahead) = ahead();
        let ahead = Ahead {
            user: Uid::from_raw(ahead.user.as_raw() ^ 1),
            ..ahead
        };
        assert!(ahead.fitting(&launch).is_none());
    }
}

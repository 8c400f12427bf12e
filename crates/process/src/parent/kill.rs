// SPDX-License-Identifier: MPL-2.0
//! The kill of a child whose session was given up. It has a thread of its own: the look
//! before it takes time, the child's death may, and whoever gives a session up waits for
//! neither.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::Builder;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{Shutdown, shutdown};

use crate::launch::Killer;

/// How long a killed process may take to end. One that gives much memory back takes tenths
/// of a second.
const DEATH: Duration = Duration::from_secs(2);

/// A child that was to be killed and has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survivor {
    /// The process.
    pub process: u32,
    /// Why it could not be killed. `None`: it was.
    pub refused: Option<String>,
}

/// For the user.
impl fmt::Display for Survivor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let process = self.process;
        match &self.refused {
            None => write!(
                f,
                "process {process} was killed and has not ended within {} s: a driver may hold \
                 it in the kernel; what it has is not given back before",
                DEATH.as_secs()
            ),
            Some(why) => write!(
                f,
                "process {process} cannot be killed ({why}): this application runs as another \
                 user than when it started it; its socket was closed, and it lives on"
            ),
        }
    }
}

/// Told of children that survive; must not block for long.
#[derive(Clone)]
pub struct OnSurvivor(Arc<dyn Fn(&Survivor) + Send + Sync>);

impl OnSurvivor {
    /// Calls this, on a thread of its own.
    pub fn new(call: impl Fn(&Survivor) + Send + Sync + 'static) -> Self {
        Self(Arc::new(call))
    }
}

impl fmt::Debug for OnSurvivor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnSurvivor")
    }
}

/// A process that is to be killed.
pub(super) trait Victim: Send + Sync + 'static {
    fn process(&self) -> u32;
    fn kill(&self) -> Result<(), Errno>;
    /// Closes its socket: a child that works ends then.
    fn hang_up(&self);
    fn has_ended_within(&self, limit: Duration) -> bool;
    /// It is counted from now on, until it has ended.
    fn count(&self);
}

/// A child, and the parent's end of its socket.
#[derive(Clone)]
pub(super) struct ChildAtEnd {
    pub(super) killer: Killer,
    pub(super) socket: Arc<OwnedFd>,
}

impl Victim for ChildAtEnd {
    fn process(&self) -> u32 {
        self.killer.id()
    }

    fn kill(&self) -> Result<(), Errno> {
        self.killer.try_kill()
    }

    fn hang_up(&self) {
        let _ = shutdown(&self.socket, Shutdown::Both);
    }

    fn has_ended_within(&self, limit: Duration) -> bool {
        self.killer.has_ended_within(limit)
    }

    fn count(&self) {
        self.killer.count_as_unreaped();
    }
}

/// A kill that is due.
pub(super) struct Kill<V> {
    pub(super) victim: V,
    /// Before it; returns in time.
    pub(super) look: Box<dyn Fn() + Send + Sync>,
    pub(super) survived: Option<OnSurvivor>,
}

impl<V: Victim> Kill<V> {
    /// Does not block.
    pub(super) fn begin(self) {
        let this = Arc::new(self);
        let theirs = this.clone();
        let thread = Builder::new().name("cw-kill".to_owned());
        let begun = thread.spawn(move || {
            (theirs.look)();
            theirs.end();
        });
        if begun.is_err() {
            // Nobody looks, and nobody waits.
            let _ = kill_or_hang_up(&this.victim);
        }
    }

    fn end(&self) {
        let killed = kill_or_hang_up(&self.victim);
        if self.victim.has_ended_within(DEATH) {
            return;
        }
        self.victim.count();
        if let Some(OnSurvivor(call)) = &self.survived {
            call(&Survivor {
                process: self.victim.process(),
                refused: killed.err().map(|errno| errno.to_string()),
            });
        }
    }
}

/// Kills a child. One that this process may not kill, because it has changed its user, at
/// least hears no more.
pub(super) fn kill_or_hang_up(victim: &impl Victim) -> Result<(), Errno> {
    victim.kill().inspect_err(|_| victim.hang_up())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender, channel};

    const LONG: Duration = Duration::from_secs(20);

    struct Fake {
        answer: Result<(), Errno>,
        ends: bool,
        did: Mutex<Sender<&'static str>>,
    }

    impl Fake {
        fn did(&self, what: &'static str) {
            let _ = self.did.lock().unwrap().send(what);
        }
    }

    impl Victim for Fake {
        fn process(&self) -> u32 {
            77
        }

        fn kill(&self) -> Result<(), Errno> {
            self.did("killed");
            self.answer
        }

        fn hang_up(&self) {
            self.did("hung up");
        }

        fn has_ended_within(&self, _limit: Duration) -> bool {
            self.ends
        }

        fn count(&self) {
            self.did("counted");
        }
    }

    /// What is done, and what is told.
    fn kill(
        answer: Result<(), Errno>,
        ends: bool,
        look: impl Fn() + Send + Sync + 'static,
    ) -> (Receiver<&'static str>, Receiver<String>) {
        let (did, done) = channel();
        let (tell, told) = channel();
        let tell = Mutex::new(tell);
        let did = Mutex::new(did);
        let survived = move |survivor: &Survivor| {
            let _ = tell.lock().unwrap().send(survivor.to_string());
        };
        Kill {
            victim: Fake { answer, ends, did },
            look: Box::new(look),
            survived: Some(OnSurvivor::new(survived)),
        }
        .begin();
        (done, told)
    }

    #[test]
    fn whoever_kills_waits_for_no_look_and_the_kill_comes_after_it() {
        let (go_on, wait) = channel::<()>();
        let wait = Mutex::new(wait);
        let (done, told) = kill(Ok(()), true, move || {
            let _ = wait.lock().unwrap().recv();
        });
        assert!(done.try_recv().is_err(), "it looks still");
        drop(go_on);
        assert_eq!(done.iter().collect::<Vec<_>>(), ["killed"]);
        assert_eq!(told.iter().count(), 0);
    }

    #[test]
    fn a_child_that_survives_its_kill_is_told_of_and_counted() {
        let (done, told) = kill(Ok(()), false, || {});
        let told = told.recv_timeout(LONG).unwrap();
        assert!(
            told.starts_with("process 77 was killed and has not"),
            "{told}"
        );
        assert_eq!(done.iter().collect::<Vec<_>>(), ["killed", "counted"]);
    }

    #[test]
    fn a_child_that_cannot_be_killed_hears_no_more_and_is_told_of_if_it_lives_on() {
        let (done, told) = kill(Err(Errno::PERM), false, || {});
        let told = told.recv_timeout(LONG).unwrap();
        assert!(
            told.contains("77 cannot be killed (Operation not permitted"),
            "{told}"
        );
        let done: Vec<_> = done.iter().collect();
        assert_eq!(done, ["killed", "hung up", "counted"]);

        let (done, told) = kill(Err(Errno::PERM), true, || {});
        assert_eq!(done.iter().collect::<Vec<_>>(), ["killed", "hung up"]);
        assert_eq!(told.iter().count(), 0, "it ended when it heard no more");
    }
}

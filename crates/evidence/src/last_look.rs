// SPDX-License-Identifier: MPL-2.0
//! A look at the process of a codec before it is killed: afterwards there is nothing to
//! see.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::threads;

/// Set in the environment of a process whose stacks are wanted: it should let other
/// processes of its user look at it.
pub const SHOWS_STACKS: &str = "CODECWATCH_SHOWS_STACKS";

/// How long a kill waits for the look at the threads. It takes a few milliseconds.
const LOOK: Duration = Duration::from_millis(300);
/// How long it waits for the stacks, too, if they are asked for.
const DUMP: Duration = Duration::from_secs(2);
/// The most bytes of stacks.
const MOST_STACKS: u64 = 64 << 20;

/// Shared by whoever kills the process and whoever writes the evidence.
#[derive(Debug)]
pub struct LastLook {
    /// Writes the stacks of a process to its output: `PROGRAM dump PROCESS`.
    dumper: Option<PathBuf>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    looked: Looked,
    dumper: Option<Child>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Before,
    Looking,
    Done,
}

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Looked {
    /// The threads, as [`threads::describe`] describes them.
    pub threads: String,
    /// A minidump, or why there is none. `None` if it was not asked for.
    pub stacks: Option<Result<Vec<u8>, String>>,
}

impl LastLook {
    /// `dumper`: the program `codecwatch-worker`, if stacks are wanted.
    pub fn new(dumper: Option<PathBuf>) -> Self {
        Self {
            dumper,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Whether stacks are wanted.
    pub fn dumps(&self) -> bool {
        self.dumper.is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the process, which the caller then kills. Waits for 0.3 s at most, for
    /// 2 s if stacks are wanted. `lives`: whether the process still exists, and its id is
    /// therefore no other's. What was seen of one that has ended meanwhile is dropped.
    pub fn take(self: &Arc<Self>, process: u32, lives: impl Fn() -> bool + Send + 'static) {
        self.state().phase = Phase::Looking;
        let look = Arc::clone(self);
        // A process that hangs in the kernel can hang whoever looks at it.
        let thread = thread::Builder::new().name("cw-last-look".to_owned());
        let started = thread.spawn(move || look.look(process, &lives));
        let limit = match (&started, &self.dumper) {
            (Err(_), _) => Duration::ZERO,
            (Ok(_), None) => LOOK,
            (Ok(_), Some(_)) => DUMP,
        };
        let waited = self
            .changed
            .wait_timeout_while(self.state(), limit, |state| state.phase == Phase::Looking);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        if state.phase == Phase::Looking {
            if self.dumper.is_some() && state.looked.stacks.is_none() {
                let late = format!("they were not written within {} s", limit.as_secs());
                state.looked.stacks = Some(Err(late));
            }
            if let Some(dumper) = &mut state.dumper {
                let _ = dumper.kill();
            }
            state.phase = Phase::Done;
            self.changed.notify_all();
        }
    }

    /// What was seen; waits for that, for `limit` at most. `None` if nobody has looked.
    pub fn wait(&self, limit: Duration) -> Option<Looked> {
        let waited = self
            .changed
            .wait_timeout_while(self.state(), limit, |state| state.phase != Phase::Done);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        (state.phase == Phase::Done).then(|| std::mem::take(&mut state.looked))
    }

    fn look(&self, process: u32, lives: &dyn Fn() -> bool) {
        let gone = || format!("process {process} ended before it could be looked at");
        let threads = threads::describe(Some(process), None);
        self.state().looked.threads = if lives() { threads } else { gone() + "\n" };
        let stacks = self.dumper.as_ref().map(|program| {
            let stacks = self.dump(program, process);
            if lives() { stacks } else { Err(gone()) }
        });
        let mut state = self.state();
        if state.phase == Phase::Looking {
            state.looked.stacks = stacks;
            state.phase = Phase::Done;
        }
        self.changed.notify_all();
    }

    fn dump(&self, program: &PathBuf, process: u32) -> Result<Vec<u8>, String> {
        let mut command = Command::new(program);
        command
            .args(["dump", &process.to_string()])
            // A library that makes the codec misbehave is none of its business.
            .env_remove("LD_PRELOAD")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        {
            let mut state = self.state();
            if state.phase != Phase::Looking {
                let _ = child.kill();
            }
            state.dumper = Some(child);
        }
        let mut stacks = Vec::new();
        let read = output.map(|output| output.take(MOST_STACKS).read_to_end(&mut stacks));
        let mut said = String::new();
        let _ = errors.map(|errors| errors.take(1000).read_to_string(&mut said));
        let child = self.state().dumper.take();
        // Both its outputs are closed: it has ended, or is about to.
        let status = child.map(|mut child| {
            let _ = child.kill();
            child.wait()
        });
        match (read, stacks.is_empty()) {
            (Some(Ok(_)), false) => Ok(stacks),
            (Some(Err(error)), _) => Err(error.to_string()),
            _ => Err(format!("{} ({status:?})", said.trim_end())),
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Instant;

    fn sleeper() -> Child {
        Command::new("sleep").arg("60").spawn().unwrap()
    }

    fn program(folder: &std::path::Path, script: &str) -> PathBuf {
        let path = folder.join("dumper");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        path
    }

    fn looked(dumper: Option<PathBuf>) -> Option<Looked> {
        let mut process = sleeper();
        let look = Arc::new(LastLook::new(dumper));
        look.take(process.id(), || true);
        process.kill().unwrap();
        process.wait().unwrap();
        look.wait(Duration::ZERO)
    }

    #[test]
    fn what_was_seen_outlives_the_process() {
        let looked = looked(None).unwrap();
        assert!(looked.threads.contains("\"sleep\""), "{}", looked.threads);
        assert_eq!(looked.stacks, None);
        let never = LastLook::new(None);
        assert_eq!(never.wait(Duration::from_millis(10)), None);
    }

    #[test]
    fn stacks_come_from_the_program_with_what_it_says_if_it_fails() {
        let folder = tempfile::tempdir().unwrap();
        let good = program(folder.path(), "echo $1 a dump");
        assert_eq!(
            looked(Some(good)).unwrap().stacks,
            Some(Ok(b"dump a dump\n".to_vec()))
        );
        let bad = program(folder.path(), "echo may not >&2; exit 1");
        let stacks = looked(Some(bad)).unwrap().stacks.unwrap();
        assert!(stacks.unwrap_err().starts_with("may not"));
    }

    #[test]
    fn what_may_have_been_another_process_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let dumper = program(folder.path(), "echo a dump");
        let mut other = sleeper();
        let look = Arc::new(LastLook::new(Some(dumper)));
        look.take(other.id(), || false);
        other.kill().unwrap();
        other.wait().unwrap();
        let looked = look.wait(Duration::ZERO).unwrap();
        assert!(
            looked.threads.contains("ended before"),
            "{}",
            looked.threads
        );
        assert!(!looked.threads.contains("sleep"), "{}", looked.threads);
        assert!(looked.stacks.unwrap().unwrap_err().contains("ended before"));
    }

    #[test]
    fn a_program_that_hangs_delays_the_kill_by_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let hangs = program(folder.path(), "exec sleep 60");
        let begin = Instant::now();
        let looked = looked(Some(hangs)).unwrap();
        assert!(begin.elapsed() < Duration::from_secs(30));
        assert!(looked.threads.contains("\"sleep\""));
        assert!(looked.stacks.unwrap().unwrap_err().contains("within 2 s"));
    }
}

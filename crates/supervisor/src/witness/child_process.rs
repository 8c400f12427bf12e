// SPDX-License-Identifier: MPL-2.0
//! A child process that works for a session.

use super::Witness;
use crate::Sample;
use crate::procfs::Tasks;

/// The threads of a child process, [so many](crate::MOST_THREADS) at most. Must be replaced before the child is waited for: the
/// kernel then reuses its id.
#[derive(Debug)]
pub struct ChildProcess {
    id: u32,
    tasks: Tasks,
}

impl ChildProcess {
    /// The process with this id ([`std::process::Child::id`]).
    pub fn new(id: u32) -> Self {
        Self {
            id,
            tasks: Tasks::of_process(id),
        }
    }
}

impl Witness for ChildProcess {
    fn sample(&self) -> Sample {
        self.tasks.sample_all()
    }

    fn process(&self) -> Option<u32> {
        Some(self.id)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::{Activity, Evidence, Source};
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    #[allow(
        clippy::disallowed_methods,
        reason = "a real process, watched for a while"
    )]
    fn activity(witness: &ChildProcess) -> Activity {
        let before = witness.sample();
        std::thread::sleep(Duration::from_millis(300));
        Evidence::between(&before, &witness.sample(), Duration::from_millis(300)).activity
    }

    fn child(script: &str) -> std::io::Result<Child> {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).stdin(Stdio::piped());
        shell.spawn()
    }

    #[test]
    fn a_child_that_burns_is_seen_working_and_one_that_waits_is_not() {
        let mut burns = child("while :; do :; done").unwrap();
        let mut waits = child("read line").unwrap();
        assert!(activity(&ChildProcess::new(burns.id())).excuses());
        assert_eq!(activity(&ChildProcess::new(waits.id())), Activity::Asleep);
        burns.kill().unwrap();
        waits.kill().unwrap();
        let gone = burns.id();
        burns.wait().unwrap();
        waits.wait().unwrap();
        let sample = ChildProcess::new(gone).sample();
        assert_eq!(
            (sample.source, sample.threads.len()),
            (Source::Unavailable, 0)
        );
    }
}

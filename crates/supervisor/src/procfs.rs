// SPDX-License-Identifier: MPL-2.0
//! Which threads belong to a session, and what they have done so far (Linux).

use std::fs;
use std::time::Duration;

use crate::evidence::{Sample, Source, ThreadTimes};

/// `USER_HZ`, the unit of times in `/proc/*/stat`: 100 on every Linux
/// architecture that GStreamer runs on (`man 5 proc`).
const TICKS_PER_SECOND: u64 = 100;

/// The threads of one session: its lanes and what the library started for it.
#[derive(Debug, Clone)]
pub(crate) struct ThreadSet {
    /// The worker's name. Threads that the library starts without naming them inherit it.
    worker: String,
    /// Prefixes of the names that the library gives.
    prefixes: &'static [&'static str],
    /// Threads that were there before the open: whatever their name, not ours.
    before: Vec<u32>,
    /// Threads that were there when the open returned; empty until then.
    after: Vec<u32>,
}

impl ThreadSet {
    /// To be called by the worker just before the native open.
    pub(crate) fn before_open(worker: &str, prefixes: &'static [&'static str]) -> Self {
        Self {
            worker: comm_of(worker),
            prefixes,
            before: thread_ids(),
            after: Vec::new(),
        }
    }

    /// To be called by the worker when the native open has returned.
    pub(crate) fn opened(&mut self) {
        self.after = thread_ids();
    }

    /// What the session's threads have done so far. Reads `/proc` and so takes
    /// some microseconds per thread; not to be called under a lock.
    pub(crate) fn sample(&self) -> Sample {
        let mut source = Source::Unavailable;
        let mut threads = Vec::new();
        for tid in thread_ids() {
            let Ok(comm) = fs::read_to_string(format!("/proc/self/task/{tid}/comm")) else {
                continue;
            };
            if !self.owns(tid, comm.trim_end()) {
                continue;
            }
            if let Some((times, from)) = read_times(tid) {
                threads.push(times);
                source = from;
            }
        }
        Sample { source, threads }
    }

    fn owns(&self, tid: u32, comm: &str) -> bool {
        // The worker's name is unique in the process and may be followed by the lane's.
        let inherited = comm
            .strip_prefix(&self.worker)
            .is_some_and(|rest| !rest.starts_with(char::is_numeric));
        let named = || {
            self.prefixes.iter().any(|prefix| comm.starts_with(prefix))
                && !self.before.contains(&tid)
                && (self.after.is_empty() || self.after.contains(&tid))
        };
        inherited || named()
    }
}

/// A thread's name as the kernel keeps it: 15 bytes.
fn comm_of(name: &str) -> String {
    name.chars().take(15).collect()
}

fn thread_ids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc/self/task") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

fn read_times(tid: u32) -> Option<(ThreadTimes, Source)> {
    let stat = fs::read_to_string(format!("/proc/self/task/{tid}/stat")).ok()?;
    let (runnable, ticks) = parse_stat(&stat)?;
    let schedstat = fs::read_to_string(format!("/proc/self/task/{tid}/schedstat")).ok();
    let (cpu, run_delay, source) = match schedstat.as_deref().and_then(parse_schedstat) {
        Some((cpu, run_delay)) => (cpu, run_delay, Source::Schedstat),
        None => (
            Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND),
            Duration::ZERO,
            Source::Stat,
        ),
    };
    Some((
        ThreadTimes {
            tid,
            cpu,
            run_delay,
            runnable,
        },
        source,
    ))
}

/// State and CPU ticks. The name, in parentheses, may hold anything.
fn parse_stat(stat: &str) -> Option<(bool, u64)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let runnable = fields.next()? == "R";
    let user: u64 = fields.nth(10)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((runnable, user + system))
}

/// Nanoseconds on a processor and nanoseconds waiting for one.
fn parse_schedstat(schedstat: &str) -> Option<(Duration, Duration)> {
    let mut fields = schedstat.split_ascii_whitespace();
    let cpu = fields.next()?.parse().ok()?;
    let run_delay = fields.next()?.parse().ok()?;
    Some((Duration::from_nanos(cpu), Duration::from_nanos(run_delay)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_behind_a_name_with_parentheses() {
        let line = "7 (a) R) R 1 7 7 0 -1 64 0 0 0 0 250 50 0 0 20 0 9 0 1 2 3";
        assert_eq!(parse_stat(line), Some((true, 300)));
        assert_eq!(parse_stat("7 (x) S 1"), None);
    }

    #[test]
    fn schedstat_is_cpu_time_then_run_delay() {
        assert_eq!(
            parse_schedstat("2600 70 3\n"),
            Some((Duration::from_nanos(2600), Duration::from_nanos(70)))
        );
        assert_eq!(parse_schedstat("x"), None);
    }

    #[test]
    fn a_session_owns_its_lanes_and_new_threads_with_the_librarys_name() {
        let set = ThreadSet {
            worker: "SVT-AV1#1".into(),
            prefixes: &["dav1d-worker"],
            before: vec![10],
            after: vec![10, 11],
        };
        assert!(set.owns(1, "SVT-AV1#1"));
        assert!(set.owns(1, "SVT-AV1#1:recv"));
        assert!(!set.owns(1, "SVT-AV1#12"), "another session's worker");
        assert!(set.owns(11, "dav1d-worker"));
        assert!(!set.owns(10, "dav1d-worker"), "was there before the open");
        assert!(!set.owns(12, "dav1d-worker"), "came after the open");
        assert!(!set.owns(11, "queue0:src"));
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
            let set = ThreadSet::before_open(name, &[]);
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

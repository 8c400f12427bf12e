// SPDX-License-Identifier: MPL-2.0
//! Threads by `/proc` (Linux): their ids, names, and times so far.
//!
//! Reading takes some microseconds per thread and, meanwhile, one file descriptor: must
//! not be done under a lock.

use std::time::Duration;
use std::{fs, io};

use crate::evidence::{Sample, Source, ThreadTimes};

/// `USER_HZ`, the unit of times in `/proc/*/stat`: 100 on every Linux
/// architecture that GStreamer runs on (`man 5 proc`).
const TICKS_PER_SECOND: u64 = 100;

/// The errors for no free descriptor in the process or in the system: `EMFILE` and
/// `ENFILE`, the same on every Linux architecture.
const NO_DESCRIPTOR: [i32; 2] = [24, 23];

/// The most threads of another process that are looked at, which takes some
/// milliseconds: whoever watches a session may be held up by no child.
pub const MOST_THREADS: usize = 1024;

/// The threads of a process.
#[derive(Debug)]
pub(crate) struct Tasks {
    folder: String,
    most: usize,
}

impl Tasks {
    pub(crate) fn of_this_process() -> Self {
        Self {
            folder: "/proc/self/task".to_owned(),
            most: usize::MAX,
        }
    }

    pub(crate) fn of_process(id: u32) -> Self {
        Self {
            folder: format!("/proc/{id}/task"),
            most: MOST_THREADS,
        }
    }

    /// # Errors
    /// If there is no `/proc`, no such process, or no descriptor.
    pub(crate) fn ids(&self) -> io::Result<Vec<u32>> {
        fs::read_dir(&self.folder)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .filter_map(|name| match name {
                Ok(name) => name.to_str()?.parse().ok().map(Ok),
                Err(error) => Some(Err(error)),
            })
            .take(self.most)
            .collect()
    }

    /// The times so far of the threads for which `owns` returns true.
    pub(crate) fn sample(&self, owns: impl Fn(u32, &str) -> bool) -> Sample {
        let mut look = Look::default();
        for id in look.read(self.ids()).unwrap_or_default() {
            let name = look.read(fs::read_to_string(format!("{}/{id}/comm", self.folder)));
            if name.is_some_and(|name| owns(id, name.trim_end())) {
                self.see(&mut look, id);
            }
        }
        look.sample()
    }

    /// The times so far of all threads.
    pub(crate) fn sample_all(&self) -> Sample {
        let mut look = Look::default();
        for id in look.read(self.ids()).unwrap_or_default() {
            self.see(&mut look, id);
        }
        look.sample()
    }

    /// The times so far of these threads, without those that have ended.
    pub(crate) fn sample_of(&self, ids: &[u32]) -> Sample {
        let mut look = Look::default();
        for &id in ids {
            self.see(&mut look, id);
        }
        look.sample()
    }

    fn see(&self, look: &mut Look, id: u32) {
        let read = |look: &mut Look, file: &str| {
            look.read(fs::read_to_string(format!("{}/{id}/{file}", self.folder)))
        };
        let Some((runnable, ticks)) = read(look, "stat").as_deref().and_then(parse_stat) else {
            return;
        };
        let schedstat = read(look, "schedstat");
        let (cpu, run_delay, source) = match schedstat.as_deref().and_then(parse_schedstat) {
            Some((cpu, run_delay)) => (cpu, run_delay, Source::Schedstat),
            None => (
                Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND),
                Duration::ZERO,
                Source::Stat,
            ),
        };
        look.source = source;
        look.threads.push(ThreadTimes {
            tid: id,
            cpu,
            run_delay,
            runnable,
        });
    }
}

/// A sample that is being taken.
struct Look {
    source: Source,
    threads: Vec<ThreadTimes>,
    /// Something could not be read for lack of a descriptor.
    no_descriptor: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            source: Source::Unavailable,
            threads: Vec::new(),
            no_descriptor: false,
        }
    }
}

impl Look {
    /// A thread or a process may end during the sample: that is no error.
    fn read<T>(&mut self, result: io::Result<T>) -> Option<T> {
        let code = result.as_ref().err().and_then(io::Error::raw_os_error);
        self.no_descriptor |= code.is_some_and(|code| NO_DESCRIPTOR.contains(&code));
        result.ok()
    }

    fn sample(self) -> Sample {
        Sample {
            source: match self.no_descriptor {
                true => Source::Unreadable,
                false => self.source,
            },
            threads: self.threads,
        }
    }
}

/// State and CPU ticks. The name, in parentheses, may contain any character.
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
    #[cfg(target_os = "linux")]
    fn of_a_process_with_very_many_threads_some_are_looked_at() {
        let tasks = Tasks {
            most: 3,
            ..Tasks::of_this_process()
        };
        let (end, ends) = std::sync::mpsc::channel::<()>();
        let ends = std::sync::Arc::new(std::sync::Mutex::new(ends));
        for _ in 0..5 {
            let ends = ends.clone();
            std::thread::spawn(move || ends.lock().map(|ends| ends.recv()).is_ok());
        }
        assert_eq!(tasks.sample_all().threads.len(), 3);
        drop(end);
    }

    #[test]
    fn schedstat_is_cpu_time_then_run_delay() {
        assert_eq!(
            parse_schedstat("2600 70 3\n"),
            Some((Duration::from_nanos(2600), Duration::from_nanos(70)))
        );
        assert_eq!(parse_schedstat("x"), None);
    }
}

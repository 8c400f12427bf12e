// SPDX-License-Identifier: MPL-2.0
//! Evidence of work: what the codec's threads did between two samples.

use std::time::Duration;

/// The part of an observation for which a session's threads, taken together, must have
/// run or waited for a processor to count as working: half. A codec that owes progress
/// and works has a thread that is runnable all the time; one whose output is stuck may
/// still spend some time on its input.
const WORKING_SHARE: u32 = 2;

/// Cumulative times of one thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadTimes {
    /// Kernel thread id.
    pub tid: u32,
    /// Time on a processor.
    pub cpu: Duration,
    /// Time spent runnable but waiting for a processor.
    pub run_delay: Duration,
    /// Whether it is on a processor or waiting for one right now. The run delay
    /// of a thread that has not run at all shows only afterwards; this shows it
    /// at once.
    pub runnable: bool,
}

/// Where a sample came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Linux scheduler statistics: nanoseconds of CPU time and of run delay.
    Schedstat,
    /// Clock ticks of CPU time only (a kernel without scheduler statistics).
    Stat,
    /// None on this system: a budget is final when it runs out.
    Unavailable,
    /// There is one, but it cannot be read now, for lack of a file descriptor.
    Unreadable,
}

impl Source {
    /// The word used in `stats`.
    pub fn name(self) -> &'static str {
        match self {
            Source::Schedstat => "schedstat",
            Source::Stat => "stat",
            Source::Unavailable => "none",
            Source::Unreadable => "unreadable",
        }
    }
}

/// One sample of the threads of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Where it came from.
    pub source: Source,
    /// The threads, in no particular order.
    pub threads: Vec<ThreadTimes>,
}

/// The finding from two samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// The threads ran.
    Busy,
    /// They were runnable, but did not get a processor.
    Starved,
    /// They neither ran nor were runnable.
    Asleep,
    /// This system has no source, or there are no threads.
    Unknown,
    /// The source could not be read this time, for lack of a file descriptor. That is
    /// no fault of the codec: it is sampled again, until `slow-limit`.
    Unreadable,
}

impl Activity {
    /// The word used in messages and in `stats`.
    pub fn name(self) -> &'static str {
        match self {
            Activity::Busy => "busy",
            Activity::Starved => "starved",
            Activity::Asleep => "asleep",
            Activity::Unknown => "unknown",
            Activity::Unreadable => "unreadable",
        }
    }

    /// Whether it is a reason to wait longer.
    pub fn excuses(self) -> bool {
        match self {
            Activity::Busy | Activity::Starved | Activity::Unreadable => true,
            Activity::Asleep | Activity::Unknown => false,
        }
    }
}

/// The comparison of two samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// The finding.
    pub activity: Activity,
    /// CPU time of the session's threads in between.
    pub cpu: Duration,
    /// Their run delay in between.
    pub run_delay: Duration,
    /// How long they were observed.
    pub observed: Duration,
    /// A thread was runnable at the end. How long it has waited for a processor by then
    /// shows in its times only after it has run.
    pub runnable: bool,
    /// Threads seen.
    pub threads: usize,
    /// Where it came from.
    pub source: Source,
}

impl Evidence {
    /// What the threads did between `before` and `after`, which lie `observed` apart. A
    /// thread that is new in `after` counts from zero. The times of a thread that has
    /// ended are lost, and may have been all the work: a codec that ends its threads is
    /// busy.
    pub fn between(before: &Sample, after: &Sample, observed: Duration) -> Self {
        let mut cpu = Duration::ZERO;
        let mut run_delay = Duration::ZERO;
        let mut throughout = false;
        for thread in &after.threads {
            let earlier = before
                .threads
                .iter()
                .find(|earlier| earlier.tid == thread.tid)
                .copied()
                .unwrap_or(ThreadTimes {
                    cpu: Duration::ZERO,
                    run_delay: Duration::ZERO,
                    runnable: false,
                    ..*thread
                });
            cpu += thread.cpu.saturating_sub(earlier.cpu);
            run_delay += thread.run_delay.saturating_sub(earlier.run_delay);
            // In both samples: the thread may have been runnable throughout, which the
            // figures do not show yet.
            throughout |= earlier.runnable && thread.runnable;
        }
        let is_gone =
            |thread: &ThreadTimes| after.threads.iter().all(|other| other.tid != thread.tid);
        let ended = before.threads.iter().any(is_gone);
        let enough = observed / WORKING_SHARE;
        let unreadable = [before, after]
            .iter()
            .any(|sample| sample.source == Source::Unreadable);
        let activity = if unreadable {
            Activity::Unreadable
        } else if ended {
            // All of them, perhaps: a child process that has just done its work.
            Activity::Busy
        } else if after.source == Source::Unavailable || after.threads.is_empty() {
            Activity::Unknown
        } else if cpu >= enough && !cpu.is_zero() {
            Activity::Busy
        } else if throughout || (cpu + run_delay >= enough && !run_delay.is_zero()) {
            Activity::Starved
        } else {
            Activity::Asleep
        };
        Self {
            activity,
            cpu,
            run_delay,
            observed,
            runnable: after.threads.iter().any(|thread| thread.runnable),
            threads: after.threads.len(),
            source: after.source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(threads: &[(u32, u64, u64, bool)]) -> Sample {
        Sample {
            source: Source::Schedstat,
            threads: threads
                .iter()
                .map(|&(tid, cpu, delay, runnable)| ThreadTimes {
                    tid,
                    cpu: Duration::from_millis(cpu),
                    run_delay: Duration::from_millis(delay),
                    runnable,
                })
                .collect(),
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn threads_that_ran_are_busy() {
        let evidence = Evidence::between(
            &sample(&[(1, 100, 0, false), (2, 5, 0, false)]),
            &sample(&[(1, 500, 0, false), (2, 205, 0, false)]),
            SECOND,
        );
        assert_eq!(evidence.activity, Activity::Busy);
        assert_eq!(evidence.cpu, Duration::from_millis(600));
    }

    #[test]
    fn threads_that_have_ended_were_busy() {
        let before = sample(&[(1, 100, 0, false), (2, 5, 0, false)]);
        for after in [&[(1, 100, 0, false)][..], &[]] {
            let mut after = sample(after);
            if after.threads.is_empty() {
                // As of a process that is gone.
                after.source = Source::Unavailable;
            }
            let evidence = Evidence::between(&before, &after, SECOND);
            assert_eq!(evidence.activity, Activity::Busy, "{after:?}");
            let evidence = Evidence::between(&after, &after, SECOND);
            assert!(!evidence.activity.excuses(), "{after:?}");
        }
    }

    #[test]
    fn threads_that_are_busy_with_what_comes_in_do_not_excuse_what_does_not_come_out() {
        let evidence = Evidence::between(
            &sample(&[(1, 100, 0, false), (2, 5, 0, false)]),
            &sample(&[(1, 300, 20, true), (2, 105, 10, false)]),
            SECOND,
        );
        assert_eq!(evidence.activity, Activity::Asleep);
    }

    #[test]
    fn threads_that_wait_for_a_processor_are_starved() {
        let delayed = Evidence::between(
            &sample(&[(1, 100, 0, false)]),
            &sample(&[(1, 101, 900, false)]),
            SECOND,
        );
        assert_eq!(delayed.activity, Activity::Starved);
        let never_ran = Evidence::between(
            &sample(&[(1, 100, 0, true)]),
            &sample(&[(1, 100, 0, true)]),
            SECOND,
        );
        assert_eq!(never_ran.activity, Activity::Starved);
    }

    #[test]
    fn a_codec_that_ends_its_threads_is_busy_whatever_the_rest_does() {
        let evidence = Evidence::between(
            &sample(&[(1, 100, 0, false), (2, 90_000, 0, true)]),
            &sample(&[(1, 101, 0, false)]),
            SECOND,
        );
        assert_eq!(evidence.activity, Activity::Busy);
    }

    #[test]
    fn blocked_threads_are_asleep_however_much_they_worked_before() {
        let evidence = Evidence::between(
            &sample(&[(1, 90_000, 5_000, false)]),
            &sample(&[(1, 90_001, 5_000, false)]),
            SECOND,
        );
        assert_eq!(evidence.activity, Activity::Asleep);
    }

    #[test]
    fn without_a_look_nothing_is_known() {
        let none = Sample {
            source: Source::Unavailable,
            threads: Vec::new(),
        };
        assert_eq!(
            Evidence::between(&none, &none, SECOND).activity,
            Activity::Unknown
        );
    }

    #[test]
    fn what_could_not_be_read_at_either_look_is_not_held_against_the_codec() {
        let seen = sample(&[(1, 90_000, 5_000, false)]);
        let unreadable = Sample {
            source: Source::Unreadable,
            threads: Vec::new(),
        };
        for (before, after) in [(&seen, &unreadable), (&unreadable, &seen)] {
            let activity = Evidence::between(before, after, SECOND).activity;
            assert_eq!(activity, Activity::Unreadable);
            assert!(activity.excuses());
        }
    }

    proptest! {
        #[test]
        fn a_process_that_stood_still_is_never_excused(
            threads in proptest::collection::vec((1u32..50, 0u64..1_000_000, 0u64..1_000_000), 1..40),
            observed in 1u64..100_000,
        ) {
            let rows: Vec<_> = threads.iter().map(|&(t, c, d)| (t, c, d, false)).collect();
            let mut seen = std::collections::HashSet::new();
            let rows: Vec<_> = rows.into_iter().filter(|row| seen.insert(row.0)).collect();
            let look = sample(&rows);
            let evidence = Evidence::between(&look, &look, Duration::from_millis(observed));
            prop_assert!(!evidence.activity.excuses());
        }
    }
}

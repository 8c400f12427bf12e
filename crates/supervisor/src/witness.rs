// SPDX-License-Identifier: MPL-2.0
//! Witnesses: the sources of evidence of a session's work.

mod adopted_threads;
mod child_process;
mod named_threads;
mod set_aside;

use std::sync::Arc;

pub use self::adopted_threads::AdoptedThreads;
pub use self::child_process::ChildProcess;
pub(crate) use self::named_threads::NamedThreads;
pub use self::set_aside::{SetAside, set_aside};
use crate::{Sample, Source};

/// Reports what a session has done so far. Sampled twice when a budget runs out; the
/// difference of the two samples is the evidence.
///
/// A session has one from the start: its lanes, the threads that the library started
/// for it during its open (see [`Library`](crate::Library)), and those that have
/// inherited a lane's name. It can set another, or several, at any time:
/// [`Lane::set_witness`](crate::Lane::set_witness).
pub trait Witness: Send + Sync {
    /// The cumulative times of every thread that works for the session. Called by the
    /// thread that watches the session, without a lock; must not block.
    fn sample(&self) -> Sample;

    /// The process that works for the session, if that is another than this.
    fn process(&self) -> Option<u32> {
        None
    }
}

/// Several witnesses of one session.
pub(crate) struct Joined(pub(crate) [Arc<dyn Witness>; 2]);

impl Witness for Joined {
    fn process(&self) -> Option<u32> {
        self.0.iter().find_map(|witness| witness.process())
    }

    fn sample(&self) -> Sample {
        let [mut all, more] = self.0.each_ref().map(|witness| witness.sample());
        all.source = match (all.source, more.source) {
            (Source::Unreadable, _) | (_, Source::Unreadable) => Source::Unreadable,
            (Source::Unavailable, source) => source,
            (source, _) => source,
        };
        for thread in more.threads {
            if !all.threads.iter().any(|known| known.tid == thread.tid) {
                all.threads.push(thread);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ThreadTimes;
    use std::time::Duration;

    struct Says(Source, &'static [u32]);

    impl Witness for Says {
        fn sample(&self) -> Sample {
            let threads = self.1.iter().map(|&tid| ThreadTimes {
                tid,
                cpu: Duration::ZERO,
                run_delay: Duration::ZERO,
                runnable: false,
            });
            Sample {
                source: self.0,
                threads: threads.collect(),
            }
        }
    }

    #[test]
    fn two_witnesses_count_a_thread_once_and_what_one_could_not_read_is_not_known() {
        let joined = |first, second| Joined([Arc::new(first), Arc::new(second)]).sample();
        let sample = joined(
            Says(Source::Unavailable, &[]),
            Says(Source::Schedstat, &[1]),
        );
        assert_eq!(
            (sample.source, sample.threads.len()),
            (Source::Schedstat, 1)
        );
        let sample = joined(
            Says(Source::Schedstat, &[1, 2]),
            Says(Source::Schedstat, &[2, 3]),
        );
        assert_eq!(sample.threads.len(), 3);
        let sample = joined(Says(Source::Schedstat, &[1]), Says(Source::Unreadable, &[]));
        assert_eq!(sample.source, Source::Unreadable);
    }
}

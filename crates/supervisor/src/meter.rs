// SPDX-License-Identifier: MPL-2.0
//! Meters: what the sessions of a codec have done in this process, as numbers that never
//! decrease. They belong to the codec and not to a session, so that the end of a session
//! takes nothing away.
//!
//! Cheap enough for every frame: a few atomic additions. Each copy of this crate (each
//! plugin file) has its own meters; whoever reads them adds them up.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::Name;

/// The most names of calls that a codec has histograms of; further ones share one. The
/// names are data: those of hosted elements are not known in advance.
const MOST_CALLS: usize = 48;
/// The most codecs with meters; further ones share one.
const MOST_CODECS: usize = 64;
/// What the further ones are called.
const OTHERS: Name = Name::from_static("others");

/// How often something took how long.
#[derive(Debug, Default)]
pub struct Histogram {
    /// One for each bound, and one for what took longer than the last.
    counts: [AtomicU64; Histogram::BOUNDS.len() + 1],
    /// Nanoseconds.
    sum: AtomicU64,
}

/// The values of a [`Histogram`] at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Distribution {
    /// How many took no longer than each of [`Histogram::BOUNDS`], and longer than the
    /// bound before; last, how many took longer than all.
    pub counts: Vec<u64>,
    /// How long all of them took together.
    pub sum: Duration,
}

impl Histogram {
    /// The upper bounds. From a call that copies a picture to one that is about to be
    /// found wedged (the default of `watchdog-timeout`).
    pub const BOUNDS: [Duration; 17] = [
        Duration::from_micros(100),
        Duration::from_micros(250),
        Duration::from_micros(500),
        Duration::from_millis(1),
        Duration::from_micros(2_500),
        Duration::from_millis(5),
        Duration::from_millis(10),
        Duration::from_millis(25),
        Duration::from_millis(50),
        Duration::from_millis(100),
        Duration::from_millis(250),
        Duration::from_millis(500),
        Duration::from_secs(1),
        Duration::from_millis(2_500),
        Duration::from_secs(5),
        Duration::from_secs(10),
        Duration::from_secs(30),
    ];

    /// Adds one that took this long.
    pub fn observe(&self, took: Duration) {
        let place = Self::BOUNDS.partition_point(|bound| *bound < took);
        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.sum.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// The current values.
    pub fn read(&self) -> Distribution {
        let counts = self.counts.iter();
        Distribution {
            counts: counts.map(|count| count.load(Ordering::Relaxed)).collect(),
            sum: Duration::from_nanos(self.sum.load(Ordering::Relaxed)),
        }
    }
}

/// What the sessions of one codec have done.
#[derive(Debug)]
pub struct Meter {
    codec: Name,
    frames_in: AtomicU64,
    frames_out: AtomicU64,
    /// See [`Meter::limit`].
    limit: AtomicUsize,
    lag: Histogram,
    calls: Mutex<BTreeMap<Name, Arc<Histogram>>>,
}

impl Meter {
    fn new(codec: Name) -> Self {
        Self {
            codec,
            frames_in: AtomicU64::new(0),
            frames_out: AtomicU64::new(0),
            limit: AtomicUsize::new(0),
            lag: Histogram::default(),
            calls: Mutex::default(),
        }
    }

    /// The codec's name.
    pub fn codec(&self) -> &Name {
        &self.codec
    }

    /// Counts a frame that was submitted.
    pub fn note_in(&self) {
        self.frames_in.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a frame whose output goes downstream, `lag` after it was submitted.
    pub fn note_out(&self, lag: Duration) {
        self.frames_out.fetch_add(1, Ordering::Relaxed);
        self.lag.observe(lag);
    }

    /// Frames submitted.
    pub fn frames_in(&self) -> u64 {
        self.frames_in.load(Ordering::Relaxed)
    }

    /// Frames that came out and went downstream.
    pub fn frames_out(&self) -> u64 {
        self.frames_out.load(Ordering::Relaxed)
    }

    /// How long frames were inside an element, from the submission to the output that
    /// settles them.
    pub fn lag(&self) -> Distribution {
        self.lag.read()
    }

    /// How long the native calls that have returned took, by name.
    pub fn calls(&self) -> Vec<(Name, Distribution)> {
        let calls = self.lock().clone();
        let calls = calls.into_iter().map(|(name, times)| (name, times.read()));
        calls.collect()
    }

    /// `max-abandoned` of the last session that was started: at how many outstanding
    /// workers a session is refused. 0 is no limit.
    pub fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    pub(crate) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Name, Arc<Histogram>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The histogram of a call.
    fn histogram(&self, call: &Name) -> Arc<Histogram> {
        let mut calls = self.lock();
        let call = without_number(call);
        if let Some(known) = calls.get(&call) {
            return known.clone();
        }
        let call = if calls.len() < MOST_CALLS {
            call
        } else {
            OTHERS
        };
        calls.entry(call).or_default().clone()
    }
}

/// The name of a call without the number of an element: `x264enc12: chain` is what
/// `x264enc0: chain` was in the session before.
fn without_number(call: &Name) -> Name {
    match call.split_once(": ") {
        Some((element, what)) if element.ends_with(|last: char| last.is_ascii_digit()) => {
            let element = element.trim_end_matches(|c: char| c.is_ascii_digit());
            Name::from(format!("{element}: {what}"))
        }
        _ => call.clone(),
    }
}

static METERS: Mutex<BTreeMap<Name, Arc<Meter>>> = Mutex::new(BTreeMap::new());

/// The meter of a codec, from now on until the process ends.
pub(crate) fn meter(codec: &Name) -> Arc<Meter> {
    let mut meters = METERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = meters.get(codec) {
        return known.clone();
    }
    let codec = if meters.len() < MOST_CODECS {
        codec.clone()
    } else {
        OTHERS
    };
    let new = || Arc::new(Meter::new(codec.clone()));
    meters.entry(codec.clone()).or_insert_with(new).clone()
}

/// The meters of all codecs that this copy of the crate has started a session of.
pub fn meters() -> Vec<Arc<Meter>> {
    let meters = METERS.lock().unwrap_or_else(PoisonError::into_inner);
    meters.values().cloned().collect()
}

/// The histograms that a run has used so far. A run makes few different calls: this is
/// searched without the meter's lock.
#[derive(Debug, Default)]
pub(crate) struct CallTimes(Vec<(Name, Arc<Histogram>)>);

impl CallTimes {
    /// Notes that a call has returned.
    pub(crate) fn observe(&mut self, meter: &Meter, call: &Name, took: Duration) {
        if let Some((_, times)) = self.0.iter().find(|(known, _)| known == call) {
            return times.observe(took);
        }
        let times = meter.histogram(call);
        times.observe(took);
        if self.0.len() < MOST_CALLS {
            self.0.push((call.clone(), times));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_under_the_first_bound_that_it_does_not_exceed() {
        let histogram = Histogram::default();
        for bound in Histogram::BOUNDS {
            histogram.observe(bound);
        }
        histogram.observe(Duration::ZERO);
        histogram.observe(Duration::from_secs(31));
        let mut expected = vec![1; Histogram::BOUNDS.len() + 1];
        expected[0] = 2;
        let read = histogram.read();
        assert_eq!(read.counts, expected);
        let sum: Duration = Histogram::BOUNDS.iter().sum();
        assert_eq!(read.sum, sum + Duration::from_secs(31));
        assert!(Histogram::BOUNDS.is_sorted());
    }

    #[test]
    fn the_calls_of_sessions_one_after_the_other_are_the_same_calls() {
        let meter = Meter::new(Name::from("codec"));
        for session in 0..3 {
            let mut times = CallTimes::default();
            for call in ["encode".to_owned(), format!("x264enc{session}: chain")] {
                let call = Name::from(call);
                times.observe(&meter, &call, Duration::from_millis(2));
                times.observe(&meter, &call, Duration::from_millis(3));
            }
        }
        let calls = meter.calls();
        let names: Vec<_> = calls.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["encode", "x264enc: chain"]);
        for (name, times) in calls {
            assert_eq!(times.counts.iter().sum::<u64>(), 6, "{name}");
            assert_eq!(times.sum, Duration::from_millis(15), "{name}");
        }
    }

    #[test]
    fn names_without_end_share_one_histogram() {
        let meter = Meter::new(Name::from("codec"));
        let mut times = CallTimes::default();
        for call in 0..1000 {
            let call = Name::from(format!("call{call}"));
            times.observe(&meter, &call, Duration::from_millis(1));
        }
        let calls = meter.calls();
        assert_eq!(calls.len(), MOST_CALLS + 1);
        let counted: u64 = calls.iter().flat_map(|(_, times)| &times.counts).sum();
        assert_eq!(counted, 1000);
    }

    #[test]
    fn a_codec_has_one_meter() {
        let name = Name::from("the codec of this test");
        meter(&name).note_in();
        meter(&name).note_out(Duration::from_millis(1));
        meter(&name).set_limit(4);
        let meters = meters();
        let found: Vec<_> = meters
            .iter()
            .filter(|known| *known.codec() == name)
            .collect();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].frames_in(), found[0].frames_out()), (1, 1));
        assert_eq!(found[0].limit(), 4);
        assert_eq!(found[0].lag().counts.iter().sum::<u64>(), 1);
    }
}

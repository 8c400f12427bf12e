// SPDX-License-Identifier: MPL-2.0
//! Common parts of the explorations: how many, and their threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use shuttle::rand::Rng;
use shuttle::scheduler::{PctScheduler, RandomScheduler};

use super::codec::Plan;
use super::model::{self, Time, thread};
use crate::sync::Mutex;
use crate::{Budgets, CloseResult, DrainResult, Flush, Next, Options, Run, WaitResult};

/// More than both queues of a run hold.
pub(crate) const FRAMES: u32 = 7;

/// One exploration, for tests of time rather than of order.
pub(crate) fn once(time: Time, test: impl Fn() + Send + Sync + 'static) {
    shuttle::check_random(
        move || {
            model::begin(time);
            test();
        },
        1,
    );
}

/// Explores schedules, one half at random, the other by few but nasty
/// preemptions.
pub(crate) fn explore(time: Time, test: impl Fn() + Send + Sync + 'static) {
    let explorations = std::env::var("CODECWATCH_EXPLORATIONS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(300);
    let mut config = shuttle::Config::new();
    config.stack_size = 0x40000;
    let test = Arc::new(move || {
        model::begin(time);
        test();
    });
    let again = test.clone();
    shuttle::Runner::new(RandomScheduler::new(explorations / 2), config.clone())
        .run(move || test());
    shuttle::Runner::new(PctScheduler::new(3, explorations / 2), config).run(move || again());
}

pub(crate) fn pick<T: Copy>(choices: &[T]) -> T {
    choices[shuttle::rand::thread_rng().gen_range(0..choices.len())]
}

pub(crate) fn options() -> Options<u32, u32> {
    Options {
        budgets: Budgets {
            watchdog: Duration::from_secs(10),
            drain: Duration::from_secs(10),
            open: Duration::from_secs(10),
            close: Duration::from_secs(5),
            slow_limit: Duration::from_secs(100),
        },
        max_abandoned: 0,
        predecessor: None,
        trace: None,
        listener: None,
    }
}

/// Any healthy codec. One with a receive lane cannot take back what that lane holds,
/// and so cannot be flushed.
pub(crate) fn healthy(library: &'static str) -> Plan {
    let (receive_lane, flush) = pick(&[
        (true, Flush::NeedsNewSession),
        (false, Flush::NeedsNewSession),
        (false, Flush::Done),
    ]);
    Plan {
        delay: pick(&[0, 2, 9]),
        receive_lane,
        flush,
        ..Plan::new(library)
    }
}

/// The output task; collects its outputs in `taken`.
pub(crate) fn sink(run: &Run<u32, u32>, taken: &Arc<Mutex<Vec<u32>>>) -> thread::JoinHandle<()> {
    let (run, taken) = (run.clone(), taken.clone());
    thread::spawn(move || {
        loop {
            match run.next() {
                Next::Output(frame) => taken.lock().unwrap().push(frame),
                Next::Slow(_) | Next::FactsChanged => {}
                Next::Ended | Next::Cancelled => return,
            }
        }
    })
}

/// The streaming thread: submits `frames` and drains.
pub(crate) fn stream(
    run: &Run<u32, u32>,
    frames: std::ops::Range<u32>,
) -> thread::JoinHandle<DrainResult> {
    let run = run.clone();
    thread::spawn(move || {
        for frame in frames {
            loop {
                match run.wait_for_room() {
                    WaitResult::Ready if run.submit(frame).is_ok() => break,
                    WaitResult::Ready => {}
                    WaitResult::Failed => return DrainResult::Failed,
                    WaitResult::Spent | WaitResult::Cancelled => return DrainResult::Cancelled,
                }
            }
        }
        run.wait_drained(run.request_drain(true))
    })
}

/// Closes a run as an element does: a close that takes too long goes on in the
/// background. Returns whether a fault of the close was reported, once it is over.
pub(crate) fn close(run: &Run<u32, u32>) -> (CloseResult, bool) {
    let closed = run.close();
    let told = Arc::new(AtomicUsize::new(0));
    if matches!(closed, CloseResult::Retiring) {
        // All other owners are dropped once no report can follow.
        let telling = told.clone();
        run.retire(move |_| _ = telling.fetch_add(1, Ordering::Relaxed));
        while Arc::strong_count(&told) > 1 {
            thread::yield_now();
        }
        assert!(run.is_abandoned() || run.is_closed());
    }
    let told = told.load(Ordering::Relaxed);
    assert!(told <= 1);
    let told = told > 0 || matches!(closed, CloseResult::Abandoned(Some(_)));
    (closed, told)
}

pub(crate) fn outcome(run: &Run<u32, u32>) -> Option<&'static str> {
    run.outcome().map(|outcome| outcome.name())
}

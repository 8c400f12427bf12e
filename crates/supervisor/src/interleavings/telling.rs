// SPDX-License-Identifier: MPL-2.0
//! Facts and told things, during a stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::codec::{Call, Fault, Plan, Planned};
use super::model::{Time, thread};
use super::stage::{FRAMES, close, explore, healthy, options, outcome, pick, sink, stream};
use crate::{AskResult, CloseResult, DrainResult, Next, Run};

const BOUND: Duration = Duration::from_secs(1000);

/// More than are kept.
const TOLD: u32 = 20;

/// Hangs in its drop if the run's lock is held there.
struct Fact(u32, Run<u32, u32>, Arc<AtomicUsize>);

impl Drop for Fact {
    fn drop(&mut self) {
        let _ = self.1.stats();
        self.2.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn what_is_told_comes_in_order_or_is_counted_and_the_output_is_as_ever() {
    explore(Time::Stands, || {
        let run = Run::start(healthy("tell"), options()).unwrap();
        let task = {
            let run = run.clone();
            thread::spawn(move || {
                let (mut frames, mut told, mut lost) = (Vec::new(), Vec::new(), 0);
                loop {
                    match run.next() {
                        Next::Output(frame) => frames.push(frame),
                        Next::Told { told: one, missed } => {
                            lost += missed;
                            told.push(one);
                            assert_eq!(u64::from(one), told.len() as u64 - 1 + lost);
                        }
                        Next::Slow(_) | Next::FactsChanged => {}
                        Next::Ended | Next::Cancelled => return (frames, told),
                    }
                }
            })
        };
        let teller = {
            let run = run.clone();
            thread::spawn(move || {
                run.ask(BOUND, |_: &mut Planned, lane| {
                    (0..TOLD).for_each(|number| lane.tell(number));
                })
            })
        };
        let stream = stream(&run, 0..FRAMES);
        let told_all = teller.join().unwrap() == AskResult::Answered(());
        assert_eq!(stream.join().unwrap(), DrainResult::Complete);
        let (frames, told) = task.join().unwrap();
        assert_eq!(frames, Vec::from_iter(0..FRAMES));
        assert_eq!(told.last().copied(), told_all.then_some(TOLD - 1));
        assert!(matches!(run.wait_closed(), CloseResult::Closed));
    });
}

#[test]
fn facts_are_read_at_any_moment_never_go_back_and_are_dropped_once_without_a_lock() {
    explore(Time::Flies, || {
        let plan = Plan {
            fault: Some((pick(&[Call::Send, Call::Close]), 0, Fault::Hang)),
            ..healthy("facts")
        };
        let run = Run::start(plan.clone(), options()).unwrap();
        let (taken, drops) = (Arc::default(), Arc::<AtomicUsize>::default());
        let publisher = {
            let (run, drops) = (run.clone(), drops.clone());
            thread::spawn(move || {
                let of = run.clone();
                run.ask(BOUND, move |_: &mut Planned, lane| {
                    for number in 1..4 {
                        lane.publish(Fact(number, of.clone(), drops.clone()));
                    }
                })
            })
        };
        let reader = {
            let run = run.clone();
            thread::spawn(move || {
                let mut latest = 0;
                while !run.is_closed() && !run.is_abandoned() {
                    let number = run.facts::<Fact>().map_or(0, |fact| fact.0);
                    assert!(number >= latest);
                    latest = number;
                    thread::yield_now();
                }
            })
        };
        let (sink, stream) = (sink(&run, &taken), stream(&run, 0..FRAMES));
        stream.join().unwrap();
        let published = publisher.join().unwrap() == AskResult::Answered(());
        let _ = close(&run);
        sink.join().unwrap();
        reader.join().unwrap();
        // It would be a panic to drop a fact under the run's lock.
        assert_ne!(outcome(&run), Some("CodecPanicked"));
        if published {
            assert_eq!(run.facts::<Fact>().map(|fact| fact.0), Some(3));
            assert_eq!(drops.load(Ordering::Relaxed), 2);
        }
        plan.release();
        while !run.is_closed() {
            thread::yield_now();
        }
    });
}

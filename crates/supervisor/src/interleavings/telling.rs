// SPDX-License-Identifier: MPL-2.0
//! Facts, told things and notifications, during a stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::codec::{Call, Fault, Plan, Planned};
use super::model::{Time, thread};
use super::stage::{FRAMES, close, explore, healthy, options, outcome, pick, sink, stream};
use crate::sync::Mutex;
use crate::{Amount, AskResult, CloseResult, DrainResult, Lane, Listener, Next, Options, Run};

const BOUND: Duration = Duration::from_secs(1000);

/// More than may wait.
const TOLD: u32 = 10;

/// Hangs in its drop if the run's lock is held there.
struct Fact(u32, Run<u32, u32>, Arc<AtomicUsize>);

impl Drop for Fact {
    fn drop(&mut self) {
        let _ = self.1.stats();
        self.2.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    Told(u32),
    Frame(u32),
}

/// A run, and what its listener has handled, in order with what else `came`.
fn listening(plan: Plan, came: &Arc<Mutex<Vec<Came>>>) -> Run<u32, u32> {
    let heard = came.clone();
    let listener = Listener::new(move |told, missed| {
        assert_eq!(missed, 0);
        thread::yield_now();
        heard.lock().unwrap().push(Came::Told(told));
    });
    let options = Options {
        listener: Some(listener),
        ..options()
    };
    Run::start(plan, options).unwrap()
}

#[test]
fn what_is_told_is_heard_before_the_output_that_follows_and_before_the_end() {
    explore(Time::Stands, || {
        let came = Arc::default();
        let run = listening(healthy("tell"), &came);
        let task = {
            let (run, came) = (run.clone(), came.clone());
            thread::spawn(move || {
                loop {
                    match run.next() {
                        Next::Output(frame) => came.lock().unwrap().push(Came::Frame(frame)),
                        Next::Slow(_) | Next::FactsChanged => {}
                        Next::Ended | Next::Cancelled => return,
                    }
                }
            })
        };
        let teller = {
            let run = run.clone();
            thread::spawn(move || {
                run.ask(BOUND, |_: &mut Planned, lane| {
                    (0..TOLD).for_each(|number| lane.tell(number));
                    lane.emit(TOLD, Amount::NONE).unwrap();
                    lane.tell(TOLD);
                })
            })
        };
        let stream = stream(&run, 0..FRAMES);
        assert_eq!(stream.join().unwrap(), DrainResult::Complete);
        // A question after the drain is not put.
        let told_all = teller.join().unwrap() == AskResult::Answered(());
        let came: Vec<Came> = came.lock().unwrap().clone();
        let position = |one| came.iter().position(|&other| other == one);
        if told_all {
            let heard = came.iter().filter(|one| matches!(one, Came::Told(_)));
            assert!(heard.copied().eq((0..=TOLD).map(Came::Told)), "{came:?}");
            let follows = position(Came::Frame(TOLD)).unwrap();
            assert!(
                position(Came::Told(TOLD - 1)).unwrap() < follows,
                "{came:?}"
            );
        }
        task.join().unwrap();
        assert!(matches!(run.wait_closed(), CloseResult::Closed));
    });
}

#[test]
fn a_notification_is_put_or_told_or_refused_and_only_one_of_these() {
    explore(Time::Flies, || {
        let faults = [Fault::Hang, Fault::Fail];
        let plan = Plan {
            fault: Some((pick(&[Call::Send, Call::Close]), 0, pick(&faults))),
            ..healthy("notify")
        };
        let came = Arc::default();
        let run = listening(plan.clone(), &came);
        let put = Arc::<AtomicUsize>::default();
        let notifier = {
            let (run, put) = (run.clone(), put.clone());
            thread::spawn(move || {
                let notification = move |_: &mut Planned, _: &Lane<u32>| {
                    put.fetch_add(1, Ordering::Relaxed);
                };
                run.notify_or_tell(notification, 1)
            })
        };
        let (sink, stream) = (sink(&run, &Arc::default()), stream(&run, 0..FRAMES));
        stream.join().unwrap();
        let taken = notifier.join().unwrap();
        let _ = close(&run);
        sink.join().unwrap();
        plan.release();
        while !run.is_closed() {
            thread::yield_now();
        }
        let became = || put.load(Ordering::Relaxed) + came.lock().unwrap().len();
        while became() < usize::from(taken) {
            thread::yield_now();
        }
        assert_eq!(became(), usize::from(taken));
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

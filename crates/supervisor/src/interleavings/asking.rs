// SPDX-License-Identifier: MPL-2.0
//! Questions, combined with everything else that can happen to a run.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::codec::{Call, Fault, Plan, Planned};
use super::model::{Time, thread};
use super::stage::{FRAMES, close, explore, healthy, options, outcome, pick, sink, stream};
use crate::{Account, AskResult, CloseResult, DrainResult, Run};

/// With [`Time::Flies`], some questions time out.
const BOUND: Duration = Duration::from_secs(2);

/// Passed with a question and returned with its answer. Counts its drops; a drop under
/// the run's lock would be a deadlock.
struct Token(Run<u32, u32>, Arc<AtomicUsize>);

impl Drop for Token {
    fn drop(&mut self) {
        let _ = self.0.stats();
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

/// Asks once.
fn asker(
    run: &Run<u32, u32>,
    drops: &Arc<AtomicUsize>,
    answer: impl FnOnce() + Send + 'static,
) -> thread::JoinHandle<AskResult<()>> {
    let (run, token) = (run.clone(), Token(run.clone(), drops.clone()));
    thread::spawn(move || {
        let asked = run.ask(BOUND, move |_: &mut Planned, _| {
            answer();
            token
        });
        match asked {
            AskResult::Answered(_) => AskResult::Answered(()),
            AskResult::TimedOut => AskResult::TimedOut,
            AskResult::Cancelled => AskResult::Cancelled,
            AskResult::NoSession => AskResult::NoSession,
        }
    })
}

#[test]
fn questions_beside_a_stream_are_answered_and_change_nothing_about_it() {
    explore(Time::Stands, || {
        let run = Run::start(healthy("ask"), options()).unwrap();
        let (taken, drops) = (Arc::default(), Arc::default());
        let askers = [0, 1].map(|_| asker(&run, &drops, || {}));
        let (sink, stream) = (sink(&run, &taken), stream(&run, 0..FRAMES));
        let answers = askers.map(|asker| asker.join().unwrap());
        assert_eq!(stream.join().unwrap(), DrainResult::Complete);
        assert_eq!(*taken.lock().unwrap(), Vec::from_iter(0..FRAMES));
        for answer in answers {
            // The stream may have been over before.
            assert!(matches!(
                answer,
                AskResult::Answered(()) | AskResult::NoSession
            ));
        }
        assert_eq!(drops.load(Ordering::Relaxed), 2);
        sink.join().unwrap();
        assert!(matches!(run.wait_closed(), CloseResult::Closed));
    });
}

/// Nothing was dropped under the run's lock on the worker: that would be a panic here.
#[track_caller]
fn assert_no_panic(run: &Run<u32, u32>) {
    assert_ne!(outcome(run), Some("CodecPanicked"));
}

#[test]
fn a_session_that_has_nothing_else_to_do_answers() {
    explore(Time::Stands, || {
        let run = Run::start(healthy("ask-idle"), options()).unwrap();
        let drops = Arc::default();
        let askers = [0, 1].map(|_| asker(&run, &drops, || {}));
        for asker in askers {
            assert_eq!(asker.join().unwrap(), AskResult::Answered(()));
        }
        assert_eq!(drops.load(Ordering::Relaxed), 2);
        assert!(matches!(run.close(), CloseResult::Closed));
        assert_no_panic(&run);
    });
}

#[test]
fn a_cancel_or_the_end_at_any_moment_ends_the_wait_for_an_answer() {
    explore(Time::Stands, || {
        let hangs = pick(&[true, false]);
        let plan = Plan {
            fault: hangs.then_some((Call::Open, 0, Fault::Hang)),
            ..healthy("ask-end")
        };
        let run = Run::start(plan.clone(), options()).unwrap();
        let drops = Arc::default();
        let askers = [0, 1].map(|_| asker(&run, &drops, || {}));
        let cancels = pick(&[true, false]);
        if cancels {
            run.cancel();
        } else {
            run.request_close();
        }
        let ended = match cancels {
            true => AskResult::Cancelled,
            false => AskResult::NoSession,
        };
        for asker in askers {
            let answer = asker.join().unwrap();
            let answered = !hangs && answer == AskResult::Answered(());
            assert!(answered || answer == ended, "{answer:?}");
        }
        plan.release();
        assert!(matches!(run.close(), CloseResult::Closed));
        // One that was in progress is answered by the time the session is closed.
        assert_eq!(drops.load(Ordering::Relaxed), 2);
        assert_no_panic(&run);
    });
}

#[test]
fn questions_beside_a_flush_are_answered() {
    explore(Time::Stands, || {
        let run = Run::start(healthy("ask-flush"), options()).unwrap();
        let (taken, drops) = (Arc::default(), Arc::default());
        let asker = asker(&run, &drops, || {});
        let (sink, stream) = (sink(&run, &taken), stream(&run, 0..FRAMES));
        run.flush();
        let answer = asker.join().unwrap();
        assert!(matches!(
            answer,
            AskResult::Answered(()) | AskResult::NoSession
        ));
        stream.join().unwrap();
        assert!(matches!(run.close(), CloseResult::Closed));
        sink.join().unwrap();
        assert_eq!(drops.load(Ordering::Relaxed), 1);
        assert_no_panic(&run);
    });
}

#[test]
fn a_flush_ends_the_wait_for_questions_in_order_whatever_the_session_does() {
    explore(Time::Stands, || {
        let plan = Plan {
            fault: Some((Call::Open, 0, Fault::Hang)),
            ..healthy("ask-order")
        };
        let run = Run::start(plan.clone(), options()).unwrap();
        let drops = Arc::default();
        // Dropping one of them takes the run's lock, while the other still waits.
        let askers = [0, 1].map(|_| {
            let (asks, token) = (run.clone(), Token(run.clone(), Arc::clone(&drops)));
            thread::spawn(move || asks.ask_in_order(move |_: &mut Planned, _| drop(token)))
        });
        while run.stats().session.queued < 2 {
            thread::yield_now();
        }
        run.flush();
        for asker in askers {
            assert_eq!(asker.join().unwrap(), AskResult::NoSession);
        }
        assert_eq!(drops.load(Ordering::Relaxed), 2);
        plan.release();
        assert!(matches!(run.close(), CloseResult::Closed));
        assert_no_panic(&run);
    });
}

#[test]
fn a_question_behind_a_hang_has_its_bound_and_the_hang_is_judged() {
    explore(Time::Flies, || {
        let plan = Plan {
            fault: Some((pick(&[Call::Open, Call::Send]), 0, Fault::Hang)),
            ..healthy("ask-hang")
        };
        let before = Account::of("ask-hang");
        let run = Run::start(plan.clone(), options()).unwrap();
        let (taken, drops) = (Arc::default(), Arc::default());
        let askers = [0, 1].map(|_| asker(&run, &drops, || {}));
        let (sink, stream) = (sink(&run, &taken), stream(&run, 0..FRAMES));
        assert_eq!(stream.join().unwrap(), DrainResult::Failed);
        assert_eq!(outcome(&run), Some("WatchdogAbandoned"));
        assert_eq!(
            Account::of("ask-hang").abandoned,
            before.abandoned + 1,
            "the hang is judged"
        );
        for asker in askers {
            let _ = asker.join().unwrap();
        }
        assert_eq!(drops.load(Ordering::Relaxed), 2);
        sink.join().unwrap();
        plan.release();
        while !run.is_closed() {
            thread::yield_now();
        }
        assert_eq!(Account::of("ask-hang").outstanding(), 0);
    });
}

#[test]
fn a_hang_in_a_question_is_judged_whoever_still_waits_and_its_answer_is_dropped() {
    explore(Time::Flies, || {
        let plan = Plan {
            fault: Some((Call::Flush, 0, Fault::Hang)),
            ..Plan::new("ask-stuck")
        };
        let run = Run::start(plan.clone(), options()).unwrap();
        let (taken, drops) = (Arc::default(), Arc::default());
        let stuck = plan.clone();
        let asker = asker(&run, &drops, move || stuck.hang());
        let sink = sink(&run, &taken);
        let answer = asker.join().unwrap();
        assert_ne!(answer, AskResult::Answered(()));
        let closes = pick(&[true, false]);
        if closes {
            let _ = close(&run);
        } else if plan.begun(Call::Flush) > 0 {
            while outcome(&run).is_none() {
                thread::yield_now();
            }
            assert_eq!(outcome(&run), Some("WatchdogAbandoned"));
        }
        plan.release();
        let _ = close(&run);
        sink.join().unwrap();
        while !run.is_closed() {
            thread::yield_now();
        }
        assert_eq!(drops.load(Ordering::Relaxed), 1);
        assert_no_panic(&run);
        assert_eq!(Account::of("ask-stuck").outstanding(), 0);
    });
}

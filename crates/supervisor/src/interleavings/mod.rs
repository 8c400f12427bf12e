// SPDX-License-Identifier: MPL-2.0
//! Explorations of the part that is not pure: in any interleaving of a run's threads
//! nothing deadlocks, no output is lost or duplicated, no incomplete run counts as
//! completed, and the ledger balances.
//!
//! A failure prints the schedule that led to it, to be passed to
//! `shuttle::replay`. `CODECWATCH_EXPLORATIONS` sets how many are tried for each
//! property.

mod asking;
mod codec;
pub(crate) mod model;
mod retiring;
mod stage;
mod telling;

use std::sync::Arc;

use shuttle::rand::Rng;

use self::codec::{Call, Fault, Plan};
use self::model::{Time, thread};
pub(crate) use self::stage::once;
use self::stage::{FRAMES, close, explore, healthy, options, outcome, pick, sink, stream};
use crate::sync::Mutex;
use crate::{Account, CloseResult, DrainResult, Drained, Options, Phase, Run, WaitResult};

#[test]
fn everything_comes_out_whatever_the_schedule() {
    explore(Time::Stands, || {
        let plan = healthy("all");
        let run = Run::start(plan.clone(), options()).unwrap();
        let taken = Arc::default();
        let (sink, stream) = (sink(&run, &taken), stream(&run, 0..FRAMES));
        assert_eq!(stream.join().unwrap(), DrainResult::Complete);
        assert_eq!(*taken.lock().unwrap(), Vec::from_iter(0..FRAMES));
        assert_eq!(outcome(&run), Some("Completed"));
        sink.join().unwrap();
        assert!(matches!(run.wait_closed(), CloseResult::Closed));
        assert_eq!(plan.opened_and_closed(), (1, 1));
    });
}

#[test]
fn a_close_at_any_moment_ends_every_wait() {
    explore(Time::Stands, || {
        let plan = healthy("close");
        let run = Run::start(plan.clone(), options()).unwrap();
        let taken = Arc::default();
        let (sink, stream) = (sink(&run, &taken), stream(&run, 0..FRAMES));
        assert!(matches!(run.close(), CloseResult::Closed));
        let settled = stream.join().unwrap();
        sink.join().unwrap();
        let taken = taken.lock().unwrap();
        assert_eq!(*taken, Vec::from_iter(0..taken.len() as u32));
        if settled == DrainResult::Complete {
            assert_eq!(taken.len() as u32, FRAMES);
            assert_eq!(outcome(&run), Some("Completed"));
        }
        let (opened, closed) = plan.opened_and_closed();
        assert_eq!(opened, closed);
    });
}

#[test]
fn a_flush_at_any_moment_drops_what_was_before_and_nothing_after() {
    explore(Time::Stands, || {
        let plan = healthy("flush");
        let run = Run::start(plan.clone(), options()).unwrap();
        let taken: Arc<Mutex<Vec<u32>>> = Arc::default();
        let first = sink(&run, &taken);
        let streaming = stream(&run, 0..FRAMES);
        for _ in 0..pick(&[0, 1, 5, 20]) {
            thread::yield_now();
        }
        // As an element does: waits end, the pads' tasks stop, then the flush.
        run.cancel();
        streaming.join().unwrap();
        first.join().unwrap();
        let before = taken.lock().unwrap().clone();
        assert_eq!(before, Vec::from_iter(0..before.len() as u32));
        run.flush();
        run.resume();
        taken.lock().unwrap().clear();
        let second = sink(&run, &taken);
        let after = stream(&run, 100..103).join().unwrap();
        if after == DrainResult::Complete {
            assert_eq!(*taken.lock().unwrap(), [100, 101, 102]);
            assert_eq!(outcome(&run), Some("Completed"));
        } else {
            // The session did not survive the flush, or had ended before it.
            assert_eq!(run.wait_for_room(), WaitResult::Spent);
            assert!(taken.lock().unwrap().is_empty());
        }
        second.join().unwrap();
        assert!(matches!(run.close(), CloseResult::Closed));
    });
}

#[test]
fn a_flush_beside_a_stream_and_a_drain_cuts_them_and_nobody_waits_for_ever() {
    explore(Time::Stands, || {
        let plan = Plan {
            drained: pick(&[Drained::Reusable, Drained::Spent]),
            ..healthy("beside")
        };
        let run = Run::start(plan, options()).unwrap();
        let taken = Arc::default();
        let (sink, stream) = (sink(&run, &taken), stream(&run, 0..FRAMES));
        run.flush();
        if pick(&[true, false]) {
            run.flush();
        }
        // The next one may have been in progress.
        let after = run.stats().session.frames_in as u32 + 1;
        let settled = stream.join().unwrap();
        let taken = taken.lock().unwrap().clone();
        assert!(taken.is_sorted_by(|a, b| a < b), "{taken:?}");
        if settled == DrainResult::Complete {
            assert!(taken.ends_with(&Vec::from_iter(after..FRAMES)), "{taken:?}");
        }
        assert!(matches!(run.close(), CloseResult::Closed));
        sink.join().unwrap();
    });
}

#[test]
fn a_fault_in_any_call_is_never_completed_and_wakes_everybody() {
    explore(Time::Stands, || {
        let plan = healthy("fault");
        let (call, last) = pick(&[
            (Call::Open, 1),
            (Call::Send, FRAMES as usize),
            (Call::Get, FRAMES as usize),
            (Call::Drain, 1),
        ]);
        let occurrence = shuttle::rand::thread_rng().gen_range(0..last);
        let plan = Plan {
            fault: Some((call, occurrence, Fault::Fail)),
            ..plan
        };
        let run = Run::start(plan.clone(), options()).unwrap();
        let taken = Arc::default();
        let (sink, stream) = (sink(&run, &taken), stream(&run, 0..FRAMES));
        assert_eq!(stream.join().unwrap(), DrainResult::Failed);
        sink.join().unwrap();
        assert_eq!(outcome(&run), Some("CodecFailed"));
        assert!(matches!(run.wait_closed(), CloseResult::Closed));
        assert_eq!(outcome(&run), Some("CodecFailed"));
        let taken = taken.lock().unwrap();
        assert_eq!(*taken, Vec::from_iter(0..taken.len() as u32));
        let (opened, closed) = plan.opened_and_closed();
        assert_eq!(opened, closed);
    });
}

#[test]
fn a_hang_that_ends_at_any_moment_is_reclaimed_and_counted_once() {
    explore(Time::Flies, || {
        let call = pick(&[Call::Open, Call::Send, Call::Get, Call::Drain, Call::Close]);
        let plan = Plan {
            fault: Some((call, pick(&[0, 0, 3]), Fault::Hang)),
            ..healthy("hang")
        };
        let before = Account::of("hang");
        assert_eq!(before.outstanding(), 0);
        let run = Run::start(plan.clone(), options()).unwrap();
        let taken = Arc::default();
        let (sink, stream) = (sink(&run, &taken), stream(&run, 0..FRAMES));
        let releaser = {
            let plan = plan.clone();
            thread::spawn(move || plan.release())
        };
        let settled = stream.join().unwrap();
        let ended = outcome(&run);
        if settled == DrainResult::Complete {
            assert_eq!(*taken.lock().unwrap(), Vec::from_iter(0..FRAMES));
            assert_eq!(ended, Some("Completed"));
        } else {
            assert_ne!(ended, Some("Completed"));
        }
        let _ = close(&run);
        releaser.join().unwrap();
        sink.join().unwrap();
        while !run.is_closed() {
            thread::yield_now();
        }
        assert_eq!(outcome(&run), ended, "there is one outcome");
        let taken = taken.lock().unwrap();
        assert_eq!(*taken, Vec::from_iter(0..taken.len() as u32));
        let after = Account::of("hang");
        assert_eq!((after.outstanding(), after.retiring), (0, 0));
        assert!(after.abandoned <= before.abandoned + 1);
        let (opened, closed) = plan.opened_and_closed();
        assert_eq!(opened, closed);
    });
}

#[test]
fn a_hang_that_never_ends_is_abandoned_by_the_watchdog_or_by_the_close() {
    explore(Time::Flies, || {
        let call = pick(&[
            Call::Open,
            Call::Send,
            Call::Get,
            Call::Drain,
            Call::Flush,
            Call::Close,
        ]);
        let plan = Plan {
            fault: Some((call, 0, Fault::Hang)),
            ..healthy("never")
        };
        let before = Account::of("never");
        let run = Run::start(plan.clone(), options()).unwrap();
        let taken = Arc::default();
        let (sink, stream) = (sink(&run, &taken), stream(&run, 0..FRAMES));
        let flushed = call == Call::Flush || pick(&[true, false]);
        if flushed {
            run.flush();
        }
        if pick(&[true, false]) {
            run.request_close();
        }
        let settled = stream.join().unwrap();
        let (closed, told) = close(&run);
        sink.join().unwrap();
        let account = Account::of("never");
        assert_eq!(account.retiring, 0);
        let abandoned = account.abandoned - before.abandoned;
        let told = told || outcome(&run) == Some("WatchdogAbandoned");
        // It may still close just after it was abandoned.
        let late = matches!(closed, CloseResult::Closed);
        assert!(abandoned == usize::from(told) || (late && abandoned == 1));
        if settled == DrainResult::Complete {
            // Nothing is left to drain in a session that did not survive a flush.
            let nothing = flushed && outcome(&run).is_none();
            assert!(nothing || outcome(&run) == Some("Completed"));
        }
        plan.release();
        while !run.is_closed() {
            thread::yield_now();
        }
        assert_eq!(Account::of("never").outstanding(), 0);
    });
}

#[test]
fn a_successor_opens_once_its_predecessor_has_ended() {
    explore(Time::Stands, || {
        let plan = healthy("successor");
        let first = Run::start(plan.clone(), options()).unwrap();
        let first_taken = Arc::default();
        let first_sink = sink(&first, &first_taken);
        let first_stream = stream(&first, 0..FRAMES);
        let next = healthy("successor");
        let second = Run::start(
            next.clone(),
            Options {
                predecessor: Some(first.clone()),
                ..options()
            },
        )
        .unwrap();
        let second_taken = Arc::default();
        let second_sink = sink(&second, &second_taken);
        let second_stream = stream(&second, 0..FRAMES);
        assert_eq!(first_stream.join().unwrap(), DrainResult::Complete);
        assert_eq!(second_stream.join().unwrap(), DrainResult::Complete);
        assert_eq!(plan.opened_and_closed(), (1, 1));
        first_sink.join().unwrap();
        second_sink.join().unwrap();
        assert_eq!(*first_taken.lock().unwrap(), Vec::from_iter(0..FRAMES));
        assert_eq!(*second_taken.lock().unwrap(), Vec::from_iter(0..FRAMES));
        assert!(matches!(second.wait_closed(), CloseResult::Closed));
    });
}

#[test]
fn a_run_that_is_given_up_before_it_opens_is_not_counted_and_opens_nothing() {
    explore(Time::Flies, || {
        let plan = Plan {
            fault: Some((Call::Open, 0, Fault::Hang)),
            ..healthy("early")
        };
        let before = Account::of("early");
        let run = Run::start(plan.clone(), options()).unwrap();
        let (closed, told) = close(&run);
        plan.release();
        while !run.is_closed() {
            thread::yield_now();
        }
        let counted = Account::of("early").abandoned > before.abandoned;
        if told {
            assert!(counted && plan.begun(Call::Open) == 1);
        } else if !matches!(closed, CloseResult::Closed) {
            assert!(!counted && plan.begun(Call::Open) == 0);
        }
    });
}

#[test]
fn a_close_ends_the_wait_for_a_turn() {
    explore(Time::Stands, || {
        let wedged = Plan {
            fault: Some((Call::Open, 0, Fault::Hang)),
            ..healthy("turn")
        };
        let first = Run::start(wedged.clone(), options()).unwrap();
        let second = Run::start(healthy("turn"), options()).unwrap();
        while wedged.begun(Call::Open) == 0 && second.stats().session.phase == Phase::Waiting {
            thread::yield_now();
        }
        if wedged.begun(Call::Open) > 0 {
            assert!(matches!(second.close(), CloseResult::Closed));
        }
        wedged.release();
        let _ = (first.close(), second.close());
    });
}

#[test]
fn closing_two_runs_that_wait_for_each_others_turn_ends_both() {
    explore(Time::Stands, || {
        let plans = [healthy("turn"), healthy("turn")];
        let runs = plans
            .each_ref()
            .map(|plan| Run::start(plan.clone(), options()).unwrap());
        let closers = runs.each_ref().map(|run| {
            let run = run.clone();
            thread::spawn(move || run.close())
        });
        for closer in closers {
            assert!(matches!(closer.join().unwrap(), CloseResult::Closed));
        }
        for plan in plans {
            let (opened, closed) = plan.opened_and_closed();
            assert_eq!(opened, closed);
        }
    });
}

#[test]
fn a_successor_of_a_run_that_hangs_goes_on_and_only_what_was_opened_is_counted() {
    explore(Time::Flies, || {
        let before = Account::of("heir");
        let plan = Plan {
            fault: Some((pick(&[Call::Drain, Call::Close]), 0, Fault::Hang)),
            ..healthy("heir")
        };
        let first = Run::start(plan.clone(), options()).unwrap();
        let taken = Arc::default();
        let first_sink = sink(&first, &taken);
        first.request_drain(true);
        let heir = healthy("heir");
        let second = Run::start(
            heir.clone(),
            Options {
                predecessor: Some(first.clone()),
                ..options()
            },
        )
        .unwrap();
        let second_sink = sink(&second, &taken);
        for run in [&first, &second] {
            run.request_close();
        }
        let (first_told, second_told) = (close(&first).1, close(&second).1);
        first_sink.join().unwrap();
        second_sink.join().unwrap();
        let told = usize::from(first_told) + usize::from(second_told);
        let abandoned = Account::of("heir").abandoned - before.abandoned;
        assert!(told <= abandoned);
        plan.release();
        while !(first.is_closed() && second.is_closed()) {
            thread::yield_now();
        }
        // Only now: a session may be abandoned while it opens.
        assert!(abandoned <= 1 + heir.opened_and_closed().0);
        assert_eq!(Account::of("heir").outstanding(), 0);
        for plan in [plan, heir] {
            let (opened, closed) = plan.opened_and_closed();
            assert_eq!(opened, closed);
        }
    });
}

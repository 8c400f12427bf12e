// SPDX-License-Identifier: MPL-2.0
//! What is not a wedge: nothing to do, a downstream that does not take, and
//! work that takes long. And that patience costs nothing.

use std::time::{Duration, Instant};

use codecwatch_supervisor::{Activity, Budgets, DrainResult, Outcome, Verdict, WaitResult};

use crate::fake::{Call, Fake, Fault, Gate};
use crate::support::{
    AMPLE, BOUND, MS, SHORT, Sink, account, close, drain, eventually, feed, outcome, start,
};

/// Much longer than any budget.
fn long_after() {
    std::thread::sleep(4 * SHORT.watchdog);
}

#[test]
fn a_push_that_blocks_trips_nothing() {
    for fake in [
        Fake::new("blocked"),
        Fake::new("blocked").with_receive_lane(),
    ] {
        let run = start(&fake, SHORT);
        let gate = Gate::default();
        let sink = Sink::blocked_after(0, &gate, &run);
        // As many as fit everywhere: pushed, in the outbox, held in emit, kept, queued.
        let feeder = {
            let run = run.clone();
            std::thread::spawn(move || feed(&run, 0..30))
        };
        long_after();
        let stats = run.stats();
        assert_eq!(stats.session.verdict, Verdict::Backpressured);
        assert_eq!(stats.outcome, None);
        assert!(!feeder.is_finished(), "upstream is held up");
        gate.open();
        assert_eq!(feeder.join().unwrap(), WaitResult::Ready);
        assert_eq!(drain(&run, true), DrainResult::Complete);
        assert_eq!(sink.frames().len(), 30);
        let _ = close(&run);
    }
    assert_eq!(account("blocked"), (0, 0));
}

#[test]
fn a_drain_that_downstream_holds_up_trips_nothing() {
    let run = start(&Fake::new("blocked-drain").with_receive_lane(), SHORT);
    let gate = Gate::default();
    let sink = Sink::blocked_after(0, &gate, &run);
    let opener = {
        let (run, gate) = (run.clone(), gate.clone());
        std::thread::spawn(move || {
            long_after();
            assert_eq!(run.stats().session.verdict, Verdict::Backpressured);
            gate.open();
        })
    };
    assert_eq!(feed(&run, 0..10), WaitResult::Ready);
    assert_eq!(drain(&run, true), DrainResult::Complete);
    assert!(gate.is_open(), "complete means taken by downstream");
    opener.join().unwrap();
    assert_eq!(sink.frames().len(), 10);
    let _ = close(&run);
}

#[test]
fn outputs_that_nobody_fetches_trip_nothing() {
    let run = start(&Fake::new("unfetched").with_receive_lane(), SHORT);
    assert_eq!(feed(&run, 0..12), WaitResult::Ready);
    long_after();
    assert_eq!(run.stats().session.verdict, Verdict::Backpressured);
    let sink = Sink::of(&run);
    assert_eq!(drain(&run, true), DrainResult::Complete);
    assert_eq!(sink.frames().len(), 12);
    let _ = close(&run);
}

#[test]
fn an_input_that_pauses_trips_nothing() {
    let run = start(&Fake::new("paused").with_receive_lane(), SHORT);
    let sink = Sink::of(&run);
    long_after();
    assert_eq!(run.stats().session.verdict, Verdict::Idle);
    // Two stay inside, as the delay allows.
    assert_eq!(feed(&run, 0..5), WaitResult::Ready);
    long_after();
    assert_eq!(run.stats().session.verdict, Verdict::Idle);
    assert_eq!(sink.frames(), [0, 1, 2]);
    assert_eq!(feed(&run, 5..8), WaitResult::Ready);
    assert_eq!(drain(&run, true), DrainResult::Complete);
    assert_eq!(sink.frames().len(), 8);
    let _ = close(&run);
}

#[test]
fn a_codec_that_may_keep_everything_owes_nothing_for_it() {
    let run = start(
        &Fake::new("keeps").with_receive_lane().with_delay(None),
        SHORT,
    );
    let sink = Sink::of(&run);
    assert_eq!(feed(&run, 0..5), WaitResult::Ready);
    long_after();
    assert_eq!(drain(&run, true), DrainResult::Complete);
    assert_eq!(sink.frames().len(), 5);
    let _ = close(&run);
}

#[test]
fn an_idle_run_wakes_nobody() {
    let run = start(&Fake::new("sleeper").with_receive_lane(), SHORT);
    let sink = Sink::of(&run);
    assert_eq!(feed(&run, 0..5), WaitResult::Ready);
    eventually("three come out", || sink.frames().len() == 3);
    // The last sleep that ends by itself is the soonest deadline of a new debt.
    std::thread::sleep(2 * SHORT.watchdog);
    let before = sink.sleeps();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(sink.sleeps() - before, 0);
    run.cancel();
    let _ = close(&run);
}

#[test]
fn a_deadline_is_kept_also_by_an_output_task_that_sleeps_for_good() {
    let fake = Fake::new("oversleeper").with(Call::Send, 4, Fault::Hang);
    let run = start(&fake, SHORT);
    let sink = Sink::of(&run);
    assert_eq!(feed(&run, 0..3), WaitResult::Ready);
    long_after();
    let began = Instant::now();
    assert_eq!(feed(&run, 3..4), WaitResult::Ready);
    sink.returns();
    assert_eq!(outcome(&run), Some("WatchdogAbandoned"));
    assert!(began.elapsed() < BOUND / 2);
    fake.gate.open();
}

#[test]
fn a_shorter_budget_holds_at_once() {
    let fake = Fake::new("shortened").with(Call::Send, 1, Fault::Hang);
    let run = start(&fake, AMPLE);
    let sink = Sink::of(&run);
    assert_eq!(feed(&run, 0..1), WaitResult::Ready);
    fake.strikes();
    run.set_budgets(SHORT);
    sink.returns();
    assert_eq!(outcome(&run), Some("WatchdogAbandoned"));
    fake.gate.open();
}

#[test]
fn a_spin_is_slow_and_ends_at_the_limit() {
    let limited = Budgets {
        watchdog: Duration::from_millis(800),
        slow_limit: Duration::from_secs(3),
        ..SHORT
    };
    let fake = Fake::new("spin").with(Call::Send, 2, Fault::Spin);
    let run = start(&fake, limited);
    let sink = Sink::of(&run);
    let began = Instant::now();
    assert_eq!(feed(&run, 0..2), WaitResult::Ready);
    eventually("it is slow", || sink.slow() == 1);
    assert_eq!(run.stats().session.verdict, Verdict::Slow);
    sink.returns();
    fake.gate.open();
    assert!(began.elapsed() >= limited.slow_limit);
    assert_eq!(sink.slow(), 1, "said once");
    let Some(Outcome::WatchdogAbandoned(fault)) = run.outcome() else {
        panic!("{:?}", run.outcome());
    };
    let evidence = fault.at.evidence.unwrap();
    assert!(evidence.activity.excuses(), "{evidence:?}");
}

#[test]
fn a_hang_is_seen_asleep() {
    let fake = Fake::new("asleep").with(Call::Send, 1, Fault::Hang);
    let run = start(&fake, SHORT);
    let sink = Sink::of(&run);
    assert_eq!(feed(&run, 0..1), WaitResult::Ready);
    sink.returns();
    fake.gate.open();
    let outcome = run.outcome().unwrap();
    let evidence = outcome.fault().unwrap().at.evidence.unwrap();
    assert_eq!(evidence.activity, Activity::Asleep);
    assert_eq!(evidence.threads, 1, "the worker");
    assert_eq!(sink.slow(), 0);
}

#[test]
fn a_slow_run_that_ends_is_completed() {
    let patient = Budgets {
        slow_limit: Duration::from_secs(30),
        ..SHORT
    };
    let fake = Fake::new("slow").with(Call::Send, 2, Fault::Spin);
    let run = start(&fake, patient);
    let sink = Sink::of(&run);
    assert_eq!(feed(&run, 0..5), WaitResult::Ready);
    eventually("it is slow", || sink.slow() == 1);
    long_after();
    fake.gate.open();
    assert_eq!(drain(&run, true), DrainResult::Complete);
    assert_eq!(outcome(&run), Some("Completed"));
    assert_eq!((sink.frames().len(), sink.slow()), (5, 1));
    let _ = close(&run);
}

#[test]
fn a_codec_that_is_slower_than_its_budget_in_all_but_never_in_one_step_is_not_wedged() {
    let fake = Fake::new("steady").with(Call::Send, 1, Fault::Slow(100 * MS));
    let run = start(&fake, SHORT);
    let sink = Sink::of(&run);
    assert_eq!(feed(&run, 0..12), WaitResult::Ready);
    assert_eq!(drain(&run, true), DrainResult::Complete);
    assert_eq!((sink.frames().len(), sink.slow()), (12, 0));
    let _ = close(&run);
}

// SPDX-License-Identifier: MPL-2.0
//! A close that nobody waits for: it goes on in the background as long as it
//! works, is given up when it does not, and counts meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use codecwatch_supervisor::{
    Account, Budgets, CloseResult, CodecError, DrainResult, FaultCause, Phase, Reason, StartError,
    WaitResult,
};

use crate::fake::{Call, Fake, Fault};
use crate::support::{
    AMPLE, BOUND, FakeRun, MS, Sink, account, bounded, close, drain, eventually, feed, options,
    outcome, start, start_after, threads_named, try_start,
};

const CLOSE: Budgets = Budgets {
    close: Duration::from_millis(250),
    slow_limit: Duration::from_millis(1500),
    ..AMPLE
};

/// Retires the run; how often a wedge was told, and a handle that is alone once
/// nobody can tell one any more.
fn retire(run: &FakeRun) -> Arc<AtomicUsize> {
    let told = Arc::new(AtomicUsize::new(0));
    let telling = told.clone();
    run.retire(move |fault| {
        assert!(matches!(
            fault.cause,
            FaultCause::Wedged {
                reason: Reason::Close,
                ..
            }
        ));
        telling.fetch_add(1, Ordering::Relaxed);
    });
    told
}

fn settled(told: &Arc<AtomicUsize>) -> usize {
    eventually("nobody can tell any more", || Arc::strong_count(told) == 1);
    told.load(Ordering::Relaxed)
}

fn opened(fake: &Fake, budgets: Budgets) -> (FakeRun, Sink) {
    let run = start(fake, budgets);
    let sink = Sink::of(&run);
    eventually("it is open", || fake.count(Call::Open) == 1);
    (run, sink)
}

#[test]
fn a_session_that_closes_in_time_retires_without_a_word() {
    let fake = Fake::new("r-quick").with(Call::Close, 1, Fault::Slow(50 * MS));
    let (run, sink) = opened(&fake, AMPLE);
    let told = retire(&run);
    let account = Account::of("r-quick");
    assert_eq!((account.retiring, account.outstanding()), (1, 1));
    assert_eq!(settled(&told), 0);
    assert_eq!(Account::of("r-quick").outstanding(), 0);
    assert!(run.is_closed());
    sink.returns();
    assert_eq!(settled(&retire(&run)), 0, "also when it is over");
}

#[test]
fn a_session_that_works_at_its_close_retires_after_the_wait_and_is_not_abandoned() {
    let fake = Fake::new("r-busy").with(Call::Close, 1, Fault::Spin);
    let (run, _sink) = opened(
        &fake,
        Budgets {
            slow_limit: BOUND,
            ..CLOSE
        },
    );
    let (closed, took) = close(&run);
    assert!(matches!(closed, CloseResult::Retiring), "{closed:?}");
    assert!(took >= 200 * MS && took < BOUND / 2, "{took:?}");
    assert_eq!(Account::of("r-busy").retiring, 1, "counted at once");
    let told = retire(&run);
    assert_eq!(Account::of("r-busy").retiring, 1, "and once");
    std::thread::sleep(6 * CLOSE.close);
    let (again, took) = close(&run);
    assert!(matches!(again, CloseResult::Retiring), "{again:?}");
    assert!(took < CLOSE.close, "its budget is over: {took:?}");
    assert_eq!(account("r-busy"), (0, 0));
    fake.gate.open();
    assert_eq!(settled(&told), 0);
    let (closed, _) = close(&run);
    assert!(matches!(closed, CloseResult::Closed));
    assert_eq!(Account::of("r-busy").outstanding(), 0);
}

#[test]
fn a_session_that_sleeps_at_its_close_is_abandoned_in_its_retirement_and_told_of_once() {
    let fake = Fake::new("r-hang").with(Call::Close, 1, Fault::Hang);
    let (run, _sink) = opened(&fake, CLOSE);
    let began = Instant::now();
    let (first, second) = (retire(&run), retire(&run));
    assert_eq!(settled(&first) + settled(&second), 1);
    assert!(began.elapsed() >= 200 * MS && began.elapsed() < BOUND / 2);
    let now = Account::of("r-hang");
    assert_eq!((now.abandoned, now.retiring, now.outstanding()), (1, 0, 1));
    assert!(run.is_abandoned());
    assert_eq!(outcome(&run), None);
    let (closed, _) = close(&run);
    assert!(
        matches!(closed, CloseResult::Abandoned(None)),
        "told already"
    );
    fake.gate.open();
    eventually("reclaimed", || account("r-hang") == (1, 1));
}

#[test]
fn a_session_that_works_for_longer_than_the_slow_limit_is_abandoned_in_its_retirement() {
    let fake = Fake::new("r-limit").with(Call::Close, 1, Fault::Spin);
    let (run, _sink) = opened(&fake, CLOSE);
    let began = Instant::now();
    assert!(matches!(close(&run).0, CloseResult::Retiring));
    assert_eq!(settled(&retire(&run)), 1);
    assert!(began.elapsed() >= CLOSE.slow_limit);
    assert_eq!(account("r-limit"), (1, 0));
    fake.gate.open();
    eventually("reclaimed", || account("r-limit") == (1, 1));
}

#[test]
fn a_wedge_that_somebody_else_found_is_told_by_the_retirement_unless_it_was_told_before() {
    let fake = Fake::new("r-heir").with(Call::Close, 1, Fault::Hang);
    let (run, _sink) = opened(&fake, CLOSE);
    let heir = start_after(&Fake::new("r-heir"), AMPLE, &run);
    run.request_close();
    eventually("the heir's worker gives it up", || {
        account("r-heir") == (1, 0)
    });
    assert_eq!(settled(&retire(&run)), 1);
    assert_eq!(settled(&retire(&run)), 0);
    let _ = close(&heir);
    fake.gate.open();
}

#[test]
fn whoever_waits_for_a_close_waits_for_its_report_for_a_limited_time() {
    for report in [200 * MS, BOUND] {
        let library = format!("r-report-{}", report.as_secs());
        let fake = Fake::new(library).with(Call::Close, 1, Fault::Hang);
        let (run, _sink) = opened(&fake, CLOSE);
        let (begins, begun) = std::sync::mpsc::channel();
        let told = Arc::new(AtomicUsize::new(0));
        let telling = told.clone();
        let gate = fake.gate.clone();
        run.retire(move |_| {
            begins.send(()).unwrap();
            let end = Instant::now() + report;
            while Instant::now() < end && !gate.is_open() {
                std::thread::sleep(MS);
            }
            telling.fetch_add(1, Ordering::Relaxed);
        });
        begun.recv_timeout(BOUND).unwrap();
        let (closed, took) = close(&run);
        assert!(matches!(closed, CloseResult::Abandoned(None)), "{closed:?}");
        let is_told = told.load(Ordering::Relaxed) == 1;
        assert_eq!(is_told, report < BOUND, "{took:?}");
        assert!(took < BOUND / 2, "{took:?}");
        fake.gate.open();
    }
}

#[test]
fn a_report_that_waits_for_the_close_does_not_wait_for_itself() {
    let fake = Fake::new("r-itself").with(Call::Close, 1, Fault::Hang);
    let (run, _sink) = opened(&fake, CLOSE);
    let (tell, told) = std::sync::mpsc::channel();
    let inside = run.clone();
    run.retire(move |_| {
        let begun = Instant::now();
        let _ = inside.wait_closed();
        tell.send(begun.elapsed()).unwrap();
    });
    let took = told.recv_timeout(BOUND).unwrap();
    assert!(took < 500 * MS, "{took:?}");
    fake.gate.open();
}

#[test]
fn many_sessions_retire_beside_each_other_on_one_thread() {
    let quick = Fake::new("r-many").with(Call::Close, 1, Fault::Slow(100 * MS));
    let hangs = Fake::new("r-many-h").with(Call::Close, 1, Fault::Hang);
    let runs: Vec<_> = (0..12)
        .map(|number| start(if number % 3 == 0 { &hangs } else { &quick }, CLOSE))
        .collect();
    eventually("all are open", || {
        quick.count(Call::Open) == 8 && hangs.count(Call::Open) == 4
    });
    let told: Vec<_> = runs.iter().map(retire).collect();
    eventually("one thread looks after all", || {
        threads_named("cw-retirement") == 1
    });
    assert_eq!(told.iter().map(settled).sum::<usize>(), 4);
    assert_eq!(account("r-many-h"), (4, 0));
    assert_eq!(Account::of("r-many").outstanding(), 0);
    hangs.gate.open();
    eventually("reclaimed", || account("r-many-h") == (4, 4));
}

#[test]
fn a_telling_that_panics_does_not_end_the_retirement_of_others() {
    let fake = Fake::new("r-panic").with(Call::Close, 1, Fault::Hang);
    let (first, _sink) = opened(&fake, CLOSE);
    first.retire(|_| panic!("scripted"));
    eventually("the first is given up", || first.is_abandoned());
    let second = start(&fake, CLOSE);
    eventually("it is open", || fake.count(Call::Open) == 2);
    assert_eq!(settled(&retire(&second)), 1);
    fake.gate.open();
    eventually("reclaimed", || account("r-panic") == (2, 2));
}

/// A session that retires and works until the gate of `fake` opens.
fn retiring(fake: &Fake) -> (FakeRun, Arc<AtomicUsize>) {
    let budgets = Budgets {
        slow_limit: BOUND,
        ..CLOSE
    };
    let (run, _sink) = opened(fake, budgets);
    let told = retire(&run);
    (run, told)
}

/// One at a time may hold something although nobody waits for it.
fn limited(budgets: Budgets) -> codecwatch_supervisor::Options<u32, u32> {
    codecwatch_supervisor::Options {
        max_abandoned: 1,
        ..options(budgets)
    }
}

#[test]
fn a_session_waits_where_too_many_retire_and_opens_when_one_has_ended() {
    let fake = Fake::new("r-room").with(Call::Close, 1, Fault::Spin);
    let (_run, told) = retiring(&fake);
    let healthy = Fake::new("r-room");
    let next = try_start(&healthy, limited(AMPLE)).unwrap();
    let sink = Sink::of(&next);
    assert_eq!(feed(&next, 0..2), WaitResult::Ready);
    std::thread::sleep(100 * MS);
    assert_eq!(next.stats().session.phase, Phase::Waiting);
    fake.gate.open();
    assert_eq!(settled(&told), 0);
    assert_eq!(drain(&next, true), DrainResult::Complete);
    assert_eq!(sink.frames(), [0, 1]);
    let _ = close(&next);
}

#[test]
fn the_wait_for_sessions_that_retire_is_bounded_and_ends_in_a_refusal() {
    let fake = Fake::new("r-bound").with(Call::Close, 1, Fault::Spin);
    let (_run, told) = retiring(&fake);
    let budgets = Budgets {
        open: 100 * MS,
        slow_limit: 200 * MS,
        ..AMPLE
    };
    let healthy = Fake::new("r-bound");
    let next = try_start(&healthy, limited(budgets)).unwrap();
    assert_eq!(feed(&next, 0..9), WaitResult::Failed);
    let outcome = next.outcome().unwrap();
    let fault = outcome.fault().unwrap();
    assert!(matches!(
        fault.cause,
        FaultCause::Failed(CodecError::Resource(_))
    ));
    assert!(fault.to_string().contains("max-abandoned"), "{fault}");
    assert_eq!(healthy.journal(), []);
    fake.gate.open();
    assert_eq!(settled(&told), 0);
}

#[test]
fn a_session_waits_no_longer_where_those_that_retired_are_abandoned_or_it_is_closed() {
    // One that hangs at its close, so that it is given up in its retirement.
    let fake = Fake::new("r-given").with(Call::Close, 1, Fault::Hang);
    let (run, _sink) = opened(&fake, CLOSE);
    let told = retire(&run);
    let next = try_start(&Fake::new("r-given"), limited(AMPLE)).unwrap();
    assert_eq!(feed(&next, 0..9), WaitResult::Failed);
    assert_eq!(settled(&told), 1);
    match try_start(&Fake::new("r-given"), limited(AMPLE)) {
        Err(StartError::LeakBudget { outstanding, .. }) => assert_eq!(outstanding, 1),
        other => panic!("{other:?}"),
    }
    fake.gate.open();

    let fake = Fake::new("r-unwanted").with(Call::Close, 1, Fault::Spin);
    let (_run, told) = retiring(&fake);
    let next = try_start(&Fake::new("r-unwanted"), limited(AMPLE)).unwrap();
    let (closed, _) = close(&next);
    assert!(matches!(closed, CloseResult::Closed), "{closed:?}");
    fake.gate.open();
    assert_eq!(settled(&told), 0);
}

#[test]
fn a_session_that_never_opened_retires_uncounted() {
    let wedged = Fake::new("r-turn").with(Call::Open, 1, Fault::Hang);
    let first = start(&wedged, AMPLE);
    eventually("the first opens", || {
        first.stats().session.phase == Phase::Opening
    });
    let fake = Fake::new("r-turn");
    let second = start(&fake, CLOSE);
    assert_eq!(settled(&retire(&second)), 0);
    assert_eq!(Account::of("r-turn").outstanding(), 0);
    assert_eq!(fake.journal(), []);
    wedged.gate.open();
    let _ = close(&first);
}

#[test]
fn the_wait_for_a_close_is_bounded_from_the_request_whatever_the_session_was_doing() {
    // Opening, running in a call, draining; and a wait that begins late.
    for (call, library) in [
        (Call::Open, "r-clock-open"),
        (Call::Send, "r-clock-send"),
        (Call::Drain, "r-clock-drain"),
    ] {
        let fake = Fake::new(library).with(call, 1, Fault::Spin);
        let run = start(
            &fake,
            Budgets {
                slow_limit: BOUND,
                close: 600 * MS,
                ..CLOSE
            },
        );
        let _sink = Sink::of(&run);
        assert_eq!(feed(&run, 0..1), WaitResult::Ready);
        run.request_drain(true);
        fake.strikes();
        let began = Instant::now();
        run.request_close();
        std::thread::sleep(400 * MS);
        let waiting = run.clone();
        let closed = bounded(move || waiting.wait_closed());
        assert!(
            matches!(closed, CloseResult::Retiring),
            "{call:?}: {closed:?}"
        );
        let took = began.elapsed();
        assert!(took >= 600 * MS && took < 3000 * MS, "{call:?}: {took:?}");
        let told = retire(&run);
        fake.gate.open();
        assert_eq!(settled(&told), 0);
    }
}

#[test]
fn a_cancelled_wait_for_a_close_leaves_it_to_the_retirement() {
    let fake = Fake::new("r-cancel").with(Call::Close, 1, Fault::Spin);
    let budgets = Budgets {
        close: BOUND,
        slow_limit: BOUND,
        ..AMPLE
    };
    let (run, _sink) = opened(&fake, budgets);
    assert_eq!(drain(&run, true), DrainResult::Complete);
    let waiting = run.clone();
    let waiter = std::thread::spawn(move || waiting.wait_closed_until_cancelled());
    fake.strikes();
    std::thread::sleep(50 * MS);
    assert!(!waiter.is_finished());
    run.cancel();
    let closed = bounded(move || waiter.join().unwrap());
    assert!(matches!(closed, CloseResult::Retiring), "{closed:?}");
    assert_eq!(Account::of("r-cancel").retiring, 1);
    let told = retire(&run);
    fake.gate.open();
    assert_eq!(settled(&told), 0);
    assert!(matches!(run.wait_closed(), CloseResult::Closed));
}

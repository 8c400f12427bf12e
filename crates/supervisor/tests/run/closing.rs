// SPDX-License-Identifier: MPL-2.0
//! A close ends within its budget, whatever the codec does, and ends every
//! other wait.

use std::time::{Duration, Instant};

use codecwatch_supervisor::{Account, Budgets, CloseResult, DrainResult, Next, Phase, WaitResult};

use crate::fake::{Call, Fake, Fault};
use crate::support::{
    AMPLE, BOUND, FakeRun, MS, Sink, account, bounded, close, eventually, feed, given_up, open,
    outcome, settled, start, threads_named,
};

/// Only the close may run out.
const CLOSE: Budgets = Budgets {
    close: Duration::from_millis(500),
    ..AMPLE
};

/// A run in which the next close, or the call, has begun to hang.
fn run_into(call: Call, fake: &Fake) -> (FakeRun, Sink) {
    let run = start(fake, CLOSE);
    let sink = Sink::of(&run);
    assert_eq!(feed(&run, 0..3), WaitResult::Ready);
    match call {
        Call::Flush | Call::AroundFlush => {
            open(&run);
            run.flush();
        }
        Call::Drain => drop(run.request_drain(true)),
        _ => {}
    }
    match call {
        Call::Close => eventually("it is open", || fake.count(Call::Open) == 1),
        _ => fake.strikes(),
    }
    (run, sink)
}

#[test]
fn a_close_is_waited_for_within_its_budget_whatever_hangs_or_spins() {
    for (call, library) in [
        (Call::Open, "c-open"),
        (Call::Send, "c-send"),
        (Call::Get, "c-get"),
        (Call::Flush, "c-flush"),
        (Call::AroundFlush, "c-around"),
        (Call::Drain, "c-drain"),
        (Call::Close, "c-close"),
    ] {
        for fault in [Fault::Hang, Fault::Spin] {
            let fake = Fake::new(library).with_receive_lane().with(call, 1, fault);
            let (run, sink) = run_into(call, &fake);
            let began = Instant::now();
            let (closed, took) = close(&run);
            let (abandoned, retiring) = match (fault, &closed) {
                (Fault::Hang, CloseResult::Abandoned(Some(_))) => (1, 0),
                // On a loaded machine.
                (Fault::Hang, CloseResult::Retiring) => {
                    given_up(&run);
                    (1, 0)
                }
                (Fault::Spin, CloseResult::Retiring) => (0, 1),
                _ => panic!("{call:?}, {fault:?}: {closed:?}"),
            };
            assert!(
                took >= 450 * MS && took < CLOSE.close + 3000 * MS,
                "{call:?}: {took:?}"
            );
            assert!(began.elapsed() >= took);
            assert_ne!(
                outcome(&run),
                Some("WatchdogAbandoned"),
                "it was told to close"
            );
            let now = Account::of(library);
            assert_eq!((now.outstanding(), now.retiring), (1, retiring), "{call:?}");
            assert_eq!(now.abandoned - now.reclaimed, abandoned);
            if fault == Fault::Spin {
                run.retire(|fault| panic!("it works: {fault}"));
            }
            sink.returns();
            fake.gate.open();
            eventually("it is over", || Account::of(library).outstanding() == 0);
        }
        assert_eq!(account(library), (1, 1), "what spins was not abandoned");
        eventually("no thread is left", || {
            threads_named(&format!("{library}#")) == 0
        });
    }
}

#[test]
fn a_close_while_it_opens_closes_what_was_opened() {
    let fake = Fake::new("c-opening").with(Call::Open, 1, Fault::Slow(100 * MS));
    let run = start(&fake, AMPLE);
    eventually("it opens", || run.stats().session.phase == Phase::Opening);
    let (closed, _) = close(&run);
    assert!(matches!(closed, CloseResult::Closed));
    assert_eq!(fake.journal(), [Call::Open, Call::Close]);
    assert_eq!(outcome(&run), None);
}

#[test]
fn a_close_while_it_waits_for_its_turn_opens_nothing() {
    let wedged = Fake::new("c-turn").with(Call::Open, 1, Fault::Hang);
    let first = start(&wedged, AMPLE);
    eventually("the first opens", || {
        first.stats().session.phase == Phase::Opening
    });
    let fake = Fake::new("c-turn");
    let second = start(&fake, CLOSE);
    std::thread::sleep(100 * MS);
    let (closed, took) = close(&second);
    assert!(matches!(closed, CloseResult::Closed));
    assert!(took < CLOSE.close);
    assert_eq!(fake.journal(), []);
    wedged.gate.open();
    let _ = close(&first);
}

#[test]
fn a_close_ends_every_other_wait() {
    let fake = Fake::new("c-waits").with(Call::Flush, 1, Fault::Hang);
    let run = start(&fake, AMPLE);
    let sink = Sink::of(&run);
    assert_eq!(feed(&run, 0..3), WaitResult::Ready);
    open(&run);
    run.flush();
    fake.strikes();
    let ticket = run.request_drain(true);
    let room = {
        let run = run.clone();
        std::thread::spawn(move || bounded(move || run.wait_for_room()))
    };
    let drained = {
        let run = run.clone();
        std::thread::spawn(move || settled(&run, ticket))
    };
    std::thread::sleep(20 * MS);
    assert!(!room.is_finished() && !drained.is_finished() && !sink.has_returned());
    run.request_close();
    assert_eq!(room.join().unwrap(), WaitResult::Cancelled);
    assert_eq!(
        drained.join().unwrap(),
        DrainResult::Cancelled,
        "it was cut"
    );
    sink.returns();
    // And those that begin later.
    assert_eq!(run.submit(7), Err(7));
    assert_eq!(feed(&run, 0..1), WaitResult::Cancelled);
    let ticket = run.request_drain(true);
    assert_eq!(settled(&run, ticket), DrainResult::Cancelled);
    assert!(matches!(run.next(), Next::Ended));
    fake.gate.open();
    let (closed, _) = close(&run);
    assert!(matches!(closed, CloseResult::Closed));
    assert_eq!(outcome(&run), None);
}

#[test]
fn a_lane_that_downstream_holds_up_does_not_hold_up_a_close() {
    for fake in [Fake::new("c-full"), Fake::new("c-full").with_receive_lane()] {
        let run = start(&fake, AMPLE);
        assert_eq!(feed(&run, 0..8), WaitResult::Ready);
        eventually("the outbox is full", || run.stats().session.outbox == 4);
        let (closed, took) = close(&run);
        assert!(matches!(closed, CloseResult::Closed));
        assert!(took < BOUND);
    }
}

#[test]
fn cancel_ends_the_waits_until_resume() {
    let fake = Fake::new("c-cancel").with(Call::Send, 1, Fault::Hang);
    let run = start(&fake, AMPLE);
    let sink = Sink::of(&run);
    let feeder = {
        let run = run.clone();
        std::thread::spawn(move || feed(&run, 0..20))
    };
    fake.strikes();
    std::thread::sleep(20 * MS);
    assert!(!feeder.is_finished());
    run.cancel();
    assert_eq!(feeder.join().unwrap(), WaitResult::Cancelled);
    sink.returns();
    let ticket = run.request_drain(true);
    assert_eq!(settled(&run, ticket), DrainResult::Cancelled);
    assert!(matches!(run.next(), Next::Cancelled));
    run.resume();
    let sink = Sink::of(&run);
    fake.gate.open();
    assert_eq!(settled(&run, ticket), DrainResult::Complete);
    let frames = sink.frames();
    assert_eq!(frames, (0..frames.len() as u32).collect::<Vec<_>>());
    let _ = close(&run);
}

#[test]
fn closes_from_several_threads_agree_and_count_once() {
    let fake = Fake::new("c-many").with(Call::Send, 1, Fault::Hang);
    let run = start(&fake, CLOSE);
    assert_eq!(feed(&run, 0..1), WaitResult::Ready);
    fake.strikes();
    let closers: Vec<_> = (0..4)
        .map(|_| {
            let run = run.clone();
            std::thread::spawn(move || close(&run).0)
        })
        .collect();
    let told = closers
        .into_iter()
        .map(|closer| closer.join().unwrap())
        .filter(|closed| matches!(closed, CloseResult::Abandoned(Some(_))))
        .count();
    if told == 0 {
        given_up(&run);
    }
    assert!(told <= 1, "the fault is told once");
    assert_eq!(account("c-many"), (1, 0));
    fake.gate.open();
    eventually("reclaimed", || account("c-many") == (1, 1));
}

#[test]
fn what_fails_while_it_is_told_to_close_is_no_outcome() {
    let fake = Fake::new("c-fails").with(Call::Close, 1, Fault::Fail);
    let run = start(&fake, AMPLE);
    let sink = Sink::of(&run);
    assert_eq!(feed(&run, 0..1), WaitResult::Ready);
    eventually("it is open", || fake.count(Call::Open) == 1);
    let (closed, _) = close(&run);
    assert!(matches!(closed, CloseResult::Closed));
    sink.returns();
    assert_eq!(outcome(&run), None, "it was told to close");
}

// SPDX-License-Identifier: MPL-2.0
//! A run that follows another: it opens when that one has ended or was given up.

use std::time::{Duration, Instant};

use codecwatch_supervisor::{
    Budgets, CloseResult, CodecError, DrainResult, FaultCause, Options, WaitResult,
};

use crate::fake::{Call, Fake, Fault, Gate};
use crate::support::{
    AMPLE, BOUND, MS, Sink, account, close, drain, eventually, feed, given_up, options, outcome,
    settled, start, start_after, try_start,
};

/// Only the close may run out.
const CLOSE: Budgets = Budgets {
    close: Duration::from_millis(500),
    ..AMPLE
};

#[test]
fn a_successor_opens_when_its_predecessor_has_drained_and_closed() {
    let first_fake = Fake::new("s-drain").with(Call::Drain, 1, Fault::Slow(100 * MS));
    let first = start(&first_fake, AMPLE);
    let first_sink = Sink::of(&first);
    assert_eq!(feed(&first, 0..5), WaitResult::Ready);
    let ticket = first.request_drain(true);
    let second_fake = Fake::new("s-drain").in_the_journal_of(&first_fake);
    let second = start_after(&second_fake, AMPLE, &first);
    let second_sink = Sink::of(&second);
    assert_eq!(feed(&second, 10..13), WaitResult::Ready);
    assert_eq!(drain(&second, true), DrainResult::Complete);
    assert_eq!(settled(&first, ticket), DrainResult::Complete);
    assert_eq!(outcome(&first), Some("Completed"));
    assert_eq!(first_sink.frames(), [0, 1, 2, 3, 4]);
    assert_eq!(second_sink.frames(), [10, 11, 12]);
    let _ = close(&second);
    assert_eq!(
        first_fake.journal(),
        [Call::Open, Call::Close, Call::Open, Call::Close]
    );
}

#[test]
fn a_successor_opens_after_the_close_budget_of_a_predecessor_that_is_wedged_there() {
    let wedged = Fake::new("s-close").with(Call::Close, 1, Fault::Hang);
    let first = start(&wedged, CLOSE);
    let first_sink = Sink::of(&first);
    assert_eq!(feed(&first, 0..5), WaitResult::Ready);
    let began = Instant::now();
    assert_eq!(drain(&first, true), DrainResult::Complete);
    first_sink.returns();
    let second = start_after(&Fake::new("s-close"), AMPLE, &first);
    let second_sink = Sink::of(&second);
    assert_eq!(feed(&second, 0..5), WaitResult::Ready);
    assert_eq!(drain(&second, true), DrainResult::Complete);
    assert_eq!(second_sink.frames().len(), 5);
    assert!(began.elapsed() >= 200 * MS);
    assert_eq!(account("s-close"), (1, 0));
    // Who waited does not take the news from who has to tell them.
    let (closed, _) = close(&first);
    assert!(
        matches!(closed, CloseResult::Abandoned(Some(_))),
        "{closed:?}"
    );
    let _ = close(&second);
    wedged.gate.open();
    eventually("reclaimed", || account("s-close") == (1, 1));
}

#[test]
fn a_successor_does_not_wait_for_ever_for_a_failed_predecessor_that_hangs() {
    // The receive lane fails while the worker hangs in a send.
    let wedged = Fake::new("s-failed")
        .with_receive_lane()
        .with(Call::Send, 5, Fault::Hang)
        .with(Call::Get, 2, Fault::Slow(100 * MS))
        .with(Call::Get, 2, Fault::Fail);
    let first = start(&wedged, CLOSE);
    let first_sink = Sink::of(&first);
    feed(&first, 0..5);
    first_sink.returns();
    assert_eq!(outcome(&first), Some("CodecFailed"));
    let second = start_after(&Fake::new("s-failed"), AMPLE, &first);
    let _second_sink = Sink::of(&second);
    assert_eq!(feed(&second, 0..5), WaitResult::Ready);
    assert_eq!(drain(&second, true), DrainResult::Complete);
    assert_eq!(outcome(&first), Some("CodecFailed"));
    assert_eq!(account("s-failed"), (1, 0));
    let _ = close(&second);
    wedged.gate.open();
    eventually("reclaimed", || account("s-failed") == (1, 1));
}

#[test]
fn a_successor_is_not_opened_when_its_predecessor_used_up_the_leak_budget() {
    let wedged = Fake::new("s-leak").with(Call::Close, 1, Fault::Hang);
    let first = start(&wedged, CLOSE);
    let _sink = Sink::of(&first);
    assert_eq!(drain(&first, true), DrainResult::Complete);
    let healthy = Fake::new("s-leak");
    let second = try_start(
        &healthy,
        Options {
            max_abandoned: 1,
            predecessor: Some(first.clone()),
            ..options(AMPLE)
        },
    )
    .unwrap();
    assert_eq!(feed(&second, 0..5), WaitResult::Failed);
    let outcome = second.outcome().unwrap();
    assert!(matches!(
        outcome.fault().unwrap().cause,
        FaultCause::Failed(CodecError::Resource(_))
    ));
    assert_eq!(healthy.journal(), []);
    let _ = close(&second);
    wedged.gate.open();
}

#[test]
fn a_successor_that_never_opened_is_not_counted_as_abandoned() {
    let wedged = Fake::new("s-both").with(Call::Close, 1, Fault::Hang);
    let first = start(&wedged, CLOSE);
    let second = start_after(&Fake::new("s-both"), CLOSE, &first);
    eventually("the first is open", || wedged.count(Call::Open) == 1);
    first.request_close();
    second.request_close();
    given_up(&first);
    let (second_closed, _) = close(&second);
    assert!(matches!(second_closed, CloseResult::Closed));
    assert_eq!(account("s-both"), (1, 0));
    eventually("the second ends", || second.is_closed());
    wedged.gate.open();
    eventually("reclaimed", || account("s-both") == (1, 1));
    assert_eq!(account("s-both"), (1, 1));
}

#[test]
fn a_successor_that_is_told_to_close_stops_waiting_at_once() {
    let slow = Fake::new("s-short").with(Call::Close, 1, Fault::Hang);
    let first = start(&slow, AMPLE);
    let heir = Fake::new("s-short");
    let second = start_after(&heir, AMPLE, &first);
    eventually("the first is open", || slow.count(Call::Open) == 1);
    first.request_close();
    let (closed, took) = close(&second);
    assert!(matches!(closed, CloseResult::Closed), "{closed:?}");
    assert!(took < BOUND && !first.is_closed());
    assert_eq!(heir.journal(), []);
    slow.gate.open();
    eventually("the first ends", || first.is_closed());
    assert_eq!(account("s-short"), (0, 0));
}

#[test]
fn a_successor_waits_for_a_predecessor_that_works_at_its_close_and_abandons_one_that_sleeps() {
    let busy = Fake::new("s-busy").with(Call::Close, 1, Fault::Spin);
    let first = start(&busy, CLOSE);
    let first_sink = Sink::of(&first);
    assert_eq!(drain(&first, true), DrainResult::Complete);
    first_sink.returns();
    let heir = Fake::new("s-busy").in_the_journal_of(&busy);
    let second = start_after(&heir, AMPLE, &first);
    let second_sink = Sink::of(&second);
    std::thread::sleep(8 * CLOSE.close);
    assert_eq!(heir.journal(), [Call::Open], "the heir has not been opened");
    assert_eq!(account("s-busy"), (0, 0));
    busy.gate.open();
    assert_eq!(feed(&second, 0..5), WaitResult::Ready);
    assert_eq!(drain(&second, true), DrainResult::Complete);
    assert_eq!(second_sink.frames().len(), 5);
    let (closed, _) = close(&second);
    assert!(matches!(closed, CloseResult::Closed));
    assert_eq!(account("s-busy"), (0, 0));
    assert_eq!(
        heir.journal(),
        [Call::Open, Call::Close, Call::Open, Call::Close]
    );
}

#[test]
fn a_chain_of_runs_opens_one_after_the_other() {
    let fake = Fake::new("s-chain").with(Call::Close, 1, Fault::Slow(30 * MS));
    let mut runs = vec![start(&fake, AMPLE)];
    for link in 1..5 {
        runs.push(start_after(&fake, AMPLE, &runs[link - 1]));
    }
    for run in &runs {
        run.request_drain(true);
    }
    eventually("all have ended", || runs.iter().all(|run| run.is_closed()));
    let expected: Vec<_> = (0..5).flat_map(|_| [Call::Open, Call::Close]).collect();
    assert_eq!(fake.journal(), expected);
}

#[test]
fn a_completed_run_that_is_given_up_in_its_close_still_gives_what_it_has() {
    let wedged = Fake::new("s-pending").with(Call::Close, 1, Fault::Hang);
    let first = start(&wedged, CLOSE);
    let gate = Gate::default();
    let sink = Sink::blocked_after(0, &gate, &first);
    assert_eq!(feed(&first, 0..4), WaitResult::Ready);
    let ticket = first.request_drain(true);
    let second = start_after(&Fake::new("s-pending"), AMPLE, &first);
    eventually("the first is given up", || account("s-pending") == (1, 0));
    gate.open();
    assert_eq!(settled(&first, ticket), DrainResult::Complete);
    assert_eq!(sink.frames(), [0, 1, 2, 3]);
    let _ = close(&second);
    wedged.gate.open();
}

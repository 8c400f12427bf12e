// SPDX-License-Identifier: MPL-2.0
//! A codec that can be ended from outside is, by whoever abandons it.

use codecwatch_supervisor::{Budgets, WaitResult};

use crate::fake::{Call, Fake, Fault};
use crate::support::{
    AMPLE, MS, SHORT, Sink, account, close, drain, eventually, feed, given_up, outcome, start,
};

#[test]
fn a_wedge_in_any_phase_is_ended_by_its_kill_hook_and_reclaimed() {
    for (call, library) in [
        (Call::Open, "k-open"),
        (Call::Send, "k-send"),
        (Call::Drain, "k-drain"),
    ] {
        let fake = Fake::new(library).that_can_be_killed();
        let fake = fake.with(call, 1, Fault::Hang);
        let run = start(&fake, SHORT);
        let sink = Sink::of(&run);
        feed(&run, 0..5);
        drain(&run, true);
        sink.returns();
        assert_eq!(outcome(&run), Some("WatchdogAbandoned"), "{call:?}");
        eventually("reclaimed", || account(library) == (1, 1));
        assert_eq!(fake.killed(), 1);
    }
}

#[test]
fn a_wedged_close_is_ended_by_its_kill_hook_and_told_of_all_the_same() {
    let fake = Fake::new("k-close").that_can_be_killed();
    let fake = fake.with(Call::Close, 1, Fault::Hang);
    let run = start(&fake, SHORT);
    let _sink = Sink::of(&run);
    eventually("it is open", || fake.count(Call::Open) == 1);
    assert_eq!(given_up(&run).abandoned, 1, "at that moment");
    eventually("reclaimed", || account("k-close") == (1, 1));
    assert_eq!(fake.killed(), 1);
}

#[test]
fn a_session_that_retires_is_ended_by_its_kill_hook_once_whoever_gives_it_up() {
    let fake = Fake::new("k-retire").that_can_be_killed();
    let fake = fake.with(Call::Close, 1, Fault::Hang);
    let run = start(&fake, SHORT);
    let _sink = Sink::of(&run);
    eventually("it is open", || fake.count(Call::Open) == 1);
    let (tell, told) = std::sync::mpsc::channel();
    run.retire(move |fault| _ = tell.send(fault.clone()));
    let closers: Vec<_> = (0..3)
        .map(|_| {
            let run = run.clone();
            std::thread::spawn(move || drop(close(&run)))
        })
        .collect();
    for closer in closers {
        closer.join().unwrap();
    }
    eventually("reclaimed", || account("k-retire") == (1, 1));
    assert_eq!(fake.killed(), 1);
    assert!(told.iter().count() <= 1);
}

#[test]
fn nothing_is_killed_that_ends_by_itself() {
    let fake = Fake::new("k-healthy").that_can_be_killed();
    let slow = fake.with(Call::Close, 1, Fault::Slow(50 * MS));
    let run = start(&slow, AMPLE);
    let sink = Sink::of(&run);
    assert_eq!(feed(&run, 0..5), WaitResult::Ready);
    drain(&run, true);
    sink.returns();
    let _ = close(&run);
    assert_eq!((slow.killed(), account("k-healthy")), (0, (0, 0)));
}

#[test]
fn a_hook_that_comes_after_the_session_was_given_up_is_run_at_once() {
    let fake = Fake::new("k-late").that_can_be_killed();
    let fake = fake.with(Call::BeforeHook, 1, Fault::Slow(3 * SHORT.open));
    let run = start(
        &fake,
        Budgets {
            slow_limit: SHORT.open,
            ..SHORT
        },
    );
    let sink = Sink::of(&run);
    sink.returns();
    assert_eq!(outcome(&run), Some("WatchdogAbandoned"));
    eventually("reclaimed", || account("k-late") == (1, 1));
    assert_eq!(fake.killed(), 1);
}

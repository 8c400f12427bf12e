// SPDX-License-Identifier: MPL-2.0
//! A flush drops what is queued, inside and pending, and nothing that comes later.

use codecwatch_supervisor::{CloseResult, DrainResult, Phase, WaitResult};

use crate::fake::{Call, Fake, Fault, Gate};
use crate::support::{
    AMPLE, MS, Sink, close, drain, eventually, feed, open, outcome, settled, start, start_after,
};

#[test]
fn a_flushed_session_goes_on_with_the_next_input() {
    let fake = Fake::new("flush-done");
    let run = start(&fake, AMPLE);
    let gate = Gate::default();
    let sink = Sink::blocked_after(0, &gate, &run);
    let feeder = {
        let run = run.clone();
        std::thread::spawn(move || feed(&run, 0..10))
    };
    // Pushed 0, pending 1 to 4, held 5, kept 6 and 7, queued 8 and 9.
    assert_eq!(feeder.join().unwrap(), WaitResult::Ready);
    eventually("everything is full", || run.stats().session.queued == 2);
    run.flush();
    assert_eq!(feed(&run, 100..105), WaitResult::Ready);
    gate.open();
    assert_eq!(drain(&run, true), DrainResult::Complete);
    assert_eq!(sink.frames(), [0, 100, 101, 102, 103, 104]);
    assert_eq!(outcome(&run), Some("Completed"));
    let _ = close(&run);
    assert_eq!(fake.journal(), [Call::Open, Call::Flush, Call::Close]);
}

#[test]
fn a_session_that_cannot_be_flushed_gives_nothing_more_and_closes() {
    // Its receive lane has frames at hand for as long as the close takes.
    let fake = Fake::new("flush-new")
        .with_receive_lane()
        .unflushable()
        .with(Call::Get, 6, Fault::Slow(30 * MS))
        .with(Call::Close, 1, Fault::Slow(200 * MS));
    let run = start(&fake, AMPLE);
    let gate = Gate::default();
    let sink = Sink::blocked_after(0, &gate, &run);
    assert_eq!(feed(&run, 0..14), WaitResult::Ready);
    eventually("everything is full", || run.stats().session.outbox == 4);
    eventually("the first is pushed", || sink.frames() == [0]);
    run.flush();
    assert_eq!(feed(&run, 100..101), WaitResult::Spent);
    gate.open();
    sink.returns();
    assert_eq!(sink.frames(), [0]);
    assert_eq!(outcome(&run), None);
    assert_eq!(run.submit(7), Err(7));
    eventually("it closes by itself", || run.is_closed());
    let (closed, _) = close(&run);
    assert!(matches!(closed, CloseResult::Closed));
}

#[test]
fn nothing_is_queued_in_a_session_that_has_ended() {
    // A flush that comes while the last drain is under way; inputs behind one
    // that fails; inputs of a session that does not open.
    for (name, call, fault) in [
        ("queue-drain", Call::Drain, Fault::Slow(150 * MS)),
        ("queue-send", Call::Send, Fault::Fail),
        ("queue-open", Call::Open, Fault::Fail),
    ] {
        let fake = Fake::new(name).with(call, 1, fault);
        let run = start(&fake, AMPLE);
        let _sink = Sink::of(&run);
        let _ = run.submit(1);
        let _ = run.submit(2);
        run.request_drain(true);
        if call == Call::Drain {
            eventually("it drains", || run.stats().session.phase == Phase::Draining);
            run.flush();
        }
        eventually("its threads have ended", || run.is_closed());
        eventually(name, || run.stats().session.queued == 0);
    }
}

#[test]
fn a_flush_cuts_a_drain_which_then_is_not_complete() {
    for reusable in [true, false] {
        let fake = Fake::new("flush-drain").with(Call::Drain, 1, Fault::Slow(150 * MS));
        let fake = if reusable { fake.reusable() } else { fake };
        let run = start(&fake, AMPLE);
        let _sink = Sink::of(&run);
        assert_eq!(feed(&run, 0..3), WaitResult::Ready);
        let ticket = run.request_drain(!reusable);
        eventually("it drains", || run.stats().session.phase == Phase::Draining);
        run.flush();
        assert_eq!(settled(&run, ticket), DrainResult::Cancelled);
        let then = if reusable {
            WaitResult::Ready
        } else {
            WaitResult::Spent
        };
        assert_eq!(feed(&run, 100..101), then);
        assert_eq!(settled(&run, ticket), DrainResult::Cancelled);
        assert_eq!(outcome(&run), None);
        let _ = close(&run);
    }
}

#[test]
fn a_drain_that_a_flush_dropped_from_the_queue_is_not_waited_for() {
    let fake = Fake::new("flush-queue")
        .reusable()
        .with(Call::Send, 1, Fault::Slow(150 * MS));
    let run = start(&fake, AMPLE);
    let sink = Sink::of(&run);
    assert_eq!(feed(&run, 0..1), WaitResult::Ready);
    let ticket = run.request_drain(false);
    open(&run);
    run.flush();
    assert_eq!(settled(&run, ticket), DrainResult::Cancelled);
    assert_eq!(feed(&run, 100..101), WaitResult::Ready);
    assert_eq!(drain(&run, true), DrainResult::Complete);
    assert_eq!(sink.frames(), [100]);
    let _ = close(&run);
}

#[test]
fn a_flush_after_the_end_drops_what_downstream_has_not_taken() {
    let run = start(&Fake::new("flush-end"), AMPLE);
    let gate = Gate::default();
    let sink = Sink::blocked_after(0, &gate, &run);
    assert_eq!(feed(&run, 0..3), WaitResult::Ready);
    let ticket = run.request_drain(true);
    eventually("it is drained", || outcome(&run) == Some("Completed"));
    eventually("the first is pushed", || sink.frames() == [0]);
    run.flush();
    gate.open();
    assert_eq!(settled(&run, ticket), DrainResult::Cancelled);
    sink.returns();
    assert_eq!(sink.frames(), [0]);
    let _ = close(&run);
}

#[test]
fn room_after_two_flushes_means_that_both_are_done() {
    let fake = Fake::new("flush-twice").with(Call::Flush, 1, Fault::Slow(100 * MS));
    let run = start(&fake, AMPLE);
    let _sink = Sink::of(&run);
    assert_eq!(feed(&run, 0..1), WaitResult::Ready);
    open(&run);
    run.flush();
    fake.strikes();
    assert!(run.is_full());
    run.flush();
    assert_eq!(feed(&run, 1..2), WaitResult::Ready);
    assert_eq!(fake.count(Call::Flush), 2);
    let _ = close(&run);
}

#[test]
fn a_flush_while_opening_waits_for_the_open() {
    let fake = Fake::new("flush-open").with(Call::Open, 1, Fault::Slow(100 * MS));
    let run = start(&fake, AMPLE);
    let sink = Sink::of(&run);
    assert_eq!(feed(&run, 0..3), WaitResult::Ready);
    eventually("it opens", || run.stats().session.phase == Phase::Opening);
    run.flush();
    assert_eq!(feed(&run, 100..103), WaitResult::Ready);
    assert_eq!(drain(&run, true), DrainResult::Complete);
    assert_eq!(sink.frames(), [100, 101, 102]);
    let _ = close(&run);
}

#[test]
fn a_flush_ends_the_wait_for_a_drain_that_hangs() {
    let fake = Fake::new("flush-hung").with(Call::Drain, 1, Fault::Hang);
    let run = start(&fake, AMPLE);
    let _sink = Sink::of(&run);
    let ticket = run.request_drain(true);
    let drained = {
        let run = run.clone();
        std::thread::spawn(move || settled(&run, ticket))
    };
    fake.strikes();
    std::thread::sleep(20 * MS);
    assert!(!drained.is_finished());
    run.flush();
    assert_eq!(drained.join().unwrap(), DrainResult::Cancelled);
    fake.gate.open();
    let _ = close(&run);
}

#[test]
fn a_session_that_waits_for_its_turn_outlives_flushes_whatever_it_could_do_with_one() {
    let busy = Fake::new("flush-turn").with(Call::Close, 1, Fault::Slow(300 * MS));
    let first = start(&busy, AMPLE);
    eventually("it is open", || busy.count(Call::Open) == 1);
    first.request_close();
    let fake = Fake::new("flush-turn").unflushable();
    let second = start_after(&fake, AMPLE, &first);
    let sink = Sink::of(&second);
    for flush in 0..3 {
        assert_eq!(feed(&second, 0..2), WaitResult::Ready, "{flush}");
        second.request_drain(true);
        second.flush();
    }
    assert_eq!(busy.count(Call::Close), 0, "the close was too short");
    assert_eq!(feed(&second, 100..102), WaitResult::Ready);
    assert_eq!(drain(&second, true), DrainResult::Complete);
    assert_eq!(sink.frames(), [100, 101]);
    let _ = close(&second);
    assert_eq!(fake.journal(), [Call::Open, Call::Close]);
}

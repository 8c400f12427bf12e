// SPDX-License-Identifier: MPL-2.0
//! Runs in which nothing goes wrong.

use codecwatch_supervisor::{CloseResult, DrainResult, Session, WaitResult};

use crate::fake::{Call, Fake, FakeSession, Fault};
use crate::support::{
    AMPLE, MS, Sink, account, bounded, close, drain, eventually, feed, outcome, settled, start,
    threads_named,
};

fn all_frames_come_out_in_order(fake: Fake) {
    let run = start(&fake, AMPLE);
    let sink = Sink::of(&run);
    assert_eq!(feed(&run, 0..500), WaitResult::Ready);
    assert_eq!(drain(&run, true), DrainResult::Complete);
    assert_eq!(outcome(&run), Some("Completed"));
    assert_eq!(sink.frames(), (0..500).collect::<Vec<_>>());
    sink.returns();
    assert_eq!(feed(&run, 0..1), WaitResult::Spent);
    let stats = run.stats();
    assert_eq!(
        (stats.session.frames_in, stats.session.frames_out),
        (500, 500)
    );
    let (closed, _) = close(&run);
    assert!(matches!(closed, CloseResult::Closed));
    assert_eq!(fake.count(Call::Close), 1);
}

#[test]
fn a_run_gives_every_frame_in_order_and_is_completed() {
    all_frames_come_out_in_order(Fake::new("complete"));
}

#[test]
fn a_run_with_a_receive_lane_gives_every_frame_in_order_and_is_completed() {
    all_frames_come_out_in_order(Fake::new("complete-recv").with_receive_lane());
}

#[test]
fn a_run_without_a_frame_is_completed() {
    for fake in [Fake::new("empty"), Fake::new("empty").with_receive_lane()] {
        let run = start(&fake, AMPLE);
        let sink = Sink::of(&run);
        assert_eq!(drain(&run, true), DrainResult::Complete);
        assert_eq!(outcome(&run), Some("Completed"));
        sink.returns();
        assert!(sink.frames().is_empty());
        let _ = close(&run);
    }
}

#[test]
fn a_reusable_session_goes_on_after_a_drain() {
    let fake = Fake::new("reusable").reusable();
    let run = start(&fake, AMPLE);
    let sink = Sink::of(&run);
    for round in 0..10 {
        assert_eq!(feed(&run, round * 10..round * 10 + 10), WaitResult::Ready);
        assert_eq!(drain(&run, false), DrainResult::Complete);
        assert_eq!(sink.frames().len() as u32, round * 10 + 10);
        assert_eq!(outcome(&run), None);
    }
    assert_eq!(drain(&run, true), DrainResult::Complete);
    assert_eq!(outcome(&run), Some("Completed"));
    let _ = close(&run);
    assert_eq!(fake.count(Call::Open), 1);
}

#[test]
fn two_drains_that_are_asked_for_at_once_are_told_apart() {
    let fake = Fake::new("two-drains")
        .reusable()
        .with(Call::Drain, 1, Fault::Slow(50 * MS));
    let run = start(&fake, AMPLE);
    let sink = Sink::of(&run);
    assert_eq!(feed(&run, 0..3), WaitResult::Ready);
    let first = run.request_drain(false);
    let second = run.request_drain(true);
    assert_eq!(settled(&run, second), DrainResult::Complete);
    assert_eq!(
        outcome(&run),
        Some("Completed"),
        "the second one was the last"
    );
    assert_eq!(settled(&run, first), DrainResult::Complete);
    assert_eq!(sink.frames(), [0, 1, 2]);
    let _ = close(&run);
}

#[test]
fn an_input_behind_the_last_drain_is_given_back_and_not_lost() {
    let fake = Fake::new("behind-last").with(Call::Send, 1, Fault::Slow(100 * MS));
    let run = start(&fake, AMPLE);
    let _sink = Sink::of(&run);
    assert_eq!(feed(&run, 0..1), WaitResult::Ready);
    let ticket = run.request_drain(true);
    assert_eq!(run.submit(7), Err(7));
    assert_eq!(settled(&run, ticket), DrainResult::Complete);
    let _ = close(&run);
}

#[test]
fn room_is_given_only_when_it_is_known_whether_the_session_goes_on() {
    let slow = Fault::Slow(100 * MS);
    for (fake, then) in [
        (Fake::new("drain-then-room").reusable(), WaitResult::Ready),
        (Fake::new("drain-then-room"), WaitResult::Spent),
    ] {
        let run = start(&fake.with(Call::Drain, 1, slow), AMPLE);
        let _sink = Sink::of(&run);
        assert_eq!(feed(&run, 0..1), WaitResult::Ready);
        let _ticket = run.request_drain(false);
        assert!(run.is_full());
        let waiting = run.clone();
        assert_eq!(bounded(move || waiting.wait_for_room()), then);
        let _ = close(&run);
    }
}

#[test]
fn as_many_inputs_wait_as_the_session_says() {
    let fake = Fake::new("queue").with(Call::Send, 1, Fault::Hang);
    let run = start(&fake, AMPLE);
    let _sink = Sink::of(&run);
    assert_eq!(feed(&run, 0..1), WaitResult::Ready);
    fake.strikes();
    for waiting in 0..FakeSession::QUEUE {
        assert!(!run.is_full(), "{waiting} wait");
        run.submit(7).unwrap();
    }
    assert!(run.is_full());
    fake.gate.open();
    let waiting = run.clone();
    assert_eq!(bounded(move || waiting.wait_for_room()), WaitResult::Ready);
    assert_eq!(drain(&run, true), DrainResult::Complete);
    let _ = close(&run);
}

#[test]
fn two_sessions_of_a_library_run_at_the_same_time() {
    let fake = Fake::new("pair").with(Call::Send, 1, Fault::Hang);
    let held = start(&fake, AMPLE);
    let held_sink = Sink::of(&held);
    assert_eq!(feed(&held, 0..3), WaitResult::Ready);
    let free = start(&Fake::new("pair"), AMPLE);
    let free_sink = Sink::of(&free);
    assert_eq!(feed(&free, 0..50), WaitResult::Ready);
    assert_eq!(drain(&free, true), DrainResult::Complete);
    assert_eq!(free_sink.frames().len(), 50);
    assert!(held_sink.frames().is_empty());
    fake.gate.open();
    assert_eq!(drain(&held, true), DrainResult::Complete);
    assert_eq!(held_sink.frames(), [0, 1, 2]);
    let _ = (close(&free), close(&held));
    assert_eq!(account("pair"), (0, 0));
}

#[test]
fn a_hundred_runs_leave_no_thread_behind() {
    // Worker and receive lane are named after the library.
    let fake = Fake::new("hundred").with_receive_lane();
    for frames in 0..100 {
        let run = start(&fake, AMPLE);
        let sink = Sink::of(&run);
        assert_eq!(feed(&run, 0..frames), WaitResult::Ready);
        if frames % 2 == 0 {
            assert_eq!(drain(&run, true), DrainResult::Complete);
        }
        run.cancel();
        let (closed, _) = close(&run);
        assert!(matches!(closed, CloseResult::Closed));
        sink.returns();
    }
    eventually("all threads have ended", || threads_named("hundred#") == 0);
    // A run that is closed early may never have opened.
    assert!(fake.count(Call::Open) > 90);
    assert_eq!(fake.count(Call::Open), fake.count(Call::Close));
    assert_eq!(account("hundred"), (0, 0));
}

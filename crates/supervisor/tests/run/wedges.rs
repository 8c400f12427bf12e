// SPDX-License-Identifier: MPL-2.0
//! A call that does not return: found within its budget, given up, counted,
//! and taken back when it returns after all.

use std::time::{Duration, Instant};

use codecwatch_supervisor::{
    Budgets, CloseResult, DrainResult, Fault as Details, FaultCause, Outcome, Phase, Reason,
    Session, StartError, WaitResult,
};

use crate::fake::{Call, Fake, FakeSession, Fault};
use crate::support::{
    AMPLE, BOUND, FakeRun, SHORT, Sink, account, close, drain, eventually, feed, given_up, open,
    options, outcome, start, threads_named, try_start,
};

fn wedge(run: &FakeRun) -> (Reason, Details) {
    match run.outcome() {
        Some(Outcome::WatchdogAbandoned(fault)) => match fault.cause {
            FaultCause::Wedged { reason, .. } => (reason, *fault),
            ref cause => panic!("abandoned because {cause:?}"),
        },
        other => panic!("not abandoned but {other:?}"),
    }
}

/// Feeds and drains a run until its fault ends it.
fn wedged(fake: &Fake) -> (FakeRun, Sink, Duration) {
    let run = start(fake, SHORT);
    let sink = Sink::of(&run);
    let began = Instant::now();
    feed(&run, 0..20);
    drain(&run, true);
    sink.returns();
    (run, sink, began.elapsed())
}

/// The gate opens, the call returns: the worker closes the session itself.
fn late_return(fake: &Fake, library: &'static str) {
    assert_eq!(account(library), (1, 0));
    fake.gate.open();
    eventually("reclaimed", || account(library) == (1, 1));
    eventually("no thread is left", || {
        threads_named(&format!("{library}#")) == 0
    });
}

#[test]
fn a_wedged_open_is_given_up_and_closed_when_it_returns() {
    let fake = Fake::new("w-open").with(Call::Open, 1, Fault::Hang);
    let (run, _sink, took) = wedged(&fake);
    let (reason, fault) = wedge(&run);
    assert_eq!((reason, fault.at.phase), (Reason::Open, Phase::Opening));
    assert_eq!(fault.at.calls[0].0, "fake_open");
    // The budget counts from before the call.
    assert!(fault.at.calls[0].1 >= SHORT.open / 2);
    assert!(took >= SHORT.open && took < BOUND);
    assert_eq!(fault.abandoned, 1);
    assert_eq!(fault.at.queued, FakeSession::QUEUE, "the inbox is full");
    assert_eq!(feed(&run, 0..1), WaitResult::Failed);
    late_return(&fake, "w-open");
    assert_eq!(fake.count(Call::Close), 1);
}

#[test]
fn a_wedged_send_is_given_up() {
    let fake = Fake::new("w-send").with(Call::Send, 2, Fault::Hang);
    let run = start(&fake, SHORT);
    let sink = Sink::of(&run);
    let began = Instant::now();
    assert_eq!(feed(&run, 0..2), WaitResult::Ready);
    sink.returns();
    let (reason, fault) = wedge(&run);
    assert_eq!((reason, fault.at.phase), (Reason::Call, Phase::Running));
    assert_eq!(fault.at.calls[0].0, "fake_send");
    assert_eq!((fault.at.frames_in, fault.at.inside), (2, 2));
    assert!(began.elapsed() >= SHORT.watchdog);
    late_return(&fake, "w-send");
}

#[test]
fn a_wedged_receive_lane_is_given_up_by_what_it_keeps() {
    let fake = Fake::new("w-get")
        .with_receive_lane()
        .with(Call::Get, 3, Fault::Hang);
    let run = start(&fake, SHORT);
    let sink = Sink::of(&run);
    // Two come out; the other three are one more than the delay.
    assert_eq!(feed(&run, 0..5), WaitResult::Ready);
    sink.returns();
    let (reason, fault) = wedge(&run);
    assert_eq!((reason, fault.at.phase), (Reason::Output, Phase::Running));
    assert_eq!(fault.at.calls[0].0, "fake_get");
    assert_eq!(
        (fault.at.frames_in, fault.at.frames_out, fault.at.inside),
        (5, 2, 3)
    );
    assert_eq!(sink.frames(), [0, 1]);
    late_return(&fake, "w-get");
}

#[test]
fn a_wedge_at_the_drain_is_given_up_and_never_completed() {
    for (call, library) in [(Call::Drain, "w-drain"), (Call::Get, "w-drget")] {
        let fake = Fake::new(library).with_receive_lane().with(
            call,
            if call == Call::Get { 19 } else { 1 },
            Fault::Hang,
        );
        let run = start(&fake, SHORT);
        let sink = Sink::of(&run);
        assert_eq!(feed(&run, 0..20), WaitResult::Ready);
        assert_eq!(drain(&run, true), DrainResult::Failed);
        sink.returns();
        let (reason, fault) = wedge(&run);
        assert_eq!((reason, fault.at.phase), (Reason::Drain, Phase::Draining));
        assert_eq!(sink.frames().len(), 18);
        late_return(&fake, library);
        assert_eq!(outcome(&run), Some("WatchdogAbandoned"), "for good");
    }
}

#[test]
fn a_wedged_close_leaves_the_stream_completed_and_is_counted() {
    let fake = Fake::new("w-close").with(Call::Close, 1, Fault::Hang);
    let (run, sink, _) = wedged(&fake);
    assert_eq!(outcome(&run), Some("Completed"));
    assert_eq!(sink.frames().len(), 20);
    let fault = given_up(&run);
    assert!(matches!(
        fault.cause,
        FaultCause::Wedged {
            reason: Reason::Close,
            ..
        }
    ));
    assert_eq!(outcome(&run), Some("Completed"));
    let (again, _) = close(&run);
    assert!(matches!(again, CloseResult::Abandoned(None)), "said once");
    late_return(&fake, "w-close");
    let (late, _) = close(&run);
    assert!(matches!(late, CloseResult::Closed));
}

#[test]
fn a_wedged_flush_is_given_up_whether_or_not_it_is_in_a_native_call() {
    for (call, library) in [(Call::Flush, "w-flush"), (Call::AroundFlush, "w-around")] {
        let fake = Fake::new(library).with(call, 1, Fault::Hang);
        let run = start(&fake, SHORT);
        let sink = Sink::of(&run);
        assert_eq!(feed(&run, 0..2), WaitResult::Ready);
        open(&run);
        run.flush();
        assert_eq!(feed(&run, 0..1), WaitResult::Failed);
        assert_eq!(outcome(&run), Some("WatchdogAbandoned"));
        sink.returns();
        late_return(&fake, library);
    }
}

#[test]
fn a_wedged_open_does_not_wedge_another_session_of_the_library() {
    let wedged = Fake::new("w-lane").with(Call::Open, 1, Fault::Hang);
    let first = start(&wedged, SHORT);
    let first_sink = Sink::of(&first);
    eventually("the first opens", || {
        first.stats().session.phase == Phase::Opening
    });
    let second = start(&Fake::new("w-lane"), AMPLE);
    let second_sink = Sink::of(&second);
    assert_eq!(feed(&second, 0..10), WaitResult::Ready);
    assert_eq!(drain(&second, true), DrainResult::Complete);
    first_sink.returns();
    assert_eq!(outcome(&first), Some("WatchdogAbandoned"));
    second_sink.returns();
    let _ = close(&second);
    late_return(&wedged, "w-lane");
}

#[test]
fn the_wait_for_another_open_is_bounded() {
    let wedged = Fake::new("w-turn").with(Call::Open, 1, Fault::Hang);
    let patient = Budgets {
        open: BOUND,
        ..SHORT
    };
    let first = start(&wedged, patient);
    eventually("the first opens", || {
        first.stats().session.phase == Phase::Opening
    });
    let second = start(&Fake::new("w-turn"), SHORT);
    assert_eq!(feed(&second, 0..10), WaitResult::Failed);
    assert_eq!(outcome(&second), Some("CodecFailed"));
    assert_eq!(account("w-turn"), (0, 0));
    wedged.gate.open();
    let _ = close(&first);
}

#[test]
fn the_leak_budget_refuses_before_anything_is_opened() {
    let fake = Fake::new("w-leak").with(Call::Send, 1, Fault::Hang);
    for _ in 0..2 {
        let (run, ..) = wedged(&fake);
        let _ = close(&run);
    }
    let limited = |max_abandoned| codecwatch_supervisor::Options {
        max_abandoned,
        ..options(SHORT)
    };
    let healthy = Fake::new("w-leak");
    match try_start(&healthy, limited(2)) {
        Err(StartError::LeakBudget {
            library,
            outstanding,
            max,
        }) => assert_eq!((&*library, outstanding, max), ("w-leak", 2, 2)),
        other => panic!("{other:?}"),
    }
    assert_eq!(healthy.count(Call::Open), 0);
    let _ = close(&try_start(&healthy, limited(3)).unwrap());
    let _ = close(&try_start(&healthy, limited(0)).unwrap());
    // What comes back frees the budget.
    fake.gate.open();
    eventually("reclaimed", || account("w-leak") == (2, 2));
    let _ = close(&try_start(&healthy, limited(1)).unwrap());
}

#[test]
fn what_waited_for_a_codec_that_hangs_can_be_taken_once_in_order() {
    let fake = Fake::new("w-untaken").with(Call::Send, 1, Fault::Hang);
    let run = start(&fake, SHORT);
    let sink = Sink::of(&run);
    feed(&run, 0..20);
    sink.returns();
    wedge(&run);
    // The first hangs. The others wait: two at least, for which there was room with it.
    let untaken = run.take_untaken();
    assert!(untaken.len() >= 2, "{untaken:?}");
    assert!(
        untaken.iter().copied().eq(1..=untaken.len() as u32),
        "{untaken:?}"
    );
    assert_eq!(run.take_untaken(), []);
    fake.gate.open();
}

#[test]
fn nothing_is_left_to_take_of_a_codec_that_hung_and_was_closed() {
    let fake = Fake::new("w-dropped").with(Call::Send, 1, Fault::Hang);
    let run = start(&fake, SHORT);
    let sink = Sink::of(&run);
    feed(&run, 0..20);
    sink.returns();
    wedge(&run);
    run.request_close();
    assert_eq!(run.take_untaken(), []);
    fake.gate.open();
}

#[test]
fn inputs_that_go_first_go_before_those_that_wait() {
    let fake = Fake::new("w-first").with(Call::Open, 1, Fault::Hang);
    let run = start(&fake, AMPLE);
    let sink = Sink::of(&run);
    feed(&run, 0..3);
    assert!(run.is_full());
    assert_eq!(run.submit_first(vec![10, 11]), Ok(()));
    fake.gate.open();
    assert_eq!(drain(&run, true), DrainResult::Complete);
    sink.returns();
    assert_eq!(sink.frames(), [10, 11, 0, 1, 2]);
    assert_eq!(run.submit_first(vec![12]), Err(vec![12]), "it has ended");
}

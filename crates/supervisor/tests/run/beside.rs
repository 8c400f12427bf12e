// SPDX-License-Identifier: MPL-2.0
//! Threads that enter the codec beside its worker: while the worker waits for
//! downstream, a few at once, and judged as any lane of the session.

use std::sync::mpsc;

use codecwatch_supervisor::{Budgets, CloseResult, DrainResult, FaultCause, Outcome, WaitResult};

use crate::fake::{Call, Fake, Fault, Gate};
use crate::support::{
    AMPLE, BOUND, FakeRun, SHORT, Sink, close, drain, eventually, feed, given_up, open, outcome,
    start, threads_named,
};

/// Waits in the codec until the gate opens.
fn wait_beside(run: &FakeRun, gate: &Gate) -> bool {
    let gate = gate.clone();
    run.beside("side", move |lane| {
        lane.call("fake_side", || gate.pass());
    })
}

#[test]
fn the_codec_is_entered_while_its_worker_waits_for_downstream() {
    let fake = Fake::new("b-full");
    let run = start(&fake, AMPLE);
    let gate = Gate::default();
    let sink = Sink::blocked_after(1, &gate, &run);
    // The delay, the outputs that wait, the one that is pushed and the inputs.
    for frame in 0.. {
        if run.submit(frame).is_err() && run.is_blocked() {
            break;
        }
    }
    let (tell, told) = mpsc::channel();
    assert!(run.beside("side", move |lane| {
        tell.send(lane.call("fake_side", || 7)).unwrap();
    }));
    assert_eq!(told.recv_timeout(BOUND), Ok(7));
    gate.open();
    assert_eq!(drain(&run, true), DrainResult::Complete);
    sink.returns();
    let (closed, _) = close(&run);
    assert!(matches!(closed, CloseResult::Closed));
}

#[test]
fn a_few_may_be_in_the_codec_at_once_and_others_after_them() {
    let run = start(&Fake::new("b-few"), AMPLE);
    let _sink = Sink::of(&run);
    open(&run);
    for _ in 0..3 {
        let gate = Gate::default();
        for _ in 0..4 {
            assert!(wait_beside(&run, &gate));
        }
        eventually("all are in it", || run.stats().session.calls.len() == 4);
        assert!(!wait_beside(&run, &gate), "a fifth");
        gate.open();
        eventually("all have left", || threads_named("b-few#") == 1);
    }
    let (closed, _) = close(&run);
    assert!(matches!(closed, CloseResult::Closed));
    assert!(!wait_beside(&run, &Gate::default()), "after the end");
}

#[test]
fn a_session_that_has_not_opened_cannot_be_entered() {
    let fake = Fake::new("b-early").with(Call::Open, 1, Fault::Hang);
    let run = start(&fake, AMPLE);
    assert!(!wait_beside(&run, &Gate::default()));
    fake.gate.open();
}

#[test]
fn a_thread_that_hangs_in_the_codec_is_given_up_with_the_session() {
    let run = start(&Fake::new("b-hang"), SHORT);
    let sink = Sink::of(&run);
    open(&run);
    let gate = Gate::default();
    assert!(wait_beside(&run, &gate));
    sink.returns();
    let outcome = run.outcome();
    let Some(Outcome::WatchdogAbandoned(fault)) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(matches!(fault.cause, FaultCause::Wedged { .. }));
    assert_eq!(fault.at.calls[0].0, "fake_side");
    gate.open();
    eventually("it is closed", || run.is_closed());
}

#[test]
fn a_session_is_not_closed_before_the_thread_has_left_it() {
    let run = start(
        &Fake::new("b-close"),
        Budgets {
            close: SHORT.close,
            ..AMPLE
        },
    );
    let _sink = Sink::of(&run);
    open(&run);
    let gate = Gate::default();
    assert!(wait_beside(&run, &gate));
    let fault = given_up(&run);
    assert_eq!(fault.at.calls[0].0, "fake_side");
    assert!(!run.is_closed());
    gate.open();
    eventually("it is closed", || run.is_closed());
}

#[test]
fn a_panic_beside_the_worker_ends_the_run() {
    let run = start(&Fake::new("b-panic"), AMPLE);
    let sink = Sink::of(&run);
    assert_eq!(feed(&run, 0..3), WaitResult::Ready);
    open(&run);
    assert!(run.beside("side", |_| panic!("on purpose")));
    sink.returns();
    assert_eq!(outcome(&run), Some("CodecPanicked"));
}

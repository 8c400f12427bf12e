// SPDX-License-Identifier: MPL-2.0
//! Questions to a session, which it answers on its worker.

use std::sync::mpsc;
use std::time::Duration;

use codecwatch_supervisor::{
    AskResult, Budgets, FaultCause, Lane, Outcome, Phase, Reason, Session, WaitResult,
};

use crate::fake::mute::Mute;
use crate::fake::{Call, Fake, FakeSession, Fault, Gate};
use crate::support::{
    AMPLE, BOUND, FakeRun, MS, SHORT, Sink, bounded, close, drain, eventually, feed, outcome, start,
};

fn ask<R: Send + 'static>(
    run: &FakeRun,
    bound: Duration,
    question: impl FnOnce(&mut FakeSession, &Lane<u32>) -> R + Send + 'static,
) -> AskResult<R> {
    let run = run.clone();
    bounded(move || run.ask(bound, question))
}

/// The same without waiting for the end of it.
fn ask_aside<R: Send + 'static>(
    run: &FakeRun,
    question: impl FnOnce(&mut FakeSession, &Lane<u32>) -> R + Send + 'static,
) -> mpsc::Receiver<AskResult<R>> {
    let (sender, result) = mpsc::channel();
    let run = run.clone();
    std::thread::spawn(move || sender.send(run.ask(BOUND, question)));
    result
}

fn worker() -> String {
    std::thread::current().name().unwrap_or_default().to_owned()
}

#[test]
fn a_question_is_answered_by_the_session_on_its_worker() {
    let run = start(&Fake::new("q-answer"), AMPLE);
    let answer = ask(&run, BOUND, |session: &mut FakeSession, lane| {
        (session.delay(), lane.call("fake_ask", worker))
    });
    let AskResult::Answered((delay, worker)) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(delay, Some(2));
    assert!(worker.starts_with("q-answer#"), "{worker}");
    let _ = close(&run);
}

#[test]
fn a_question_before_the_open_is_answered_after_it() {
    let fake = Fake::new("q-early").with(Call::Open, 1, Fault::Hang);
    let run = start(&fake, AMPLE);
    fake.strikes();
    assert_eq!(ask(&run, 50 * MS, |_, _| ()), AskResult::TimedOut);
    let result = ask_aside(&run, |_, _| 7);
    fake.gate.open();
    assert_eq!(result.recv_timeout(BOUND), Ok(AskResult::Answered(7)));
    let _ = close(&run);
}

#[test]
fn a_question_behind_a_wedge_runs_into_its_bound_and_the_wedge_is_judged_all_the_same() {
    let fake = Fake::new("q-behind").with(Call::Send, 1, Fault::Hang);
    let budgets = Budgets {
        watchdog: 2000 * MS,
        ..SHORT
    };
    let run = start(&fake, budgets);
    let sink = Sink::of(&run);
    assert_eq!(feed(&run, 0..1), WaitResult::Ready);
    fake.strikes();
    assert_eq!(ask(&run, 50 * MS, |_, _| ()), AskResult::TimedOut);
    // Who waits on learns of the end.
    assert_eq!(ask(&run, BOUND, |_, _| ()), AskResult::NoSession);
    sink.returns();
    let outcome = run.outcome().unwrap();
    let cause = &outcome.fault().unwrap().cause;
    assert!(
        matches!(
            cause,
            FaultCause::Wedged {
                reason: Reason::Call,
                ..
            }
        ),
        "{cause:?}"
    );
    assert_eq!(ask(&run, BOUND, |_, _| ()), AskResult::NoSession);
    fake.gate.open();
    eventually("it comes back", || run.is_closed());
}

#[test]
fn a_session_that_hangs_in_a_question_is_given_up_although_nobody_waits_any_more() {
    let run = start(&Fake::new("q-hang"), SHORT);
    let sink = Sink::of(&run);
    let gate = Gate::default();
    let hang = gate.clone();
    assert_eq!(
        ask(&run, 10 * MS, move |_, _| hang.pass()),
        AskResult::TimedOut
    );
    sink.returns();
    let outcome = run.outcome().unwrap();
    assert!(matches!(outcome, Outcome::WatchdogAbandoned(_)));
    let fault = outcome.fault().unwrap();
    assert_eq!(fault.at.phase, Phase::Running);
    assert!(
        matches!(
            fault.cause,
            FaultCause::Wedged {
                reason: Reason::Question,
                ..
            }
        ),
        "{fault}"
    );
    gate.open();
    eventually("it comes back", || run.is_closed());
}

#[test]
fn an_idle_session_owes_nothing_after_an_answer() {
    let run = start(&Fake::new("q-idle"), SHORT);
    let _sink = Sink::of(&run);
    assert_eq!(ask(&run, BOUND, |_, _| 1), AskResult::Answered(1));
    std::thread::sleep(4 * SHORT.watchdog);
    assert_eq!(outcome(&run), None);
    let _ = close(&run);
}

#[test]
fn a_cancel_ends_the_wait_for_an_answer_and_so_does_a_close() {
    for closes in [false, true] {
        let fake = Fake::new("q-cancel").with(Call::Send, 1, Fault::Hang);
        let run = start(&fake, AMPLE);
        assert_eq!(feed(&run, 0..1), WaitResult::Ready);
        fake.strikes();
        let queued = ask_aside(&run, |_, _| ());
        std::thread::sleep(50 * MS);
        let expected = if closes {
            run.request_close();
            AskResult::NoSession
        } else {
            run.cancel();
            assert_eq!(ask(&run, BOUND, |_, _| ()), AskResult::Cancelled);
            AskResult::Cancelled
        };
        assert_eq!(queued.recv_timeout(BOUND), Ok(expected));
        fake.gate.open();
        run.resume();
        let _ = close(&run);
        assert_eq!(ask(&run, BOUND, |_, _| ()), AskResult::NoSession);
    }
}

#[test]
fn a_session_that_has_given_everything_is_not_there_to_ask() {
    let run = start(&Fake::new("q-spent"), AMPLE);
    let _sink = Sink::of(&run);
    assert_eq!(feed(&run, 0..1), WaitResult::Ready);
    let _ = drain(&run, true);
    assert_eq!(ask(&run, BOUND, |_, _| ()), AskResult::NoSession);
    let _ = close(&run);
}

#[test]
fn a_session_of_another_type_is_not_there_to_ask() {
    let run = start(&Fake::new("q-other"), AMPLE);
    let asked = run.clone();
    let answer = bounded(move || asked.ask(BOUND, |_: &mut Mute<u32>, _| ()));
    assert_eq!(answer, AskResult::NoSession);
    let _ = close(&run);
}

#[test]
fn a_panic_over_a_question_ends_the_run() {
    let run = start(&Fake::new("q-panic"), AMPLE);
    let answer: AskResult<()> = ask(&run, BOUND, |_, _| panic!("scripted"));
    assert_eq!(answer, AskResult::NoSession);
    eventually("the run ends", || outcome(&run) == Some("CodecPanicked"));
    let _ = close(&run);
}

#[test]
fn questions_are_no_frames_and_take_no_room_of_inputs() {
    let run = start(&Fake::new("q-room").with_delay(None), AMPLE);
    let (gate, busy) = (Gate::default(), Gate::default());
    let (hang, begun) = (gate.clone(), busy.clone());
    let first = ask_aside(&run, move |_, _| {
        begun.open();
        hang.pass();
    });
    busy.pass();
    let others: Vec<_> = (0..8).map(|_| ask_aside(&run, |_, _| ())).collect();
    std::thread::sleep(50 * MS);
    let session = run.stats().session;
    assert_eq!(
        (session.frames_in, session.queued, session.inside),
        (0, 0, 0)
    );
    for frame in 0..3 {
        assert_eq!(run.submit(frame), Ok(()));
    }
    assert!(run.is_full());
    gate.open();
    for result in others.into_iter().chain([first]) {
        assert_eq!(result.recv_timeout(BOUND), Ok(AskResult::Answered(())));
    }
    let _ = close(&run);
}

#[test]
fn between_two_inputs_one_question_is_asked_at_most() {
    let run = start(&Fake::new("q-turns"), AMPLE);
    let (gate, busy) = (Gate::default(), Gate::default());
    let (hang, begun) = (gate.clone(), busy.clone());
    let first = ask_aside(&run, move |_, _| {
        begun.open();
        hang.pass();
    });
    busy.pass();
    // How many inputs have been sent when each of them is answered.
    let sent = |session: &mut FakeSession, _: &Lane<u32>| session.sent();
    let others: Vec<_> = (0..3).map(|_| ask_aside(&run, sent)).collect();
    std::thread::sleep(100 * MS);
    for frame in 0..2 {
        assert_eq!(run.submit(frame), Ok(()));
    }
    gate.open();
    assert_eq!(first.recv_timeout(BOUND), Ok(AskResult::Answered(())));
    let mut seen: Vec<_> = others
        .iter()
        .map(|result| match result.recv_timeout(BOUND) {
            Ok(AskResult::Answered(sent)) => sent,
            other => panic!("{other:?}"),
        })
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, [1, 2, 2]);
    let _ = close(&run);
}

/// Says on which thread it was dropped; hangs there if the run's lock is held.
struct Tell(FakeRun, mpsc::Sender<String>);

impl Drop for Tell {
    fn drop(&mut self) {
        let _ = self.0.stats();
        let _ = self.1.send(worker());
    }
}

#[test]
fn an_answer_that_nobody_waits_for_is_dropped_on_the_worker_without_a_lock() {
    let run = start(&Fake::new("q-late"), AMPLE);
    let gate = Gate::default();
    let (dropped, drops) = mpsc::channel();
    let (hang, answer) = (gate.clone(), Tell(run.clone(), dropped));
    let asked = ask(&run, 50 * MS, move |_, _| {
        hang.pass();
        answer
    });
    assert!(matches!(asked, AskResult::TimedOut));
    gate.open();
    let thread = drops.recv_timeout(BOUND).unwrap();
    assert!(thread.starts_with("q-late#"), "{thread}");
    // And nobody is in the way of the next one.
    assert_eq!(ask(&run, BOUND, |_, _| 1), AskResult::Answered(1));
    let _ = close(&run);
}

#[test]
fn a_question_that_was_not_asked_is_dropped_by_whoever_gave_it_up_without_a_lock() {
    let fake = Fake::new("q-unasked").with(Call::Send, 1, Fault::Hang);
    let run = start(&fake, AMPLE);
    assert_eq!(feed(&run, 0..1), WaitResult::Ready);
    fake.strikes();
    let (dropped, drops) = mpsc::channel();
    let held = Tell(run.clone(), dropped);
    assert!(matches!(
        ask(&run, 50 * MS, move |_, _| held),
        AskResult::TimedOut
    ));
    let thread = drops.recv_timeout(BOUND).unwrap();
    assert!(!thread.starts_with("q-unasked#"), "{thread}");
    fake.gate.open();
    let _ = close(&run);
}

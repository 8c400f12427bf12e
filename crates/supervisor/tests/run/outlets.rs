// SPDX-License-Identifier: MPL-2.0
//! Threads of a codec that are not lanes, questions that keep their order, and
//! notifications.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use codecwatch_supervisor::{AskResult, CodecError, Discarded, FaultCause, Outlet, WaitResult};

use crate::fake::{Call, Fake, FakeSession, Fault};
use crate::support::{AMPLE, BOUND, FakeRun, MS, Sink, bounded, close, eventually, feed, start};

fn outlet(run: &FakeRun) -> Outlet<u32> {
    let run = run.clone();
    let answer = bounded(move || run.ask(BOUND, |_: &mut FakeSession, lane| lane.outlet()));
    let AskResult::Answered(outlet) = answer else {
        panic!("{answer:?}")
    };
    outlet
}

/// A session that hangs with its first frame, and has two more waiting.
fn hung(name: &'static str) -> (Fake, FakeRun) {
    let fake = Fake::new(name).with(Call::Send, 1, Fault::Hang);
    let run = start(&fake, AMPLE);
    assert_eq!(feed(&run, 0..1), WaitResult::Ready);
    fake.strikes();
    assert!(run.submit(1).is_ok() && run.submit(2).is_ok());
    (fake, run)
}

/// Asks in order; the answer is how many commands wait then.
fn ask_in_order_aside(run: &FakeRun) -> mpsc::Receiver<AskResult<usize>> {
    let (sender, result) = mpsc::channel();
    let (run, looks) = (run.clone(), run.clone());
    std::thread::spawn(move || {
        let question = move |_: &mut FakeSession, _: &_| looks.stats().session.queued;
        sender.send(run.ask_in_order(question))
    });
    result
}

#[test]
fn a_question_in_order_is_answered_after_the_inputs_before_it() {
    let (fake, run) = hung("o-order");
    let _sink = Sink::of(&run);
    let in_order = ask_in_order_aside(&run);
    eventually("it waits", || run.stats().session.queued == 3);
    let looks = run.clone();
    let at_once = run.clone();
    let (sender, first) = mpsc::channel();
    std::thread::spawn(move || {
        let question = move |_: &mut FakeSession, _: &_| looks.stats().session.queued;
        sender.send(at_once.ask(BOUND, question))
    });
    // So that it waits, too.
    std::thread::sleep(50 * MS);
    fake.gate.open();
    assert_eq!(first.recv_timeout(BOUND), Ok(AskResult::Answered(3)));
    assert_eq!(in_order.recv_timeout(BOUND), Ok(AskResult::Answered(0)));
    let _ = close(&run);
}

#[test]
fn a_flush_drops_a_question_in_order_and_a_close_answers_none() {
    let (fake, run) = hung("o-flush");
    let asked = ask_in_order_aside(&run);
    eventually("it waits", || run.stats().session.queued == 3);
    run.flush();
    let result = asked.recv_timeout(BOUND);
    assert!(matches!(result, Ok(AskResult::NoSession)), "{result:?}");
    fake.gate.open();
    let _ = close(&run);
    let closed = bounded(move || run.ask_in_order(|_: &mut FakeSession, _| 7));
    assert_eq!(closed, AskResult::NoSession);
}

#[test]
fn notifications_run_on_the_worker_and_have_a_limit() {
    let (fake, run) = hung("o-notify");
    let _sink = Sink::of(&run);
    let counted = Arc::new(AtomicUsize::new(0));
    let notify = || {
        let counted = counted.clone();
        run.notify(move |_: &mut FakeSession, _| {
            counted.fetch_add(1, Ordering::Relaxed);
        })
    };
    let taken = (0..100).filter(|_| notify()).count();
    assert_eq!(taken, 64);
    fake.gate.open();
    eventually("all run", || counted.load(Ordering::Relaxed) == 64);
    assert!(notify(), "there is room again");
    eventually("this one, too", || counted.load(Ordering::Relaxed) == 65);
    let _ = close(&run);
    assert!(!notify(), "there is no session");
}

#[test]
fn another_threads_output_comes_out_and_its_failure_ends_the_run() {
    let run = start(&Fake::new("o-thread"), AMPLE);
    let outlet = outlet(&run);
    let sink = Sink::of(&run);
    assert_eq!(outlet.emit(77, 0), Ok(()));
    eventually("it is taken", || sink.frames().contains(&77));
    outlet.fail(CodecError::Reported {
        part: "a part".into(),
        text: "a reason".to_owned(),
    });
    sink.returns();
    let outcome = run.outcome().unwrap();
    let cause = &outcome.fault().unwrap().cause;
    let FaultCause::Failed(error) = cause else {
        panic!("{cause:?}")
    };
    assert_eq!(error.to_string(), "a part: a reason");
    assert_eq!(outlet.emit(78, 0), Err(Discarded));
    assert!(outlet.discarding());
    eventually("it closes", || run.is_closed());
}

#[test]
fn the_call_in_flight_has_the_name_of_what_it_has_reached_and_its_own_age() {
    let run = start(&Fake::new("o-reach"), AMPLE);
    let looks = run.clone();
    let asker = run.clone();
    let answer = bounded(move || {
        asker.ask(BOUND, move |_: &mut FakeSession, lane| {
            lane.call("first: chain", || {
                std::thread::sleep(20 * MS);
                lane.outlet().call_reached("second: chain");
                looks.stats().session.calls
            })
        })
    });
    let AskResult::Answered(calls) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].0, "second: chain");
    assert!(calls[0].1 >= 20 * MS, "{calls:?}");
    let _ = close(&run);
}

#[test]
fn a_wait_for_a_signal_ends_with_it_and_with_the_session() {
    let run = start(&Fake::new("o-signal"), AMPLE);
    let outlet = outlet(&run);
    let wait = |run: &FakeRun| {
        let run = run.clone();
        let (sender, result) = mpsc::channel();
        std::thread::spawn(move || {
            run.notify(move |_: &mut FakeSession, lane| {
                let _ = sender.send(lane.wait_for_signal());
            })
        });
        result
    };
    let waits = wait(&run);
    assert!(waits.recv_timeout(50 * MS).is_err());
    outlet.signal();
    assert_eq!(waits.recv_timeout(BOUND), Ok(Ok(())));
    let waits = wait(&run);
    assert!(
        waits.recv_timeout(50 * MS).is_err(),
        "one signal ends one wait"
    );
    run.request_close();
    assert_eq!(waits.recv_timeout(BOUND), Ok(Err(Discarded)));
    let _ = close(&run);
}

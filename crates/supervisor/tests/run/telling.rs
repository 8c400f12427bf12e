// SPDX-License-Identifier: MPL-2.0
//! What a session says beside its output: facts, and what it tells at once. It does
//! so here while it is asked something, as it could anywhere.

use std::sync::mpsc;

use codecwatch_supervisor::{AskResult, CloseResult, Lane, Run, WaitResult};

use crate::fake::mute::Mute;
use crate::fake::{Call, Fake, FakeSession, Fault, Gate};
use crate::support::{
    AMPLE, BOUND, FakeRun, MS, SHORT, Sink, bounded, close, eventually, feed, options, outcome,
    start,
};

#[track_caller]
fn on_the_worker(run: &FakeRun, act: impl FnOnce(&Lane<u32>) + Send + 'static) {
    let run = run.clone();
    let asked = bounded(move || run.ask(BOUND, |_: &mut FakeSession, lane| act(lane)));
    assert_eq!(asked, AskResult::Answered(()));
}

fn fact(run: &FakeRun) -> Option<u32> {
    run.facts::<u32>().as_deref().copied()
}

#[test]
fn the_latest_facts_are_read_by_their_type() {
    let run = start(&Fake::new("f-latest"), AMPLE);
    assert_eq!(fact(&run), None);
    on_the_worker(&run, |lane| lane.publish(1_u32));
    on_the_worker(&run, |lane| lane.publish(2_u32));
    assert_eq!(fact(&run), Some(2));
    assert!(run.facts::<String>().is_none());
    let _ = close(&run);
}

#[test]
fn facts_are_read_while_the_session_is_wedged_and_after_its_end() {
    let fake = Fake::new("f-wedged").with(Call::Send, 1, Fault::Hang);
    let run = start(&fake, SHORT);
    on_the_worker(&run, |lane| lane.publish(7_u32));
    let sink = Sink::of(&run);
    assert_eq!(feed(&run, 0..1), WaitResult::Ready);
    fake.strikes();
    assert_eq!(fact(&run), Some(7));
    sink.returns();
    assert_eq!(outcome(&run), Some("WatchdogAbandoned"));
    assert_eq!(fact(&run), Some(7));
    fake.gate.open();
    eventually("it comes back", || run.is_closed());
    assert_eq!(fact(&run), Some(7));
}

#[test]
fn the_output_task_learns_of_new_facts_before_it_gets_more_output() {
    let run = start(&Fake::new("f-first").with_delay(Some(0)), AMPLE);
    on_the_worker(&run, |lane| lane.publish(7_u32));
    assert_eq!(feed(&run, 0..2), WaitResult::Ready);
    eventually("both come out", || run.stats().session.inside == 0);
    let sink = Sink::of(&run);
    eventually("both are taken", || sink.frames().len() == 2);
    assert_eq!(sink.facts(), [(Some(7), 0)]);
    // Also where it sleeps.
    on_the_worker(&run, |lane| lane.publish(8_u32));
    eventually("it wakes", || sink.facts() == [(Some(7), 0), (Some(8), 2)]);
    let _ = close(&run);
}

/// Hangs where it is dropped if the run's lock is held there.
struct Unlocked<O: Send + 'static>(Run<u32, O>, mpsc::Sender<()>);

impl<O: Send + 'static> Drop for Unlocked<O> {
    fn drop(&mut self) {
        let _ = self.0.stats();
        let _ = self.1.send(());
    }
}

#[test]
fn facts_that_are_replaced_are_dropped_without_a_lock() {
    let run = start(&Fake::new("f-drop"), AMPLE);
    let (dropped, drops) = mpsc::channel();
    let facts = Unlocked(run.clone(), dropped);
    on_the_worker(&run, move |lane| lane.publish(facts));
    on_the_worker(&run, |lane| lane.publish(1_u32));
    assert_eq!(drops.recv_timeout(BOUND), Ok(()));
    let _ = close(&run);
}

#[test]
fn what_is_told_goes_ahead_of_outputs_that_wait_but_not_of_one_that_is_pushed() {
    let run = start(&Fake::new("t-ahead").with_delay(Some(0)), AMPLE);
    let gate = Gate::default();
    let sink = Sink::blocked_after(0, &gate, &run);
    assert_eq!(feed(&run, 0..3), WaitResult::Ready);
    eventually("one is pushed and two wait", || {
        run.stats().session.inside == 0 && sink.frames().len() == 1
    });
    on_the_worker(&run, |lane| {
        lane.tell(70);
        lane.tell(71);
    });
    std::thread::sleep(20 * MS);
    assert_eq!(sink.told(), []);
    gate.open();
    eventually("everything is taken", || sink.frames().len() == 3);
    assert_eq!(sink.told_at(), [1, 1]);
    assert_eq!(sink.told(), [(70, 0), (71, 0)]);
    assert_eq!(sink.frames(), [0, 1, 2]);
    let _ = close(&run);
}

#[test]
fn what_is_told_wakes_an_output_task_that_sleeps() {
    let run = start(&Fake::new("t-wakes"), AMPLE);
    let sink = Sink::of(&run);
    on_the_worker(&run, |_| {});
    std::thread::sleep(50 * MS);
    on_the_worker(&run, |lane| lane.tell(70));
    eventually("it is told", || sink.told() == [(70, 0)]);
    let _ = close(&run);
}

#[test]
fn of_what_nobody_fetches_the_newest_are_kept_and_the_others_counted() {
    let run = start(&Fake::new("t-many"), AMPLE);
    on_the_worker(&run, |lane| (0..100).for_each(|number| lane.tell(number)));
    let sink = Sink::of(&run);
    eventually("sixteen are told", || sink.told().len() == 16);
    let expected: Vec<_> = (84..100)
        .map(|number| (number, if number == 84 { 84 } else { 0 }))
        .collect();
    assert_eq!(sink.told(), expected);
    on_the_worker(&run, |lane| lane.tell(100));
    eventually("another is told", || sink.told().last() == Some(&(100, 0)));
    let _ = close(&run);
}

#[test]
fn what_nobody_fetches_is_dropped_without_a_lock() {
    struct Told(#[allow(dead_code, reason = "it is there to be dropped")] Unlocked<Told>);
    let run = Run::start(Mute::<Told>::new("t-drop"), options(AMPLE)).unwrap();
    let (dropped, drops) = mpsc::channel();
    let of = run.clone();
    let asked = bounded(move || {
        let told = of.clone();
        of.ask(BOUND, move |_: &mut Mute<Told>, lane| {
            (0..17).for_each(|_| lane.tell(Told(Unlocked(told.clone(), dropped.clone()))));
        })
    });
    assert_eq!(asked, AskResult::Answered(()));
    assert_eq!(drops.recv_timeout(BOUND), Ok(()));
    assert!(drops.try_recv().is_err());
    assert!(matches!(run.close(), CloseResult::Closed));
}

#[test]
fn who_only_tells_owes_as_before() {
    let run = start(&Fake::new("t-owes").with_delay(Some(0)), SHORT);
    let sink = Sink::of(&run);
    let gate = Gate::default();
    let over = gate.clone();
    let asked = run.ask(SHORT.watchdog / 10, move |_: &mut FakeSession, lane| {
        while !over.is_open() {
            lane.tell(1);
            std::thread::sleep(MS);
        }
    });
    assert_eq!(asked, AskResult::TimedOut);
    sink.returns();
    assert_eq!(outcome(&run), Some("WatchdogAbandoned"));
    gate.open();
    eventually("it comes back", || run.is_closed());
}

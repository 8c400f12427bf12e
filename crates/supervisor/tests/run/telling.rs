// SPDX-License-Identifier: MPL-2.0
//! What a session says beside its output: facts, and what it tells at once. It does
//! so here while it is asked something, as it could anywhere.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Instant;

use codecwatch_supervisor::{
    AskResult, Budgets, CloseResult, DrainResult, Lane, Listener, Options, Run, WaitResult,
};

use crate::fake::mute::Mute;
use crate::fake::{Call, Fake, FakeSession, Fault, Gate};
use crate::support::{
    AMPLE, BOUND, FakeRun, MS, SHORT, Sink, bounded, close, drain, eventually, feed, options,
    outcome, start, try_start,
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

/// A listener, and what it has handled: each thing, and how many were missed before it.
#[derive(Default, Clone)]
struct Ear {
    heard: Arc<Mutex<Vec<(u32, u64)>>>,
    gate: Gate,
    /// Opens when it hangs.
    hangs: Gate,
}

impl Ear {
    /// Starts a run that it listens to. It hangs at 13 until its gate opens.
    fn listens_to(&self, fake: &Fake, budgets: Budgets) -> FakeRun {
        let ear = self.clone();
        let listener = Listener::new(move |told, missed| {
            if told == 13 {
                ear.hangs.open();
                ear.gate.pass();
            }
            ear.heard.lock().unwrap().push((told, missed));
        });
        let options = Options {
            listener: Some(listener),
            ..options(budgets)
        };
        try_start(fake, options).unwrap()
    }

    fn heard(&self) -> Vec<u32> {
        self.heard
            .lock()
            .unwrap()
            .iter()
            .map(|&(told, _)| told)
            .collect()
    }

    fn missed(&self) -> u64 {
        self.heard
            .lock()
            .unwrap()
            .iter()
            .map(|&(_, missed)| missed)
            .sum()
    }
}

#[test]
fn what_is_told_does_not_wait_for_an_output_that_is_being_pushed() {
    let ear = Ear::default();
    let run = ear.listens_to(&Fake::new("t-beside").with_delay(Some(0)), AMPLE);
    let gate = Gate::default();
    let sink = Sink::blocked_after(0, &gate, &run);
    assert_eq!(feed(&run, 0..3), WaitResult::Ready);
    eventually("one is pushed and two wait", || {
        run.stats().session.inside == 0 && sink.frames().len() == 1
    });
    // More than may wait.
    on_the_worker(&run, |lane| (100..400).for_each(|number| lane.tell(number)));
    eventually("all are heard", || ear.heard().len() == 300);
    assert_eq!(ear.heard(), Vec::from_iter(100..400));
    assert_eq!((ear.missed(), sink.frames().len()), (0, 1));
    gate.open();
    let _ = close(&run);
}

#[test]
fn after_a_stop_the_listener_gets_nothing_more() {
    let ear = Ear::default();
    let run = ear.listens_to(&Fake::new("t-stop"), AMPLE);
    on_the_worker(&run, |lane| (13..20).for_each(|number| lane.tell(number)));
    ear.hangs.pass();
    run.stop_telling();
    on_the_worker(&run, |lane| lane.tell(20));
    // It has the first, which takes long.
    run.wait_told(50 * MS);
    assert_eq!(ear.heard(), []);
    ear.gate.open();
    bounded({
        let run = run.clone();
        move || run.wait_told(BOUND)
    });
    assert_eq!(ear.heard(), [13]);
    on_the_worker(&run, |lane| lane.tell(21));
    let _ = close(&run);
    assert_eq!(ear.heard(), [13]);
}

#[test]
fn an_output_and_the_end_of_a_drain_wait_for_what_was_told_before_and_not_for_ever() {
    let ear = Ear::default();
    let run = ear.listens_to(&Fake::new("t-order").with_delay(Some(0)), AMPLE);
    let sink = Sink::of(&run);
    on_the_worker(&run, |lane| lane.tell(13));
    assert_eq!(feed(&run, 0..1), WaitResult::Ready);
    eventually("it is out", || run.stats().session.inside == 0);
    std::thread::sleep(50 * MS);
    assert_eq!(sink.frames(), []);
    ear.gate.open();
    eventually("it is taken", || sink.frames() == [0]);
    assert_eq!(ear.heard(), [13]);

    let ear = Ear::default();
    let run = ear.listens_to(&Fake::new("t-drain").with_delay(Some(0)), AMPLE);
    let sink = Sink::of(&run);
    on_the_worker(&run, |lane| lane.tell(13));
    let began = Instant::now();
    assert_eq!(feed(&run, 0..1), WaitResult::Ready);
    assert_eq!(drain(&run, true), DrainResult::Complete);
    assert!(began.elapsed() >= 500 * MS, "{:?}", began.elapsed());
    assert_eq!((sink.frames(), ear.heard()), (vec![0], vec![]));
    ear.gate.open();
}

#[test]
fn what_a_listener_that_hangs_does_not_handle_is_dropped_without_a_lock_and_counted() {
    let ear = Ear::default();
    let run = ear.listens_to(&Fake::new("t-many"), AMPLE);
    on_the_worker(&run, |lane| {
        lane.tell(13);
        (100..200).for_each(|number| lane.tell(number));
    });
    ear.gate.open();
    eventually("there is room", || ear.heard().len() == 1 + 64);
    on_the_worker(&run, |lane| lane.tell(200));
    eventually("the latest is heard", || ear.heard().last() == Some(&200));
    assert_eq!(ear.missed(), 36);
    assert_eq!(ear.heard().len(), 1 + 64 + 1);
    let _ = close(&run);
}

#[test]
fn what_nobody_hears_is_dropped_without_a_lock() {
    struct Told(#[allow(dead_code, reason = "it is there to be dropped")] Unlocked<Told>);
    let run = Run::start(Mute::<Told>::new("t-drop"), options(AMPLE)).unwrap();
    let (dropped, drops) = mpsc::channel();
    let of = run.clone();
    let asked = bounded(move || {
        let told = of.clone();
        of.ask(BOUND, move |_: &mut Mute<Told>, lane| {
            lane.tell(Told(Unlocked(told.clone(), dropped.clone())));
        })
    });
    assert_eq!(asked, AskResult::Answered(()));
    assert_eq!(drops.recv_timeout(BOUND), Ok(()));
    assert!(matches!(run.close(), CloseResult::Closed));
}

#[test]
fn a_notification_that_a_wedged_session_never_gets_is_told_instead() {
    let ear = Ear::default();
    let fake = Fake::new("t-wedge").with(Call::Send, 1, Fault::Hang);
    let run = ear.listens_to(&fake, SHORT);
    let sink = Sink::of(&run);
    assert_eq!(feed(&run, 0..1), WaitResult::Ready);
    fake.strikes();
    assert!(run.notify_or_tell(|_: &mut FakeSession, _| {}, 7));
    sink.returns();
    eventually("it is told", || ear.heard() == [7]);
    assert!(!run.notify_or_tell(|_: &mut FakeSession, _| {}, 8));
    fake.gate.open();
    eventually("it comes back", || run.is_closed());
    assert_eq!(ear.heard(), [7]);
}

#[test]
fn a_notification_that_came_before_the_end_of_a_stream_is_told_instead() {
    let ear = Ear::default();
    let run = ear.listens_to(&Fake::new("t-spent"), AMPLE);
    let sink = Sink::of(&run);
    let of = run.clone();
    on_the_worker(&run, move |_| {
        // A command goes between two questions.
        of.request_drain(true);
        assert!(of.notify_or_tell(|_: &mut FakeSession, _| {}, 7));
    });
    sink.returns();
    eventually("it is told", || ear.heard() == [7]);
    eventually("it closes", || run.is_closed());
}

#[test]
fn who_only_tells_owes_as_before() {
    let ear = Ear::default();
    let run = ear.listens_to(&Fake::new("t-owes").with_delay(Some(0)), SHORT);
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

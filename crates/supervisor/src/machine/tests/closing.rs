// SPDX-License-Identifier: MPL-2.0
//! A close: its clock, and how samples are judged.

use super::super::*;
use super::world::{MS, World};
use crate::{Sample, Source};

#[test]
fn an_open_that_begins_when_the_session_shall_close_does_not_restart_the_clock() {
    let mut world = World::queued();
    world.tell(Event::CloseBegan);
    world.pass(200 * MS);
    world.tell(Event::OpenBegan);
    world.pass(5000 * MS);
    assert_eq!(world.abandoned, Some((Reason::Close, 300 * MS)));
}

#[test]
fn a_close_that_sleeps_is_wedged_when_its_budget_runs_out() {
    let mut world = World::running(None);
    world.tell(Event::CloseBegan);
    assert_eq!(world.machine.close_until(), Some(world.start + 300 * MS));
    world.pass(5000 * MS);
    assert_eq!(world.abandoned, Some((Reason::Close, 300 * MS)));
}

#[test]
fn a_close_that_works_is_slow_and_not_wedged_until_the_limit_and_nobody_is_told() {
    let mut world = World::running(None);
    world.load = 100;
    world.tell(Event::CloseBegan);
    world.pass(9000 * MS);
    assert_eq!((world.abandoned, world.slow), (None, 0));
    assert_eq!(world.machine.verdict(), Verdict::Slow);
    assert_eq!(
        world.machine.close_until(),
        Some(world.start + 300 * MS),
        "who waits for it waits no longer"
    );
    world.pass(2000 * MS);
    assert_eq!(world.abandoned, Some((Reason::Close, 10_000 * MS)));
}

#[test]
fn a_close_that_falls_asleep_after_it_worked_is_wedged_one_observation_later() {
    let mut world = World::running(None);
    world.load = 100;
    world.tell(Event::CloseBegan);
    world.pass(3000 * MS);
    world.load = 0;
    world.pass(150 * MS);
    assert!(world.abandoned.is_some());
}

#[test]
fn the_clock_of_a_close_starts_when_it_is_asked_for_in_whatever_phase() {
    let phases: [(Phase, &[Event]); 5] = [
        (Phase::Waiting, &[]),
        (Phase::Opening, &[Event::OpenBegan]),
        (
            Phase::Running,
            &[Event::OpenBegan, Event::Opened { delay: None }],
        ),
        (
            Phase::Draining,
            &[
                Event::OpenBegan,
                Event::Opened { delay: None },
                Event::DrainBegan,
            ],
        ),
        (Phase::Closing, &[Event::CloseBegan]),
    ];
    for (phase, events) in phases {
        let mut world = World::queued();
        for event in events {
            world.tell(event.clone());
        }
        assert_eq!(world.machine.phase(), phase);
        if phase != Phase::Closing {
            world.pass(100 * MS);
        }
        let asked = world.now;
        world.tell(Event::CloseBegan);
        // Nothing that happens afterwards starts it again.
        for event in [
            Event::OpenBegan,
            Event::Opened { delay: None },
            Event::DrainBegan,
            Event::Drained,
            Event::Discarded { amount: 0.into() },
            Event::FlushBegan,
            Event::Flushed,
            Event::CloseBegan,
        ] {
            world.pass(20 * MS);
            world.tell(event);
        }
        assert_eq!(world.machine.close_until(), Some(asked + 300 * MS));
        world.pass(5000 * MS);
        let given_up = asked + 300 * MS - world.start;
        assert_eq!(
            world.abandoned,
            Some((Reason::Close, given_up)),
            "{phase:?}"
        );
    }
}

#[test]
fn a_close_that_nobody_attended_to_is_observed_before_it_is_judged() {
    let mut world = World::running(None);
    world.load = 100;
    world.tell(Event::CloseBegan);
    world.stop(Duration::from_secs(5));
    world.tell(Event::Tick);
    assert_eq!(world.abandoned, None);
    assert_eq!(world.machine.snapshot(world.now).late, 0, "nobody had to");
    world.load = 0;
    world.pass(80 * MS);
    assert!(world.abandoned.is_some());
}

#[test]
fn a_process_that_was_stopped_while_it_closes_judges_again() {
    for stopped_at in [100, 230, 290] {
        let mut world = World::running(None);
        world.load = 100;
        world.tell(Event::CloseBegan);
        world.pass(stopped_at * MS);
        world.stop(Duration::from_secs(8));
        world.tell(Event::Tick);
        world.pass(500 * MS);
        assert_eq!(world.abandoned, None, "stopped at {stopped_at} ms");
    }
}

#[test]
fn a_look_that_was_for_another_judgement_is_ignored() {
    let mut world = World::running(None);
    world.calls("send");
    world.advance_to(world.now + 750 * MS);
    world.machine.handle(world.now, Event::Tick);
    let Some(Action::TakeSample { look }) = world.machine.poll() else {
        panic!("no look");
    };
    assert_eq!(world.machine.deadline(), None, "somebody looks");
    // Meanwhile its close is requested, and the close is sampled, too.
    world.tell(Event::CloseBegan);
    world.advance_to(world.now + 225 * MS);
    world.machine.handle(world.now, Event::Tick);
    let sample = Sample {
        source: Source::Schedstat,
        threads: Vec::new(),
    };
    let stale = Event::Sampled { look, sample };
    world.machine.handle(world.now, stale);
    assert_eq!(world.machine.deadline(), None, "not what was asked for");
    world.obey();
    world.pass(100 * MS);
    assert_eq!(world.abandoned, Some((Reason::Close, 1050 * MS)));
}

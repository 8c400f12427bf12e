// SPDX-License-Identifier: MPL-2.0
//! Invariants under any sequence of events.

use proptest::prelude::*;

use super::super::*;
use super::world::{MS, World};

#[derive(Debug, Clone)]
enum Step {
    Pass(u64),
    Tell(Event),
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![Just(CallKind::Owed), Just(CallKind::Waits)];
    prop_oneof![
        3 => (0u64..3000).prop_map(Step::Pass),
        1 => Just(Step::Tell(Event::Submitted { amount: 1.into() })),
        1 => Just(Step::Tell(Event::Taken { amount: 1.into() })),
        1 => (0usize..3, kind).prop_map(|(lane, kind)| Step::Tell(Event::CallBegan { lane, name: "call".into(), kind })),
        1 => (0usize..3).prop_map(|lane| Step::Tell(Event::CallEnded { lane, took: None })),
        1 => (0u32..3).prop_map(|frames| Step::Tell(Event::Output { amount: frames.into() })),
        1 => Just(Step::Tell(Event::OutputTaken { amount: 1.into() })),
        1 => Just(Step::Tell(Event::PushEnded)),
        1 => Just(Step::Tell(Event::OutboxDropped)),
        1 => Just(Step::Tell(Event::InboxDropped)),
        1 => Just(Step::Tell(Event::DrainBegan)),
        1 => Just(Step::Tell(Event::Drained)),
        1 => Just(Step::Tell(Event::FlushBegan)),
        1 => Just(Step::Tell(Event::Flushed)),
        1 => Just(Step::Tell(Event::QuestionBegan)),
        1 => Just(Step::Tell(Event::QuestionEnded)),
        1 => Just(Step::Tell(Event::OthersAwaited)),
        1 => Just(Step::Tell(Event::OthersDone)),
        1 => Just(Step::Tell(Event::Tick)),
    ]
}

/// What a run, its worker and downstream can do with the input.
#[derive(Debug, Clone)]
enum Deed {
    Submit(u32),
    Take,
    Emit(u32),
    Discard(u32),
    Deliver,
    Tell(Event),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (0u32..4).prop_map(Deed::Submit),
        4 => Just(Deed::Take),
        4 => (0u32..4).prop_map(Deed::Emit),
        1 => (0u32..4).prop_map(Deed::Discard),
        3 => Just(Deed::Deliver),
        1 => Just(Deed::Tell(Event::InboxDropped)),
        1 => Just(Deed::Tell(Event::OutboxDropped)),
        1 => Just(Deed::Tell(Event::Drained)),
        1 => Just(Deed::Tell(Event::Flushed)),
        1 => Just(Deed::Tell(Event::CloseBegan)),
    ]
}

fn amount(frames: u32) -> Amount {
    Amount {
        frames,
        time: frames * 40 * MS,
    }
}

proptest! {
    /// All input has come out, was discarded, or is in progress, in frames and in media
    /// time; and at the end nothing is in progress.
    #[test]
    fn nothing_that_went_in_is_forgotten_or_counted_twice(
        deeds in proptest::collection::vec(deed(), 1..80),
    ) {
        let mut world = World::running(None);
        let (mut inbox, mut outbox) = (VecDeque::new(), VecDeque::new());
        for deed in deeds {
            let inside = u32::try_from(world.machine.inside.frames).unwrap();
            match deed {
                Deed::Submit(frames) => {
                    inbox.push_back(frames);
                    world.tell(Event::Submitted { amount: amount(frames) });
                }
                Deed::Take => if let Some(frames) = inbox.pop_front() {
                    world.tell(Event::Taken { amount: amount(frames) });
                }
                Deed::Emit(frames) => {
                    outbox.push_back(frames.min(inside));
                    world.tell(Event::Output { amount: amount(frames.min(inside)) });
                }
                Deed::Discard(frames) => {
                    world.tell(Event::Discarded { amount: amount(frames) });
                }
                Deed::Deliver => if let Some(frames) = outbox.pop_front() {
                    world.tell(Event::OutputTaken { amount: amount(frames) });
                }
                Deed::Tell(event) => {
                    match event {
                        Event::InboxDropped => inbox.clear(),
                        Event::OutboxDropped => outbox.clear(),
                        _ => {}
                    }
                    world.tell(event);
                }
            }
            let machine = &world.machine;
            let mut sum = machine.delivered;
            for mut part in [
                machine.discarded, machine.queued_amount, machine.inside, machine.outbox_amount,
            ] {
                part.pour_into(&mut sum);
            }
            prop_assert_eq!(sum, machine.submitted);
        }
        for event in [Event::InboxDropped, Event::OutboxDropped, Event::Closed] {
            world.tell(event);
        }
        let end = world.machine.snapshot(world.now);
        prop_assert_eq!(end.frames_in, end.frames_out + end.frames_discarded);
        prop_assert_eq!(end.time_in, end.time_out + end.time_discarded);
    }

    /// In any sequence: no session is abandoned that did not owe for a full budget, and
    /// a lasting debt is found on time.
    #[test]
    fn only_a_debt_of_a_full_budget_abandons(
        steps in proptest::collection::vec(step(), 1..60),
        delay in proptest::option::of(0usize..4),
    ) {
        let mut world = World::running(delay);
        let mut owing_since = None;
        for step in steps {
            let debt_before = world.machine.debt().map(|debt| debt.since);
            match step {
                Step::Pass(ms) => world.pass(Duration::from_millis(ms)),
                Step::Tell(event) => world.tell(event),
            }
            if let Some((_, at)) = world.abandoned {
                let since = debt_before.or(owing_since).unwrap();
                prop_assert!(world.start + at - since >= 1000 * MS);
                break;
            }
            owing_since = world.machine.debt().map(|debt| debt.since);
            if let Some(since) = owing_since {
                let budget = world.machine.budgets.of(world.machine.phase).unwrap();
                // At the very deadline the tick has not been handled yet.
                prop_assert!(world.now - since <= budget, "overdue by {:?}", world.now - since - budget);
            }
        }
    }

    /// A driver that sleeps until `soonest` never misses a new debt.
    #[test]
    fn the_soonest_deadline_is_not_after_that_of_any_new_debt(
        steps in proptest::collection::vec(step(), 1..40),
        then in 0u64..2000,
    ) {
        let mut world = World::running(Some(1));
        for step in steps {
            match step {
                Step::Pass(ms) => world.pass(Duration::from_millis(ms)),
                Step::Tell(event) => world.tell(event),
            }
        }
        if world.abandoned.is_none()
            && world.machine.deadline().is_none()
            && let Some(until) = world.machine.soonest(world.now)
        {
            world.now = (world.now + Duration::from_millis(then)).min(until);
            world.tell(Event::Submitted { amount: 1.into() });
            if let Some((deadline, _)) = world.machine.deadline() {
                prop_assert!(deadline >= until);
            }
        }
    }
}

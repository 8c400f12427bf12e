// SPDX-License-Identifier: MPL-2.0
//! What holds whatever happens.

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
        1 => Just(Step::Tell(Event::Submitted { frames: 1 })),
        1 => Just(Step::Tell(Event::Taken { frames: 1 })),
        1 => (0usize..3, kind).prop_map(|(lane, kind)| Step::Tell(Event::CallBegan { lane, name: "call".into(), kind })),
        1 => (0usize..3).prop_map(|lane| Step::Tell(Event::CallEnded { lane })),
        1 => (0usize..3).prop_map(|frames| Step::Tell(Event::Output { frames })),
        1 => Just(Step::Tell(Event::OutputTaken)),
        1 => Just(Step::Tell(Event::PushEnded)),
        1 => Just(Step::Tell(Event::OutboxDropped)),
        1 => Just(Step::Tell(Event::InboxDropped)),
        1 => Just(Step::Tell(Event::DrainBegan)),
        1 => Just(Step::Tell(Event::Drained)),
        1 => Just(Step::Tell(Event::FlushBegan)),
        1 => Just(Step::Tell(Event::Flushed)),
        1 => Just(Step::Tell(Event::PermitAwaited)),
        1 => Just(Step::Tell(Event::PermitCame)),
        1 => Just(Step::Tell(Event::Tick)),
    ]
}

proptest! {
    /// Whatever happens: nobody is given up who owed nothing for a full budget,
    /// and a debt that lasts is found on time.
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

    /// A driver that sleeps as it is told never sleeps through a new debt.
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
            world.tell(Event::Submitted { frames: 1 });
            if let Some((deadline, _)) = world.machine.deadline() {
                prop_assert!(deadline >= until);
            }
        }
    }
}

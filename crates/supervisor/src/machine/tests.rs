// SPDX-License-Identifier: MPL-2.0
//! Debts and their consequences, by example.

mod closing;
mod properties;
mod world;

use self::world::{MS, World, budgets};
use super::*;

#[test]
fn an_idle_session_owes_nothing_however_long() {
    let mut world = World::running(Some(3));
    for _ in 0..3 {
        world.tell(Event::Submitted { amount: 1.into() });
        world.tell(Event::Taken { amount: 1.into() });
    }
    world.pass(Duration::from_secs(3600));
    assert_eq!(world.abandoned, None);
    assert_eq!(world.machine.verdict(), Verdict::Idle);
    assert_eq!(world.machine.deadline(), None);
}

#[test]
fn a_call_that_may_wait_owes_nothing() {
    let mut world = World::running(Some(0));
    world.waits_in("get");
    world.pass(Duration::from_secs(3600));
    assert_eq!(world.abandoned, None);
}

#[test]
fn a_call_that_should_return_is_wedged_when_its_budget_runs_out() {
    let mut world = World::running(None);
    world.calls("send");
    world.pass(5000 * MS);
    assert_eq!(world.abandoned, Some((Reason::Call, 1000 * MS)));
    assert_eq!(world.machine.verdict(), Verdict::Wedged);
}

#[test]
fn input_that_is_not_taken_is_a_debt() {
    let mut world = World::running(None);
    world.tell(Event::Submitted { amount: 1.into() });
    world.pass(5000 * MS);
    assert_eq!(world.abandoned, Some((Reason::Input, 1000 * MS)));
}

#[test]
fn frames_beyond_the_delay_are_a_debt_even_while_input_is_taken() {
    let mut world = World::running(Some(2));
    for _ in 0..40 {
        world.tell(Event::Submitted { amount: 1.into() });
        world.tell(Event::Taken { amount: 1.into() });
        world.pass(40 * MS);
    }
    // Above the delay from the third frame on, which came at 80 ms.
    assert_eq!(world.abandoned, Some((Reason::Output, 1080 * MS)));
}

#[test]
fn a_delay_that_is_declared_later_holds_from_then_on() {
    let mut world = World::running(Some(1));
    world.tell(Event::Submitted { amount: 3.into() });
    world.tell(Event::Taken { amount: 3.into() });
    world.pass(900 * MS);
    world.tell(Event::DelayChanged { delay: Some(3) });
    world.pass(Duration::from_secs(60));
    assert_eq!(
        (world.abandoned, world.machine.verdict()),
        (None, Verdict::Idle)
    );
    world.tell(Event::DelayChanged { delay: Some(2) });
    world.pass(5000 * MS);
    assert_eq!(world.abandoned, Some((Reason::Output, 61_900 * MS)));
}

#[test]
fn an_output_restarts_the_clock() {
    let mut world = World::running(Some(0));
    world.tell(Event::Submitted { amount: 2.into() });
    world.tell(Event::Taken { amount: 2.into() });
    world.pass(900 * MS);
    world.tell(Event::Output { amount: 1.into() });
    world.tell(Event::OutputTaken { amount: 1.into() });
    world.tell(Event::PushEnded);
    world.pass(900 * MS);
    assert_eq!(world.abandoned, None);
    world.pass(200 * MS);
    assert_eq!(world.abandoned, Some((Reason::Output, 1900 * MS)));
}

#[test]
fn a_session_that_downstream_holds_up_owes_nothing() {
    let mut world = World::running(Some(0));
    world.calls("send");
    world.tell(Event::Submitted { amount: 1.into() });
    world.tell(Event::Output { amount: 0.into() });
    world.pass(Duration::from_secs(60));
    assert_eq!(world.machine.verdict(), Verdict::Backpressured);
    world.tell(Event::OutputTaken { amount: 1.into() });
    world.pass(Duration::from_secs(60));
    assert_eq!(
        (world.abandoned, world.machine.verdict()),
        (None, Verdict::Backpressured)
    );
    // Once downstream has taken it, the full budget is there again.
    world.tell(Event::PushEnded);
    world.pass(999 * MS);
    assert_eq!(world.abandoned, None);
    world.pass(2 * MS);
    assert!(world.abandoned.is_some());
}

#[test]
fn a_session_that_waits_for_anothers_open_owes_nothing_except_its_close() {
    let mut world = World::running(None);
    world.tell(Event::Submitted { amount: 1.into() });
    world.pass(900 * MS);
    world.tell(Event::OthersAwaited);
    world.pass(Duration::from_secs(60));
    assert_eq!(
        (world.abandoned, world.machine.verdict()),
        (None, Verdict::Idle)
    );
    // Afterwards the full budget is there again.
    world.tell(Event::OthersDone);
    world.pass(999 * MS);
    assert_eq!(world.abandoned, None);
    world.tell(Event::OthersAwaited);
    let asked = world.now - world.start;
    world.tell(Event::CloseBegan);
    world.pass(5000 * MS);
    assert_eq!(world.abandoned, Some((Reason::Close, asked + 300 * MS)));
}

#[test]
fn an_open_that_waits_for_others_owes_nothing_until_they_are_done() {
    let mut world = World::queued();
    world.tell(Event::OpenBegan);
    world.tell(Event::OthersAwaited);
    world.pass(Duration::from_secs(60));
    assert_eq!(world.abandoned, None);
    world.tell(Event::OthersDone);
    world.pass(Duration::from_secs(60));
    assert!(matches!(world.abandoned, Some((Reason::Open, _))));
}

#[test]
fn draining_has_a_budget_of_its_own() {
    let mut world = World::running(Some(10));
    world.tell(Event::DrainBegan);
    world.pass(5000 * MS);
    assert_eq!(world.abandoned, Some((Reason::Drain, 2000 * MS)));
}

#[test]
fn opening_has_a_budget_of_its_own() {
    let mut world = World::queued();
    world.pass(Duration::from_secs(60));
    assert_eq!(world.abandoned, None, "waiting for its turn is not opening");
    world.tell(Event::OpenBegan);
    world.pass(5000 * MS);
    assert_eq!(world.abandoned, Some((Reason::Open, 60_500 * MS)));
}

#[test]
fn a_flush_that_hangs_outside_native_calls_is_a_debt_too() {
    let mut world = World::running(None);
    world.tell(Event::FlushBegan);
    world.tell(Event::Flushed);
    world.pass(5000 * MS);
    assert_eq!(world.abandoned, None);
    world.tell(Event::FlushBegan);
    world.pass(5000 * MS);
    assert_eq!(world.abandoned, Some((Reason::Flush, 6000 * MS)));
}

#[test]
fn a_question_is_a_debt_from_when_the_session_is_asked_until_it_answers() {
    let mut world = World::running(None);
    world.tell(Event::QuestionBegan);
    world.pass(500 * MS);
    world.tell(Event::QuestionEnded);
    world.pass(5000 * MS);
    assert_eq!(world.abandoned, None);
    world.tell(Event::QuestionBegan);
    world.pass(5000 * MS);
    assert_eq!(world.abandoned, Some((Reason::Question, 6500 * MS)));
}

#[test]
fn a_session_that_works_is_slow_and_not_wedged_until_the_limit() {
    let mut world = World::running(None);
    world.load = 50;
    world.calls("send");
    world.pass(9000 * MS);
    assert_eq!((world.abandoned, world.slow), (None, 1));
    assert_eq!(world.machine.verdict(), Verdict::Slow);
    world.pass(2000 * MS);
    assert_eq!(world.abandoned, Some((Reason::Call, 10_000 * MS)));
    assert_eq!(world.slow, 1, "it is said once");
}

#[test]
fn a_session_that_falls_asleep_after_it_was_slow_is_wedged() {
    let mut world = World::running(None);
    world.load = 50;
    world.calls("send");
    world.pass(3000 * MS);
    world.load = 0;
    world.pass(600 * MS);
    assert!(world.abandoned.is_some());
}

#[test]
fn other_budgets_than_that_of_the_debt_change_nothing_about_its_judgement() {
    let mut world = World::running(None);
    world.load = 100;
    world.calls("send");
    for _ in 0..100 {
        world.pass(90 * MS);
        world.machine.set_budgets(
            world.now,
            Budgets {
                close: 77 * MS,
                slow_limit: 5000 * MS,
                ..budgets()
            },
        );
    }
    assert_eq!(world.abandoned, Some((Reason::Call, 5000 * MS)));
    assert_eq!(world.machine.late, 0);
}

#[test]
fn a_shorter_budget_is_no_watchdog_that_is_late() {
    let mut world = World::running(None);
    world.calls("send");
    world.pass(700 * MS);
    world.machine.set_budgets(
        world.now,
        Budgets {
            watchdog: 100 * MS,
            ..budgets()
        },
    );
    world.pass(100 * MS);
    assert_eq!(world.machine.late, 0);
    assert_eq!(world.abandoned, Some((Reason::Call, 725 * MS)));
}

#[test]
fn a_watchdog_that_is_late_long_after_the_budget_has_changed_is_late() {
    let mut world = World::running(None);
    world.machine.set_budgets(
        world.now,
        Budgets {
            watchdog: 2000 * MS,
            ..budgets()
        },
    );
    world.pass(Duration::from_secs(60));
    world.calls("send");
    world.stop(10_000 * MS);
    world.tell(Event::Tick);
    assert_eq!((world.machine.late, world.abandoned), (1, None));
    world.pass(1900 * MS);
    assert_eq!(world.abandoned, None, "it has a full budget");
}

#[test]
fn a_thread_that_waited_for_a_processor_at_the_end_is_observed_until_its_times_show_it() {
    let mut world = World::running(None);
    world.calls("send");
    world.load = 40;
    world.pass(900 * MS);
    world.runnable = true;
    world.pass(200 * MS);
    assert_eq!(world.abandoned, None);
    assert_eq!(world.slow, 0, "it is not known yet");
    world.load = 100;
    world.pass(200 * MS);
    assert_eq!((world.abandoned, world.slow), (None, 1));
}

#[test]
fn a_thread_that_is_runnable_now_and_then_does_not_hide_a_wedge() {
    let mut world = World::running(None);
    world.calls("send");
    world.load = 10;
    world.pass(900 * MS);
    world.runnable = true;
    world.pass(5000 * MS);
    assert_eq!(world.abandoned, Some((Reason::Call, 1750 * MS)));
}

#[test]
fn a_process_that_was_stopped_judges_again() {
    for stopped_at in [100, 600, 800, 990] {
        let mut world = World::running(None);
        world.load = 50;
        world.calls("send");
        world.pass(stopped_at * MS);
        world.stop(Duration::from_secs(30));
        world.tell(Event::Tick);
        assert_eq!(world.abandoned, None, "stopped at {stopped_at} ms");
        // The codec continues and returns soon.
        world.pass(200 * MS);
        world.tell(Event::CallEnded {
            lane: 0,
            took: None,
        });
        world.pass(Duration::from_secs(5));
        assert_eq!(world.abandoned, None, "stopped at {stopped_at} ms");
    }
}

#[test]
fn a_stop_costs_a_sleeping_codec_nothing_of_its_budget() {
    for stopped_at in [100, 600, 749, 751, 990] {
        let mut world = World::running(None);
        world.calls("send");
        world.pass(stopped_at * MS);
        world.stop(Duration::from_secs(30));
        world.tell(Event::Tick);
        world.pass(900 * MS);
        assert_eq!(world.abandoned, None, "stopped at {stopped_at} ms");
    }
}

#[test]
fn a_watchdog_that_is_starved_for_good_finds_a_wedge_all_the_same() {
    let mut world = World::running(None);
    world.calls("send");
    for _ in 0..5 {
        assert_eq!(world.abandoned, None);
        world.stop(1300 * MS);
        world.tell(Event::Tick);
    }
    assert_eq!(world.abandoned, Some((Reason::Call, 5 * 1300 * MS)));
}

#[test]
fn a_watchdog_that_is_late_every_other_time_finds_a_wedge_all_the_same() {
    let mut world = World::running(None);
    world.load = 100;
    world.calls("send");
    // The first look is in time, the second is not, again and again.
    for _ in 0..20 {
        world.pass(760 * MS);
        world.stop(1000 * MS);
        world.tell(Event::Tick);
    }
    let (reason, after) = world.abandoned.expect("a verdict");
    assert_eq!(reason, Reason::Call);
    // Three restarts, and what a codec has that seems to work.
    assert!(
        after <= 3 * 2000 * MS + budgets().slow_limit + 2000 * MS,
        "{after:?}"
    );
}

#[test]
fn progress_makes_up_for_a_watchdog_that_was_late() {
    let mut world = World::running(None);
    for _ in 0..20 {
        world.calls("send");
        world.pass(760 * MS);
        world.stop(1000 * MS);
        world.tell(Event::Tick);
        world.pass(300 * MS);
        world.tell(Event::CallEnded {
            lane: 0,
            took: None,
        });
    }
    assert_eq!(world.abandoned, None);
}

#[test]
fn a_wedge_is_found_also_after_a_stop() {
    let mut world = World::running(None);
    world.calls("send");
    world.pass(900 * MS);
    world.stop(Duration::from_secs(30));
    world.tell(Event::Tick);
    world.pass(2000 * MS);
    assert!(world.abandoned.is_some());
}

#[test]
fn a_budget_of_zero_is_off_and_close_cannot_be_switched_off() {
    let off = Budgets {
        watchdog: Duration::ZERO,
        ..budgets()
    };
    let mut world = World::running(None);
    world.machine.set_budgets(world.now, off);
    world.calls("send");
    world.pass(Duration::from_secs(3600));
    assert_eq!(world.abandoned, None);
    world.machine.set_budgets(
        world.now,
        Budgets {
            close: Duration::ZERO,
            ..budgets()
        },
    );
    world.tell(Event::CloseBegan);
    assert_eq!(world.machine.close_until(), Some(world.now));
    world.pass(10 * MS);
    assert!(world.abandoned.is_some(), "after the shortest observation");
}

#[test]
fn the_snapshot_names_first_what_should_have_returned() {
    fn calls<const N: usize>(calls: [(&'static str, Duration); N]) -> Vec<(Name, Duration)> {
        calls.map(|(name, age)| (name.into(), age)).to_vec()
    }
    let mut world = World::running(Some(1));
    world.waits_in("get");
    world.pass(100 * MS);
    world.calls("send");
    world.pass(100 * MS);
    let snapshot = world.machine.snapshot(world.now);
    assert_eq!(
        snapshot.calls,
        calls([("send", 100 * MS), ("get", 200 * MS)])
    );
    // The frame that is still being passed in is not inside for the get.
    let take = |world: &mut World, frames: usize| {
        for _ in 0..frames {
            world.tell(Event::Submitted { amount: 1.into() });
            world.tell(Event::Taken { amount: 1.into() });
        }
    };
    take(&mut world, 2);
    let snapshot = world.machine.snapshot(world.now);
    assert_eq!(
        snapshot.calls,
        calls([("send", 100 * MS), ("get", 200 * MS)])
    );
    // With more inside than allowed, the get should have returned too.
    take(&mut world, 1);
    let snapshot = world.machine.snapshot(world.now);
    assert_eq!(
        snapshot.calls,
        calls([("get", 200 * MS), ("send", 100 * MS)])
    );
    world.tell(Event::CallEnded {
        lane: 1,
        took: None,
    });
    assert_eq!(
        world.machine.snapshot(world.now).worst_calls,
        calls([("get", 200 * MS)])
    );
}

#[test]
fn the_longest_time_of_each_call_is_kept() {
    let mut world = World::running(None);
    for (call, took) in [
        ("get", 200 * MS),
        ("send", 30 * MS),
        ("get", 300 * MS),
        ("get", 100 * MS),
        ("send", 20 * MS),
    ] {
        world.calls(call);
        world.pass(took);
        world.tell(Event::CallEnded {
            lane: 0,
            took: None,
        });
    }
    assert_eq!(
        world.machine.snapshot(world.now).worst_calls,
        [("get".into(), 300 * MS), ("send".into(), 30 * MS)]
    );
}

#[test]
fn a_call_that_was_measured_elsewhere_took_as_long_as_is_said() {
    let mut world = World::running(None);
    world.calls("get");
    let took = Some(200 * MS);
    world.tell(Event::CallEnded { lane: 0, took });
    let snapshot = world.machine.snapshot(world.now);
    assert_eq!(snapshot.worst_calls, [("get".into(), 200 * MS)]);
}

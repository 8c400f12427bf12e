// SPDX-License-Identifier: MPL-2.0
//! What the ledger counts, and the number that each session has.

use codecwatch_supervisor::{
    Account, Change, Fault as Details, FaultCause, Ledger, LedgerInUse, Name, ledger, share_ledger,
};

use crate::fake::{Call, Fake, Fault};
use crate::support::{AMPLE, SHORT, Sink, close, drain, eventually, feed, outcome, start};

/// Feeds and drains a run until it has its outcome, and closes it.
fn ends(fake: &Fake, expected: &str) -> Option<Details> {
    let budgets = if expected == "WatchdogAbandoned" {
        SHORT
    } else {
        AMPLE
    };
    let run = start(fake, budgets);
    let sink = Sink::of(&run);
    feed(&run, 0..5);
    drain(&run, true);
    sink.returns();
    assert_eq!(outcome(&run), Some(expected));
    let _ = close(&run);
    run.outcome().and_then(|outcome| outcome.fault().cloned())
}

#[test]
fn every_end_of_a_run_is_counted_once_under_its_name() {
    // A name that comes at run time.
    let codec = || "n-".to_owned() + "ends";
    let fake = || Fake::new(codec());
    let account = || Account::of("n-ends");
    let mut expected = Account::default();
    assert_eq!(account(), expected);

    ends(&fake(), "Completed");
    (expected.opened, expected.completed) = (1, 1);
    assert_eq!(account(), expected);

    ends(&fake().with(Call::Send, 1, Fault::Fail), "CodecFailed");
    (expected.opened, expected.failed) = (2, 1);
    assert_eq!(account(), expected);

    ends(&fake().with(Call::Open, 1, Fault::Fail), "CodecFailed");
    expected.failed = 2;
    assert_eq!(account(), expected, "this one was never open");

    ends(&fake().with(Call::Send, 2, Fault::Panic), "CodecPanicked");
    (expected.opened, expected.panicked) = (3, 1);
    assert_eq!(account(), expected);

    ends(&fake().with(Call::Send, 2, Fault::Crash), "CodecCrashed");
    (expected.opened, expected.crashed) = (4, 1);
    assert_eq!(account(), expected);

    let hangs = fake().with(Call::Send, 2, Fault::Hang);
    ends(&hangs, "WatchdogAbandoned");
    (expected.opened, expected.abandoned) = (5, 1);
    assert_eq!(account(), expected);
    hangs.gate.open();
    expected.reclaimed = 1;
    eventually("reclaimed", || account() == expected);

    let spins = fake().with(Call::Close, 1, Fault::Spin);
    let run = start(&spins, SHORT);
    eventually("it is open", || spins.count(Call::Open) == 1);
    run.retire(|_| {});
    (expected.opened, expected.retiring) = (6, 1);
    assert_eq!(account(), expected);
    spins.gate.open();
    expected.retiring = 0;
    eventually("it ends", || account() == expected);

    ledger().change(&codec(), Change::Restarted);
    expected.restarts = 1;
    assert_eq!(account(), expected);
}

#[test]
fn a_codec_that_died_says_of_what() {
    let fault = ends(
        &Fake::new("n-crash").with(Call::Send, 1, Fault::Crash),
        "CodecCrashed",
    )
    .unwrap();
    assert!(matches!(&fault.cause, FaultCause::Crashed(what) if what == "signal 11"));
    let text = fault.to_string();
    assert!(
        text.starts_with("n-crash crashed: signal 11 (while running"),
        "{text}"
    );
}

#[test]
fn every_session_has_a_number_of_its_own_which_its_fault_and_its_stats_carry() {
    let fake = Fake::new("n-ids").with(Call::Send, 1, Fault::Fail);
    let (first, second) = (start(&fake, AMPLE), start(&fake, AMPLE));
    assert_ne!(first.id(), second.id());
    let sink = Sink::of(&first);
    feed(&first, 0..1);
    sink.returns();
    assert_eq!(first.stats().id, first.id());
    assert_eq!(first.outcome().unwrap().fault().unwrap().id, first.id());
    let _ = (close(&first), close(&second));
}

/// Loses what it is told.
struct Bin;

impl Ledger for Bin {
    fn change(&self, _codec: &str, _change: Change) -> Account {
        Account::default()
    }

    fn account(&self, _codec: &str) -> Account {
        Account::default()
    }

    fn accounts(&self) -> Vec<(Name, Account)> {
        Vec::new()
    }

    fn next_session(&self) -> u64 {
        1
    }
}

#[test]
fn a_ledger_that_comes_after_the_first_session_is_not_used() {
    let first = start(&Fake::new("n-late"), AMPLE);
    assert_eq!(share_ledger(Box::new(Bin)), Err(LedgerInUse));
    let second = start(&Fake::new("n-late"), AMPLE);
    assert!(second.id() > first.id());
    eventually("both are open", || Account::of("n-late").opened == 2);
    let accounts = ledger().accounts();
    let ours = accounts.iter().find(|(codec, _)| codec == "n-late");
    assert_eq!(ours.unwrap().1, Account::of("n-late"));
    let _ = (close(&first), close(&second));
}

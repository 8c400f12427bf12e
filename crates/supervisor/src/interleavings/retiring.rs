// SPDX-License-Identifier: MPL-2.0
//! A session that closes in the background, or while several threads wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::codec::{Call, Fault, Load, Plan};
use super::model::{Time, thread};
use super::stage::{FRAMES, close, explore, healthy, options, outcome, pick, sink, stream};
use crate::{Account, CloseResult, Options, Run};

/// A session that hangs at its close retires while the element and its successor's
/// worker still wait for it; the hang may end at any moment.
#[test]
fn a_session_that_retires_is_counted_told_of_and_ended_once_whoever_drives_it() {
    explore(Time::Flies, || {
        let before = Account::of("retire");
        let threads = Arc::new(Load::default());
        let works = pick(&[true, false]);
        threads.works.store(works, Ordering::Relaxed);
        let plan = Plan {
            fault: Some((Call::Close, 0, Fault::Hang)),
            threads: Some(threads.clone()),
            kills: pick(&[true, false]).then(Arc::default),
            ..healthy("retire")
        };
        let run = Run::start(plan.clone(), options()).unwrap();
        let taken = Arc::default();
        let sink = sink(&run, &taken);
        while plan.opened_and_closed().0 == 0 {
            thread::yield_now();
        }
        let heir = pick(&[true, false]).then(|| {
            let predecessor = Some(run.clone());
            let options = Options {
                predecessor,
                ..options()
            };
            Run::start(healthy("retire"), options).unwrap()
        });
        let waiter = pick(&[true, false]).then(|| {
            let run = run.clone();
            thread::spawn(move || run.close())
        });
        let told = Arc::new(AtomicUsize::new(0));
        for _ in 0..pick(&[1, 2]) {
            let told = told.clone();
            run.retire(move |_| _ = told.fetch_add(1, Ordering::Relaxed));
        }
        // The hang ends, or the working threads fall asleep, or it takes too long.
        if pick(&[true, false]) {
            plan.release();
        } else if pick(&[true, false]) {
            threads.works.store(false, Ordering::Relaxed);
        }
        let waited = waiter.map(|waiter| waiter.join().unwrap());
        while Arc::strong_count(&told) > 1 {
            thread::yield_now();
        }
        assert!(run.is_abandoned() || run.is_closed());
        let told = told.load(Ordering::Relaxed)
            + usize::from(matches!(waited, Some(CloseResult::Abandoned(Some(_)))));
        let account = Account::of("retire");
        // Its open may have run out of time, too; then that is its outcome.
        let told = told + usize::from(outcome(&run).is_some());
        assert_eq!(account.abandoned - before.abandoned, told);
        assert_eq!(account.retiring, 0);
        plan.release();
        if let Some(heir) = heir {
            let _ = close(&heir);
            while !heir.is_closed() {
                thread::yield_now();
            }
        }
        sink.join().unwrap();
        while !run.is_closed() {
            thread::yield_now();
        }
        assert_eq!(Account::of("retire").outstanding(), 0);
        if let Some(kills) = plan.kills {
            assert_eq!(kills.load(Ordering::Relaxed), told);
        }
    });
}

#[test]
fn a_session_that_closes_in_time_retires_without_a_word_whatever_the_schedule() {
    explore(Time::Stands, || {
        let plan = healthy("quiet");
        let run = Run::start(plan.clone(), options()).unwrap();
        let taken = Arc::default();
        let (sink, stream) = (sink(&run, &taken), stream(&run, 0..FRAMES));
        let silent = Arc::new(());
        let witness = silent.clone();
        run.retire(move |fault| panic!("{fault}, {witness:?}"));
        stream.join().unwrap();
        sink.join().unwrap();
        while Arc::strong_count(&silent) > 1 || !run.is_closed() {
            thread::yield_now();
        }
        let account = Account::of("quiet");
        assert_eq!((account.abandoned, account.retiring), (0, 0));
        let (opened, closed) = plan.opened_and_closed();
        assert_eq!(opened, closed);
    });
}

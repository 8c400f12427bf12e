// SPDX-License-Identifier: MPL-2.0
//! What the supervisor sees of dav1d's threads. A process of its own: threads are
//! told apart by name.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test"
)]

mod common;

use std::{
    fs,
    time::{Duration, Instant},
};

use codecwatch_dav1d::{Chunk, Config, Dav1d, Decoded, Environment, LIBRARY};
use codecwatch_supervisor::{Budgets, CloseResult, Next, Options, Run, WaitResult};
use common::{Encoder, skip, sources::Source};

type DecoderRun = Run<Chunk, Decoded>;

/// Those of dav1d's own threads that the supervisor takes for the session's.
fn workers(run: &DecoderRun) -> Vec<u32> {
    let witness = run.witness().unwrap();
    let is_dav1ds = |thread: &u32| {
        let name = fs::read_to_string(format!("/proc/self/task/{thread}/comm")).unwrap_or_default();
        let prefixes = LIBRARY.thread_names;
        prefixes.iter().any(|prefix| name.starts_with(&**prefix))
    };
    let threads = witness.sample().threads.into_iter();
    threads.map(|thread| thread.tid).filter(is_dav1ds).collect()
}

#[track_caller]
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn start() -> DecoderRun {
    let codec = Dav1d::new(
        Config {
            n_threads: 2,
            ..Config::default()
        },
        Environment::default(),
    );
    let options = Options {
        budgets: Budgets::default(),
        max_abandoned: 0,
        predecessor: None,
        trace: None,
        listener: None,
    };
    Run::start(codec, options).unwrap()
}

/// The last input of which a picture came out after one that was damaged; 0 until then.
fn sink(run: &DecoderRun) -> std::sync::Arc<std::sync::atomic::AtomicU64> {
    let shown = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let (task, last) = (run.clone(), shown.clone());
    std::thread::spawn(move || {
        let mut is_damaged = false;
        loop {
            match task.next() {
                Next::Output(Decoded::Damaged(_)) => is_damaged = true,
                Next::Output(Decoded::Picture(picture)) if is_damaged => {
                    last.store(picture.id, std::sync::atomic::Ordering::Relaxed);
                }
                Next::Ended | Next::Cancelled => return,
                _ => {}
            }
        }
    });
    shown
}

#[test]
fn the_threads_that_take_over_after_damage_are_known_and_those_of_others_are_not_claimed() {
    const CASE: &str = "witness";
    if fs::read_dir("/proc/self/task").is_err() {
        return skip(CASE, "/proc");
    }
    let arguments = ["--kf-max-dist=4", "--kf-min-dist=4", "--lag-in-frames=0"];
    let Some(mut units) = Encoder::Aomenc.encode(CASE, &Source::new(160, 96, 12), &arguments)
    else {
        return;
    };
    units[1].truncate(9);
    let (run, other) = (start(), start());
    let shown = sink(&run);
    let _other_sink = sink(&other);
    let two = |run: &DecoderRun| {
        let workers = run.witness().map(|_| workers(run)).unwrap_or_default();
        (workers.len() == 2).then_some(workers)
    };
    let before = eventually("two threads", || two(&run));
    let others = eventually("two threads of the other", || two(&other));
    for (id, unit) in units.iter().enumerate() {
        assert_eq!(run.wait_for_room(), WaitResult::Ready);
        run.submit(Chunk::new(id as u64, unit.clone())).unwrap();
    }
    eventually("it goes on at the next key frame", || {
        (shown.load(std::sync::atomic::Ordering::Relaxed) >= 4).then_some(())
    });
    // Where dav1d can go on by itself after that damage, it keeps its threads.
    let after = eventually("two threads that live", || {
        two(&run).filter(|after| {
            let kept = |thread| before.contains(thread);
            after.iter().all(kept) || !after.iter().any(kept)
        })
    });
    assert!(after.iter().all(|thread| !others.contains(thread)));
    assert_eq!(two(&other), Some(others));
    for run in [run, other] {
        assert!(matches!(run.close(), CloseResult::Closed));
    }
}

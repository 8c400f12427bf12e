// SPDX-License-Identifier: MPL-2.0
//! dav1d's threads. A process of its own: it counts them.

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

use codecwatch_dav1d::{Chunk, Config, Dav1d, Environment, LIBRARY};
use codecwatch_supervisor::{Codec, Lane, Session};
use common::{Encoder, skip, sources::Source};

/// Threads of this process that have a name of dav1d's.
fn dav1d_threads() -> Option<usize> {
    let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).ok();
    let names = fs::read_dir("/proc/self/task")
        .ok()?
        .flatten()
        .filter_map(name);
    let is_dav1ds = |name: &String| {
        LIBRARY
            .thread_names
            .iter()
            .any(|prefix| name.starts_with(&**prefix))
    };
    Some(names.filter(is_dav1ds).count())
}

/// A thread takes a while to give itself its name, and to be gone.
fn settle_at(expected: usize) {
    let end = Instant::now() + Duration::from_secs(20);
    while dav1d_threads() != Some(expected) {
        assert!(
            Instant::now() < end,
            "{:?} threads instead of {expected}",
            dav1d_threads()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn no_thread_stays_behind_however_often_a_session_starts_afresh() {
    const CASE: &str = "threads";
    if dav1d_threads().is_none() {
        return skip(CASE, "/proc");
    }
    let arguments = ["--kf-max-dist=4", "--kf-min-dist=4", "--lag-in-frames=0"];
    let Some(mut units) = Encoder::Aomenc.encode(CASE, &Source::new(160, 96, 12), &arguments)
    else {
        return;
    };
    units[1].truncate(9);
    let (lane, _outputs) = Lane::detached();
    let mut session = Dav1d::new(
        Config {
            n_threads: 7,
            ..Config::default()
        },
        Environment::default(),
    )
    .open(&lane)
    .unwrap();
    settle_at(7);
    for _ in 0..20 {
        for unit in &units {
            session.send(&lane, Chunk::new(0, unit.clone())).unwrap();
        }
    }
    settle_at(7);
    session.close(&lane).unwrap();
    settle_at(0);
}

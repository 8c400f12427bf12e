// SPDX-License-Identifier: MPL-2.0
//! The place of a slow preset, before SVT-AV1 4.1: who has it, who waits for it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

mod support;

use std::thread;
use std::time::{Duration, Instant};

use codecwatch_supervisor::{Budgets, Next, Options, Outcome, Run, Session, WaitResult};
use codecwatch_svtav1::{Config, Output, Picture, SvtAv1, Version};
use support::{Open, RATE, one_at_a_time, open, picture, skip, within};

/// A preset that is slow in every version that knows the difference.
fn slow() -> Config {
    Config {
        preset: 4,
        ..Config::new(192, 128, RATE)
    }
}

/// Whether every preset goes with every other here, so that nothing can be shown.
fn goes_together(test: &str) -> bool {
    let together = Version::installed().at_least(4, 1);
    if together {
        skip(test, "limit to slow presets in this SVT-AV1");
    }
    together
}

/// A session with so much inside that its close takes a while.
fn full(config: &Config) -> Open {
    let mut open = open(config).unwrap();
    for number in 0..40 {
        open.session
            .send(&open.lane, picture(config, number))
            .unwrap();
    }
    open
}

fn close_in_background(open: Open) -> thread::JoinHandle<Instant> {
    thread::spawn(move || {
        open.session.close(&open.lane).unwrap();
        Instant::now()
    })
}

fn start(config: &Config) -> Run<Picture, Output> {
    let options = Options {
        budgets: Budgets::default(),
        max_abandoned: 0,
        predecessor: None,
        trace: None,
        listener: None,
    };
    Run::start(SvtAv1::new(config.clone()), options).unwrap()
}

#[test]
fn a_slow_encoder_opens_when_the_one_that_closes_is_gone() {
    if goes_together("a_slow_encoder_opens_when_the_one_that_closes_is_gone") {
        return;
    }
    let _turn = one_at_a_time();
    within(Duration::from_secs(60), || {
        let closing = close_in_background(full(&slow()));
        let next = open(&slow()).unwrap();
        let opened = Instant::now();
        assert!(closing.join().unwrap() <= opened);
        next.session.close(&next.lane).unwrap();
    });
}

#[test]
fn a_refusal_names_the_session_that_has_the_place() {
    if goes_together("a_refusal_names_the_session_that_has_the_place") {
        return;
    }
    let _turn = one_at_a_time();
    within(Duration::from_secs(60), || {
        let holder = start(&slow());
        assert!(holder.submit(picture(&slow(), 0)).is_ok());
        let taken = (0..1000).any(|_| {
            thread::sleep(Duration::from_millis(10));
            holder.stats().session.queued == 0
        });
        assert!(taken);
        let refused = start(&slow());
        assert!(matches!(refused.next(), Next::Ended));
        let outcome = refused.outcome().unwrap();
        assert!(matches!(outcome, Outcome::CodecFailed(_)), "{outcome:?}");
        let said = outcome.fault().unwrap().to_string();
        let name = format!("{holder:?}").split('"').nth(1).unwrap().to_owned();
        let words = format!("process as {name} (preset 4), which is running");
        assert!(said.contains(&words), "{said} does not contain {words}");
        let _ = holder.close();
    });
}

#[test]
fn a_session_that_waits_for_its_place_can_be_closed_at_once_and_outlives_a_flush() {
    if goes_together(
        "a_session_that_waits_for_its_place_can_be_closed_at_once_and_outlives_a_flush",
    ) {
        return;
    }
    let _turn = one_at_a_time();
    within(Duration::from_secs(60), || {
        let closing = close_in_background(full(&slow()));
        let waiting = start(&slow());
        thread::sleep(Duration::from_millis(50));
        assert!(waiting.submit(picture(&slow(), 0)).is_ok());
        waiting.flush();
        assert_eq!(waiting.wait_for_room(), WaitResult::Ready);
        assert_eq!(waiting.stats().session.queued, 0);
        let _ = waiting.close();
        assert!(waiting.is_closed() && waiting.outcome().is_none());
        assert!(!closing.is_finished(), "the close was too short to show it");

        let waiting = start(&slow());
        thread::sleep(Duration::from_millis(50));
        let _ = waiting.close();
        assert!(waiting.is_closed() && waiting.outcome().is_none());
        assert!(!closing.is_finished(), "the close was too short to show it");
        closing.join().unwrap();
    });
}

#[test]
fn while_a_slow_encoder_waits_for_its_place_a_fast_one_opens() {
    if goes_together("while_a_slow_encoder_waits_for_its_place_a_fast_one_opens") {
        return;
    }
    let _turn = one_at_a_time();
    within(Duration::from_secs(60), || {
        // Fast encoders go with each other, and a slow one with none of them.
        let fast = |width, height| Config {
            preset: 8,
            ..Config::new(width, height, RATE)
        };
        let closing = close_in_background(full(&fast(960, 540)));
        let waiting = start(&slow());
        thread::sleep(Duration::from_millis(50));
        let other = start(&fast(64, 64));
        let opens = (0..5000).any(|_| {
            thread::sleep(Duration::from_millis(1));
            other.has_opened()
        });
        assert!(opens && !waiting.has_opened());
        assert!(!closing.is_finished(), "the close was too short to show it");
        let _ = (waiting.close(), other.close());
        closing.join().unwrap();
    });
}

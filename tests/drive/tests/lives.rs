// SPDX-License-Identifier: MPL-2.0
//! What a process goes through from outside, and what it keeps.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;
use std::time::Duration;

use drive::elements::Element;
use drive::facts::Facts;
use drive::matrix::Where;
use drive::{Report, Runner, Scenario};

fn runner() -> Runner {
    Runner::new(PathBuf::from(env!("CARGO_BIN_EXE_drive")))
}

/// The elements that users get, with their codec in the element's process.
fn in_this_process() -> impl Iterator<Item = Element> {
    Element::all().filter(|element| element.is_shipped && !element.is_isolated)
}

fn scenario(line: &str) -> Scenario {
    line.parse().unwrap()
}

/// The facts of a process that has ended by itself.
fn facts(report: &Report) -> &Facts {
    assert_eq!(report.hung, None, "{report:#?}");
    assert_eq!(report.code, Some(0), "{report:#?}");
    report.facts.as_ref().unwrap()
}

#[test]
fn a_process_that_is_stopped_for_longer_than_every_budget_goes_on() {
    let runner = runner();
    for element in in_this_process() {
        let line = format!(
            "{element:?} live watchdog-timeout=1000000000 drain-timeout=1000000000 \
             : play push:20 push:40 eos await-end null"
        );
        let report = runner.run_and(&scenario(&line), |process| {
            process.wait_for("step: push:40");
            process.signal(19); // SIGSTOP
            std::thread::sleep(Duration::from_secs(4));
            process.signal(18); // SIGCONT
        });
        let life = &facts(&report).lives[0];
        assert!(life.errors.is_empty(), "{report:#?}");
        assert!(life.eos(), "{report:#?}");
    }
}

#[test]
fn what_is_wedged_before_a_process_is_stopped_is_found_after_it() {
    let line = "dav1dwatchdec live watchdog-timeout=1000000000 close-timeout=1000000000 \
                script=dav1d_send_data:hang@armed : play push:9 settle arm push:9 await-end null";
    let report = runner().run_and(&scenario(line), |process| {
        process.wait_for("rehearse: ");
        process.signal(19); // SIGSTOP
        std::thread::sleep(Duration::from_secs(3));
        process.signal(18); // SIGCONT
    });
    let life = &facts(&report).lives[0];
    let fault = life.errors[0].fault.as_ref();
    let fault = fault.unwrap_or_else(|| panic!("{report:#?}"));
    assert_eq!(
        fault.outcome.as_deref(),
        Some("WatchdogAbandoned"),
        "{report:#?}"
    );
    assert!(!life.eos_out(), "{report:#?}");
}

#[test]
fn a_time_of_day_that_jumps_by_hours_neither_trips_the_watchdog_nor_stops_it() {
    let runner = runner().preload(support::rehearsal::jumping_time());
    for element in in_this_process() {
        let budgets = "watchdog-timeout=1000000000 drain-timeout=1000000000";
        let line = format!("{element:?} live {budgets} : play push:45 eos await-end null");
        let report = runner.run(&scenario(&line));
        let life = &facts(&report).lives[0];
        assert!(life.errors.is_empty() && life.eos(), "{report:#?}");
    }
    for element in in_this_process() {
        let quick = element.quick.iter();
        let quick: String = quick
            .map(|(name, value)| format!("{name}={value} "))
            .collect();
        let call = element.call_at(Where::Send).unwrap().name;
        let line = format!(
            "{element:?} live {quick}watchdog-timeout=1000000000 close-timeout=1000000000 \
             script={call}:hang@armed : play push:9 settle arm push:20 await-end null"
        );
        let report = runner.run(&scenario(&line));
        let life = &facts(&report).lives[0];
        let fault = life.errors[0].fault.as_ref().unwrap();
        assert_eq!(
            fault.outcome.as_deref(),
            Some("WatchdogAbandoned"),
            "{report:#?}"
        );
        assert!(fault.call_age.unwrap() < 60_000.0, "{report:#?}");
    }
}

#[test]
fn with_the_leak_budget_used_up_nothing_is_opened_and_the_process_ends_all_the_same() {
    let runner = runner();
    for (element, call, open) in [
        (
            "svtav1watchenc non-live preset=12 low-latency=true",
            "svt_av1_enc_send_picture",
            "svt_av1_enc_init_handle",
        ),
        (
            "dav1dwatchdec non-live n-threads=1",
            "dav1d_send_data",
            "dav1d_open",
        ),
    ] {
        let line = format!(
            "{element} lives=4 max-abandoned=3 watchdog-timeout=500000000 close-timeout=500000000 \
             script={call}:hang@armed,{open}:delay=1ms \
             : play push:3 settle arm push:3 await-end null"
        );
        let report = runner.run(&scenario(&line));
        let lives = &facts(&report).lives;
        for (number, life) in lives[..3].iter().enumerate() {
            let fault = life.errors[0].fault.as_ref().unwrap();
            assert_eq!(fault.abandoned, Some(number as u32 + 1), "{report:#?}");
        }
        let last = &lives[3];
        assert_eq!(last.errors[0].code, "RESOURCE/NO_SPACE_LEFT", "{report:#?}");
        assert_eq!(last.after.abandoned, 3, "{report:#?}");
        assert!(!last.eos_out(), "{report:#?}");
        // Three threads hang in calls, and the process ends; with time to spare.
        assert!(report.left_in.unwrap() < 5000.0, "{report:#?}");
    }
}

#[test]
fn after_a_restart_the_decoder_asks_for_a_key_frame() {
    let line = "dav1dwatchdec live n-threads=1 restart-limit=1 watchdog-timeout=500000000 \
                script=dav1d_send_data:hang@armed \
                : play push:9 settle arm push:40 eos await-end null";
    let report = runner().run(&scenario(line));
    let life = &facts(&report).lives[0];
    assert!(life.errors.is_empty(), "{report:#?}");
    assert_eq!(life.restarts.len(), 1, "{report:#?}");
    assert!(life.key_requests >= 1, "{report:#?}");
    assert!(life.eos(), "{report:#?}");
}

/// Late returns give back everything: what a hundred have left behind is what
/// ten had. Prints both.
fn late_returns(element: &str, call: &str) {
    let line = format!(
        "{element} lives=100 watchdog-timeout=200000000 close-timeout=1000000000 \
         script={call}:hang=900ms@armed \
         : play push:3 settle arm push:3 await-end null await-reclaim"
    );
    let report = runner().run(&scenario(&line));
    let lives = &facts(&report).lives;
    let (ten, hundred) = (lives[9].after, lives[99].after);
    println!(
        "{element}: {} kB after 10 late returns, {} kB after 100",
        ten.memory, hundred.memory
    );
    assert_eq!(hundred.abandoned, hundred.reclaimed, "{report:#?}");
    // A watchdog that comes late blames itself, and a call that returns meanwhile
    // was no wedge: on a loaded machine that happens.
    assert!(hundred.abandoned >= 90, "{report:#?}");
    assert!(hundred.codec_threads == 0, "{report:#?}");
    assert!(
        hundred.memory < ten.memory + 8 * 1024,
        "{ten:#?} {hundred:#?}"
    );
}

#[test]
#[ignore = "takes two minutes"]
fn a_hundred_late_returns_of_the_encoder_leave_no_memory_behind() {
    late_returns(
        "svtav1watchenc non-live preset=12 low-latency=true",
        "svt_av1_enc_send_picture",
    );
}

#[test]
#[ignore = "takes two minutes"]
fn a_hundred_late_returns_of_the_decoder_leave_no_memory_behind() {
    late_returns("dav1dwatchdec non-live n-threads=1", "dav1d_send_data");
}

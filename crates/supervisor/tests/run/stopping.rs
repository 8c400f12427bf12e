// SPDX-License-Identifier: MPL-2.0
//! A process that is stopped for a while (SIGSTOP, a suspended machine): the
//! watchdog comes late, and does not hold that against the codec.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use codecwatch_supervisor::{Budgets, DrainResult, WaitResult};

use crate::fake::{Call, Fake, Fault};
use crate::support::{AMPLE, MS, Sink, close, drain, feed, outcome, start};

/// The last quarter is the observation: from 1500 ms on.
const BUDGETS: Budgets = Budgets {
    watchdog: Duration::from_secs(2),
    ..AMPLE
};

/// Set in the child process.
const CHILD: &str = "CODECWATCH_TEST_STOPPED";

#[test]
fn a_stop_just_before_a_call_returns_is_not_taken_for_a_wedge() {
    if std::env::var_os(CHILD).is_some() {
        return run_with_a_call_of_1700_ms();
    }
    let this = "stopping::a_stop_just_before_a_call_returns_is_not_taken_for_a_wedge";
    for stopped_after in [800, 1600] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([this, "--exact", "--nocapture"])
            .env(CHILD, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("in the call")));
        std::thread::sleep(stopped_after * MS);
        signal(&child, "STOP");
        std::thread::sleep(1500 * MS);
        signal(&child, "CONT");
        assert!(
            child.wait().unwrap().success(),
            "stopped after {stopped_after} ms"
        );
    }
}

fn run_with_a_call_of_1700_ms() {
    let fake = Fake::new("stopped").with(Call::Send, 1, Fault::Slow(1700 * MS));
    let run = start(&fake, BUDGETS);
    let _sink = Sink::of(&run);
    assert_eq!(feed(&run, 0..1), WaitResult::Ready);
    fake.strikes();
    println!("in the call");
    assert_eq!(drain(&run, true), DrainResult::Complete);
    assert_eq!(outcome(&run), Some("Completed"));
    let _ = close(&run);
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("sh")
        .arg("-c")
        .arg(format!("kill -{name} {}", child.id()))
        .status();
    assert!(sent.unwrap().success());
}

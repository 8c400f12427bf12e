// SPDX-License-Identifier: MPL-2.0
//! Children for the tests.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests: a panic is the report"
)]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use codecwatch_process::launch::{Child, Ending, Launch, Limits, Tail};

/// Nothing here takes a second; on a loaded machine it may.
pub(crate) const LONG: Duration = Duration::from_secs(30);

pub(crate) fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_codecwatch-process-child").into()
}

pub(crate) fn launch(policy: &str, what: &str) -> Launch {
    Launch {
        program: program(),
        arguments: vec![policy.into(), what.into()],
        name: "test-child".into(),
        variables: Vec::new(),
        limits: Limits::default(),
    }
}

/// Everything that it writes to its socket, until it ends.
pub(crate) fn answer(child: &mut Child) -> String {
    let mut text = String::new();
    child.socket.set_read_timeout(Some(LONG)).unwrap();
    child.socket.read_to_string(&mut text).unwrap();
    text
}

/// What it has written to stderr, and how it ended.
pub(crate) fn end(child: &mut Child) -> (String, Ending) {
    let ending = child.process.wait_for(LONG).unwrap();
    let mut tail = Tail::default();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = child.stderr.read(&mut buffer) {
        tail.push(&buffer[..read]);
    }
    (tail.to_string(), ending)
}

/// What it writes to its socket, with the policy, after a good end.
pub(crate) fn answer_of(policy: &str, what: &str) -> String {
    let mut child = launch(policy, what).start().unwrap();
    let answer = answer(&mut child);
    assert_eq!(end(&mut child), (String::new(), Ending::Exited(0)));
    answer
}

/// Lines of a name and a result.
pub(crate) fn table(answer: &str) -> BTreeMap<&str, &str> {
    let lines = answer.lines();
    lines.filter_map(|line| line.split_once(' ')).collect()
}

// SPDX-License-Identifier: MPL-2.0
//! What the library says goes where it should. Each case is a process of its
//! own, because the library decides once for the whole process.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

mod support;

use std::process::Output;
use std::sync::Mutex;

use codecwatch_svtav1::{Config, LogLevel, Version, set_log};
use support::{RATE, child, encode, open, this_test};

/// Runs this test in a process of its own, asked for `part`; its stderr is the
/// library's.
fn run(test: &str, part: &str, svt_log: Option<&str>) -> Output {
    let mut command = this_test(test, part);
    command.env_remove("SVT_LOG").env_remove("SVT_LOG_FILE");
    if let Some(level) = svt_log {
        command.env("SVT_LOG", level);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

/// Does what this process was asked for; false in the test itself.
fn was_child() -> bool {
    let Some(part) = child() else { return false };
    match part.as_str() {
        "speak" => speak(),
        "listen" => listen(),
        "environment" => look_at_environment(),
        _ => panic!("no part is called {part}"),
    }
    true
}

fn says(output: &Output, words: &str) -> bool {
    String::from_utf8_lossy(&output.stderr).contains(words)
        || String::from_utf8_lossy(&output.stdout).contains(words)
}

/// Makes the library talk and complain.
fn speak() {
    let config = Config::new(64, 64, RATE);
    assert_eq!(encode(&config, 2).len(), 2);
    let config = Config {
        parameters: vec![("tile-rows".to_owned(), "7".to_owned())],
        ..config
    };
    assert!(open(&config).is_err());
}

static HEARD: Mutex<Vec<(LogLevel, String)>> = Mutex::new(Vec::new());

fn listen() {
    let delivers = set_log(|level, text| HEARD.lock().unwrap().push((level, text.to_owned())));
    speak();
    let heard = HEARD.lock().unwrap();
    assert_eq!(!heard.is_empty(), delivers);
    if delivers {
        let has = |level, text: &str| {
            heard
                .iter()
                .any(|(at, said)| *at == level && said.contains(text))
        };
        assert!(has(LogLevel::Info, "SVT [version]"), "{heard:?}");
        assert!(has(LogLevel::Error, "Log2Tile"), "{heard:?}");
        assert!(heard.iter().all(|(_, said)| !said.ends_with('\n')));
    }
    println!("delivers: {delivers}");
}

#[test]
fn the_library_is_kept_off_stderr() {
    if was_child() {
        return;
    }
    for part in ["speak", "listen"] {
        let output = run("the_library_is_kept_off_stderr", part, None);
        assert!(!says(&output, "Svt["), "{output:?}");
        assert!(!says(&output, "SVT [version]"), "{output:?}");
        assert!(!says(&output, "Log2Tile"), "{output:?}");
    }
}

#[test]
fn whoever_asks_for_it_gets_it_on_stderr() {
    if was_child() {
        return;
    }
    for part in ["speak", "listen"] {
        let output = run("whoever_asks_for_it_gets_it_on_stderr", part, Some("3"));
        assert!(says(&output, "SVT [version]"), "{output:?}");
        assert!(!says(&output, "delivers: true"), "{output:?}");
    }
}

#[test]
fn messages_are_delivered_from_4_0_on() {
    if was_child() {
        return;
    }
    let output = run("messages_are_delivered_from_4_0_on", "listen", None);
    let expected = Version::installed().at_least(4, 0);
    assert!(
        says(&output, &format!("delivers: {expected}")),
        "{output:?}"
    );
}

/// Before 4.0 the environment silences the library; whoever reads or changes it
/// afterwards finds it as it was otherwise.
#[test]
fn the_environment_keeps_what_it_had_and_can_be_changed_afterwards() {
    let this = "the_environment_keeps_what_it_had_and_can_be_changed_afterwards";
    if was_child() {
        return;
    }
    run(this, "environment", None);
}

fn look_at_environment() {
    let before: Vec<_> = std::env::vars_os().collect();
    set_log(|_, _| {});
    let mut after: Vec<_> = std::env::vars_os().collect();
    if !Version::installed().at_least(4, 0) {
        assert_eq!(after.pop().unwrap(), ("SVT_LOG".into(), "-2".into()));
    }
    assert_eq!(after, before);
    // SAFETY: nobody else is in this process.
    unsafe { std::env::set_var("CODECWATCH_ADDED", "1") };
    // SAFETY: the same.
    unsafe { std::env::remove_var(&before[0].0) };
    assert_eq!(std::env::var("CODECWATCH_ADDED").as_deref(), Ok("1"));
    assert_eq!(std::env::var_os(&before[0].0), None);
}

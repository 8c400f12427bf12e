// SPDX-License-Identifier: MPL-2.0
//! Test material: a child that does what its first argument says, and a parent of such
//! children where a test needs a process of its own for that.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test material: a panic is a failed test"
)]

#[path = "../plain/mod.rs"]
mod plain;

mod ends;
mod parents;
mod probes;
mod work;

use std::env;
use std::io::Write;

use codecwatch_process::launch::{Entered, enter};
use codecwatch_process::sandbox::{Policy, SessionKind, close_door};
use codecwatch_process::{Sandbox, serve};

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments {
        ["parent", what] => parents::run(what),
        ["plain", policy] => serve_plain(policy),
        [policy, what] => child(policy, what),
        _ => panic!("usage: parent WHAT | open|strict|hosted|devices WHAT"),
    }
}

/// A session that keeps the protocol.
fn serve_plain(policy: &str) {
    let entered = enter().unwrap();
    let sandbox = Sandbox::from_arguments([policy.to_owned()].into_iter()).unwrap();
    serve::<plain::Plain>(entered, sandbox).unwrap();
}

fn child(policy: &str, what: &str) {
    if what == "thread-before-entry" {
        thread();
    }
    let entered = match enter() {
        Ok(entered) => entered,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            std::process::exit(4);
        }
    };
    let given = probes::receive(&entered, what);
    if what == "thread-before-door" {
        thread();
    }
    let (policy, kind) = match policy {
        "open" => (Policy::Open, SessionKind::Native),
        "strict" => (Policy::Strict, SessionKind::Native),
        "hosted" => (Policy::Strict, SessionKind::Hosted),
        "devices" => (Policy::Devices, SessionKind::Native),
        other => panic!("no policy {other}"),
    };
    let report = close_door(policy, kind);
    let Entered { mut socket, .. } = entered;
    match what {
        "report" | "thread-before-door" => writeln!(socket, "{report}").unwrap(),
        "hello" => writeln!(socket, "hello").unwrap(),
        "variables" => {
            for (name, _) in env::vars() {
                writeln!(socket, "{name}").unwrap();
            }
        }
        "probes" => probes::run(&mut socket, given),
        "files" => probes::files(&mut socket),
        "work" => work::run(&mut socket),
        end => ends::run(end, &mut socket),
    }
}

/// One that lives on.
fn thread() {
    std::thread::spawn(|| std::thread::sleep(std::time::Duration::from_secs(600)));
}

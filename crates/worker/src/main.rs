// SPDX-License-Identifier: MPL-2.0
//! The program of an isolated codec, and what goes with it:
//!
//! - `codecwatch-worker KIND POLICY [strictly]` runs one codec session for an element of
//!   another process, which starts it;
//! - `codecwatch-worker dump PROCESS` writes the stacks of such a process to stdout;
//! - `codecwatch-worker replay [--here] FOLDER` gives the inputs of a fault's folder to the
//!   codec again. Exit codes: 0 it completed, 2 it is wedged again, 3 it failed, crashed or
//!   found damage, 1 there is nothing that could be replayed.

mod dump;
mod replay;

use std::io::Write;
use std::process::ExitCode;

use codecwatch_dav1d::RemoteDav1d;
use codecwatch_evidence::SHOWS_STACKS;
use codecwatch_hosted::RemoteHosted;
use codecwatch_process::launch::{Entered, enter, printable};
use codecwatch_process::{Broken, Remote, Sandbox, serve};
use codecwatch_svtav1::RemoteSvtAv1;

type Error = Box<dyn std::error::Error>;

/// Longest text of an error, in characters: it may quote a file that somebody has sent.
const LONGEST: usize = 4000;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let ended = match command.as_str() {
        "dump" => dump::run(arguments).map(|()| ExitCode::SUCCESS),
        "replay" => replay::run(arguments),
        kind => work(kind, arguments).map(|()| ExitCode::SUCCESS),
    };
    ended.unwrap_or_else(|error| {
        // Nobody may be reading.
        let text = printable(error.to_string().as_bytes(), LONGEST, false);
        let _ = writeln!(std::io::stderr(), "codecwatch-worker: {text}");
        ExitCode::FAILURE
    })
}

fn work(kind: &str, arguments: impl Iterator<Item = String>) -> Result<(), Error> {
    // Before anything else.
    let entered = enter()?;
    let sandbox = Sandbox::from_arguments(arguments)?;
    if std::env::var_os(SHOWS_STACKS).is_some() {
        dump::allow();
    }
    let kinds: [(&str, Serve); 3] = [
        (RemoteSvtAv1::KIND, serve::<RemoteSvtAv1>),
        (RemoteDav1d::KIND, serve::<RemoteDav1d>),
        (RemoteHosted::KIND, serve::<RemoteHosted>),
    ];
    let found = kinds.iter().find(|(name, _)| *name == kind);
    let (_, serve) = found.ok_or_else(|| format!("no kind of session is called {kind:?}"))?;
    Ok(serve(entered, sandbox)?)
}

type Serve = fn(Entered, Sandbox) -> Result<(), Broken>;

// SPDX-License-Identifier: MPL-2.0
//! `codecwatch-worker KIND POLICY [strictly]`: runs one codec session for an element of another
//! process, which starts it.

use std::io::Write;
use std::process::ExitCode;

use codecwatch_dav1d::RemoteDav1d;
use codecwatch_hosted::RemoteHosted;
use codecwatch_process::launch::{Entered, enter};
use codecwatch_process::{Broken, Remote, Sandbox, serve};
use codecwatch_svtav1::RemoteSvtAv1;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody may be reading.
            let _ = writeln!(std::io::stderr(), "codecwatch-worker: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    // Before anything else.
    let entered = enter()?;
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().unwrap_or_default();
    let sandbox = Sandbox::from_arguments(arguments)?;
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

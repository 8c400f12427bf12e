// SPDX-License-Identifier: MPL-2.0

//! What `./dev demo` runs.
//!
//! `codecwatch-demo inspect FILE DECODER` says what somebody who finds a Matroska file makes of it.
//!
//! Exit codes: 0 when it could say so, 1 otherwise.

mod inspect;

use std::process::ExitCode;

use gst::prelude::*;

/// Why nothing could be said: the command line, the plugins or the file.
struct Failure(String);

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Parses a pipeline description; its errors name the missing element or property.
fn launch(description: &str) -> Result<gst::Pipeline, Failure> {
    gst::parse::launch(description)?
        .downcast::<gst::Pipeline>()
        .map_err(|_| Failure(format!("not a pipeline: {description}")))
}

/// A path as a value in a pipeline description.
fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
}

fn run(arguments: &[String]) -> Result<(), Failure> {
    gst::init()?;
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["inspect", file, decoder] => inspect::inspect(file, decoder),
        _ => Err(Failure(
            "usage: codecwatch-demo inspect FILE DECODER".into(),
        )),
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(text)) => {
            eprintln!("codecwatch-demo: {text}");
            ExitCode::FAILURE
        }
    }
}

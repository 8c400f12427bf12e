// SPDX-License-Identifier: MPL-2.0

//! What `./dev demo` runs.
//!
//! `codecwatch-demo transcode INPUT OUTPUT DECODER ENCODER` re-encodes the AV1 video of a Matroska file, shows its
//! progress, then measures the result against the input. The two elements may carry properties: `"svtav1watchenc crf=30"`.
//! `codecwatch-demo inspect FILE DECODER` says what somebody who finds a Matroska file makes of it.
//!
//! Exit codes: 0 when the output is whole, 2 when the pipeline failed (so that it is not), 1 for anything else.

mod inspect;
mod progress;
mod psnr;
mod transcode;

use std::process::ExitCode;

use gst::prelude::*;

/// Why a command did not do what it should.
enum Failure {
    /// The command line, the plugins or the files are not as they should be.
    Setup(String),
    /// A pipeline ended with an error: what it wrote is not whole.
    Pipeline(String),
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Setup(error.to_string())
    }
}

/// Parses a pipeline description; its errors name the missing element or property.
fn launch(description: &str) -> Result<gst::Pipeline, Failure> {
    gst::parse::launch(description)?
        .downcast::<gst::Pipeline>()
        .map_err(|_| Failure::Setup(format!("not a pipeline: {description}")))
}

/// A path as a value in a pipeline description.
fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
}

/// What an error message on the bus says.
fn bus_error(error: &gst::message::Error) -> Failure {
    let source = error.src().map(|source| source.path_string());
    let debug = error.debug();
    Failure::Pipeline(format!(
        "{}: {}\n{}",
        source.as_deref().unwrap_or("pipeline"),
        error.error(),
        debug.as_deref().unwrap_or_default()
    ))
}

fn run(arguments: &[String]) -> Result<(), Failure> {
    gst::init()?;
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["transcode", input, output, decoder, encoder] => {
            transcode::transcode(input, output, decoder, encoder)
        }
        ["inspect", file, decoder] => inspect::inspect(file, decoder),
        _ => Err(Failure::Setup(
            "usage: codecwatch-demo transcode INPUT OUTPUT DECODER ENCODER | inspect FILE DECODER"
                .into(),
        )),
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Pipeline(text)) => {
            eprintln!("ERROR: {text}");
            ExitCode::from(2)
        }
        Err(Failure::Setup(text)) => {
            eprintln!("codecwatch-demo: {text}");
            ExitCode::FAILURE
        }
    }
}

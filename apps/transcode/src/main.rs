// SPDX-License-Identifier: MPL-2.0
//! `codecwatch-transcode`: the job itself. See docs/JOBS.md.
#![forbid(unsafe_code)]

mod cli;
mod end;
mod guard;
mod interrupt;
mod job;
mod media;
mod plan;
mod probe;
mod progress;
mod quality;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use end::{End, Failure};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // With clap's own exit code a wrong option would look like a codec that was
            // given up.
            let end = if error.use_stderr() {
                End::Error
            } else {
                End::Complete
            };
            let _ = error.print();
            return end.into();
        }
    };
    match run(cli) {
        Ok(end) => end.into(),
        Err(failure) => {
            eprintln!("codecwatch-transcode: {}: {failure}", failure.end.name());
            failure.end.into()
        }
    }
}

fn run(cli: Cli) -> Result<End, Failure> {
    gst::init().map_err(|error| Failure::error(format!("GStreamer does not start: {error}")))?;
    match cli.command {
        Command::Transcode(options) => job::transcode(&options),
        Command::Plan(options) => plan::plan(&options),
        Command::Chunk(options) => job::chunk(&options),
        Command::Join(options) => job::join(&options),
    }
}

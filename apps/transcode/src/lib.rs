// SPDX-License-Identifier: MPL-2.0
//! Transcodes whole inputs with supervised codecs: what `codecwatch-transcode` does, and
//! the same for a program of one's own that reads the output while it is made.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use clap::Parser;
//! use codecwatch_transcode::{Interrupt, LimitOptions, Reader, Streamable, Streamed, StreamOptions};
//!
//! #[derive(Parser)]
//! struct Options {
//!     #[command(flatten)]
//!     streams: StreamOptions,
//!     #[command(flatten)]
//!     limits: LimitOptions,
//! }
//!
//! # fn sink() -> Reader { unimplemented!() }
//! let options = Options::parse();
//! let interrupt = Interrupt::default();
//! let container = Streamable::Matroska;
//! let job = Streamed::prepare(
//!     "in.mp4", &options.streams, &options.limits, container, sink(), &interrupt,
//! )?;
//! // Whatever was read so far is a whole output only if this is complete.
//! let ended = job.run("", Duration::from_secs(300), &interrupt);
//! assert!(ended.result?.is_complete());
//! # Ok::<(), codecwatch_transcode::Failure>(())
//! ```
//!
//! `examples/oneshot` is such a program. GStreamer has to be initialised.
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

pub use cli::{LimitOptions, StreamOptions};
pub use end::{End, Failure};
pub use guard::parse_duration;
pub use interrupt::Interrupt;
pub use job::{Ended, Reader, Streamable, Streamed, Summary, Taken};

/// The command `codecwatch-transcode`, with the arguments of this process.
pub fn command() -> ExitCode {
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

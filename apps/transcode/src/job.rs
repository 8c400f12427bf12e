// SPDX-License-Identifier: MPL-2.0
//! The transcoding itself.
//!
//! [`specs`] reads what the user wants, [`container`] knows the muxers, [`branches`] has
//! the elements of one stream ([`text`]: of subtitles), [`output`] those behind all
//! streams, [`pipeline`] puts them together, [`completeness`] decides at the end whether
//! everything is there, [`watch`] waits for that end and stops the pipeline, and
//! [`failures`] says what an error means.
//! [`chunks`] does a part of the work, or puts the parts together; [`streamed`] does all
//! of it for somebody who reads the output meanwhile.

mod branches;
mod chunks;
mod completeness;
pub(crate) mod container;
mod failures;
mod output;
mod pipeline;
mod specs;
mod streamed;
mod text;
mod watch;

use std::path::PathBuf;
use std::time::Instant;

use codecwatch_health::{Options, Service};
use serde_json::json;

use crate::cli::{RunOptions, Show, StreamOptions, Transcode};
use crate::end::{End, Failure};
use crate::guard::{self, Claims};
use crate::interrupt::Interrupt;
use crate::media::check_is_another;
use crate::probe::Probe;
use crate::progress::Progress;
use crate::quality;
use output::Output;

pub(crate) use chunks::{chunk, join};
pub(crate) use failures::failure_of;
pub(crate) use specs::{AudioSpec, VideoSpec};

pub use container::Streamable;
pub use output::{Reader, Taken};
pub use streamed::Streamed;
pub use watch::{Ended, Summary};

/// What is to be made of what.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) input: String,
    pub(crate) output: PathBuf,
    pub(crate) streams: StreamOptions,
}

/// Transcodes a whole input.
///
/// # Errors
/// Whatever keeps the output from being whole; then it is as it was before.
pub(crate) fn transcode(options: &Transcode) -> Result<End, Failure> {
    told(&options.run, |interrupt| {
        check_is_another(&options.input, &options.output)?;
        let output = Output::file(&options.output, options.keep_partial)?;
        let probe = Probe::open(&options.input, &|| interrupt.check())?;
        guard::check(&probe.claims, &options.limits.limits())?;
        let work = Work {
            input: options.input.clone(),
            output: options.output.clone(),
            streams: options.streams.clone(),
        };
        let job = pipeline::build(&work.input, &work.streams, output, &probe, None)?;
        let declared = probe.claims.clone();
        // Before any codec: the same input is opened once more.
        drop(probe);
        let end = run(&job, &work, &options.run, &declared, interrupt)?;
        if options.compare {
            compare(options, interrupt)?;
        }
        Ok(end)
    })
}

/// Does something, serves health meanwhile, and says how it ended where that is asked for
/// as JSON.
fn told(
    options: &RunOptions,
    work: impl FnOnce(&Interrupt) -> Result<End, Failure>,
) -> Result<End, Failure> {
    let interrupt = Interrupt::listen()?;
    let result = health(options).and_then(|_health| work(&interrupt));
    if options.progress == Show::Json {
        let (end, text) = match &result {
            Ok(end) => (*end, None),
            Err(failure) => (failure.end, Some(&failure.text)),
        };
        println!(
            "{}",
            json!({"end": end.name(), "exit-code": end.code(), "error": text})
        );
    }
    result
}

fn health(options: &RunOptions) -> Result<Option<Service>, Failure> {
    let Some(address) = options.health else {
        return Ok(None);
    };
    let service = Service::start(Options::new(address));
    let service = service.map_err(|error| Failure::error(format!("--health: {error}")))?;
    eprintln!("health: http://{}/", service.address());
    Ok(Some(service))
}

/// Runs a job to its end.
fn run(
    job: &pipeline::Job,
    work: &Work,
    options: &RunOptions,
    declared: &Claims,
    interrupt: &Interrupt,
) -> Result<End, Failure> {
    let began = Instant::now();
    let mut progress = Progress::new(options.progress, declared);
    let ended = watch::run(job, interrupt, options.stall_timeout, &mut progress);
    if !ended.has_stopped {
        end_process(&ended);
    }
    let summary = ended.result?;
    progress.finish();
    if options.progress == Show::Auto {
        summary.print(&work.output, began.elapsed());
    }
    Ok(summary.end())
}

/// What does not stop in time is no reason to hang: the process ends here.
fn end_process(ended: &Ended) -> ! {
    let end = match &ended.result {
        Ok(summary) => summary.end(),
        Err(failure) => {
            eprintln!("codecwatch-transcode: {}: {failure}", failure.end.name());
            failure.end
        }
    };
    eprintln!(
        "codecwatch-transcode: the pipeline did not stop within {} s",
        watch::STOP.as_secs()
    );
    std::process::exit(end.code().into());
}

fn compare(options: &Transcode, interrupt: &Interrupt) -> Result<(), Failure> {
    let quality = quality::compare(&options.input, &options.output, interrupt)?;
    match options.run.progress {
        Show::Json => println!(
            "{}",
            json!({"psnr": quality.psnr(), "ssim": quality.ssim(), "compared": quality.frames})
        ),
        _ => println!("{quality}"),
    }
    Ok(())
}

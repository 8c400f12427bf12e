// SPDX-License-Identifier: MPL-2.0
//! The transcoding itself.
//!
//! [`specs`] reads what the user wants, [`container`] knows the muxers, [`branches`] has
//! the elements of one stream ([`text`]: of subtitles), [`pipeline`] puts them together, [`completeness`] decides
//! at the end whether everything is there, [`watch`] waits for that end and stops the
//! pipeline, and [`verdict`] says what an error means.

mod branches;
mod completeness;
mod container;
mod pipeline;
mod specs;
mod text;
mod verdict;
mod watch;

use std::time::Instant;

use serde_json::json;

use crate::cli::{Show, Transcode};
use crate::end::{End, Failure};
use crate::guard;
use crate::interrupt::Interrupt;
use crate::probe::Probe;
use crate::progress::Progress;
use crate::quality;

pub(crate) use specs::{AudioSpec, VideoSpec};
pub(crate) use verdict::failure_of;

/// Transcodes a whole input.
///
/// # Errors
/// Whatever keeps the output from being whole; then it is as it was before.
pub(crate) fn transcode(options: &Transcode) -> Result<End, Failure> {
    let interrupt = Interrupt::listen()?;
    let container = container::of(&options.output)?;
    let result = check_and_run(options, container, &interrupt);
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

fn check_and_run(
    options: &Transcode,
    container: &'static container::Container,
    interrupt: &Interrupt,
) -> Result<End, Failure> {
    let probe = Probe::open(&options.input, &|| interrupt.check())?;
    guard::check(&probe.claims, &options.limits.limits())?;
    let job = pipeline::build(options, container, &probe)?;
    let declared = probe.claims.clone();
    // Before any codec: the same input is opened once more.
    drop(probe);

    let began = Instant::now();
    let mut progress = Progress::new(options.progress, &declared);
    let summary = watch::run(&job, interrupt, options.stall_timeout, &mut progress)?;
    progress.finish();
    if options.progress == Show::Auto {
        summary.print(&options.output, began.elapsed());
    }
    if options.compare {
        let quality = quality::compare(&options.input, &options.output, interrupt)?;
        match options.progress {
            Show::Json => println!(
                "{}",
                json!({"psnr": quality.psnr(), "ssim": quality.ssim(), "compared": quality.frames})
            ),
            _ => println!("{quality}"),
        }
    }
    Ok(if summary.restarts > 0 {
        End::Degraded
    } else {
        End::Complete
    })
}

// SPDX-License-Identifier: MPL-2.0
//! A job in parts: each chunk of a plan is a file of its own, and together they are the
//! video of the output.
//!
//! Chunks lie in a folder beside the manifest, under names that no other plan has
//! ([`path_of`]). A file that is there is whole, so nothing is done twice, and whoever
//! runs the chunks (in any order, several at a time, on several machines that see the
//! same files) keeps no account of them.

mod encode;
mod feed;

use std::path::{Path, PathBuf};

use gst::prelude::*;

use super::output::Output;
use super::pipeline::{self, Encoded};
use super::{Work, told};
use crate::cli::{self, StreamOptions, Subtitles};
use crate::end::{End, Failure};
use crate::interrupt::Interrupt;
use crate::media::{check_is_another, local_file, size_of};
use crate::plan::{Encode, Plan};
use crate::probe::Probe;

/// `codecwatch-transcode chunk`.
///
/// # Errors
/// As of a transcode; [`End::Damaged`] if the chunk does not have the frames of the plan.
pub(crate) fn chunk(options: &cli::Chunk) -> Result<End, Failure> {
    told(&options.run, |interrupt| {
        let (plan, name) = Plan::read(&options.manifest)?;
        let number = options.number;
        let Some(part) = plan.chunks.get(number) else {
            return Err(Failure::error(format!(
                "there is no chunk {number}: the plan has {}, from 0 on",
                plan.chunks.len()
            )));
        };
        check_input(&plan)?;
        let output = path_of(&options.manifest, &name, number);
        if output.exists() {
            eprintln!("{} is there already", output.display());
            return Ok(End::Complete);
        }
        if let Some(folder) = output.parent() {
            std::fs::create_dir_all(folder).map_err(|error| {
                Failure::error(format!(
                    "cannot make the folder {}: {error}",
                    folder.display()
                ))
            })?;
        }
        let work = Work {
            input: plan.input.clone(),
            output,
            streams: streams_of(&plan.encode)?,
        };
        let mut left = options.tries;
        loop {
            left = left.saturating_sub(1);
            match encode::chunk(&work, part, &options.run, interrupt) {
                Err(failure) if failure.end == End::Degraded && left > 0 => {
                    eprintln!("note: chunk {number} is tried again: {failure}");
                }
                result => return result,
            }
        }
    })
}

/// `codecwatch-transcode join`.
///
/// # Errors
/// [`End::Error`] for chunks that are missing or do not fit together.
pub(crate) fn join(options: &cli::Join) -> Result<End, Failure> {
    told(&options.run, |interrupt| {
        let (plan, name) = Plan::read(&options.manifest)?;
        let Some(output) = &plan.output else {
            return Err(Failure::error(format!(
                "{} does not say what to write: plan with --to OUT",
                options.manifest.display()
            )));
        };
        check_input(&plan)?;
        let chunks = all_chunks(&options.manifest, &name, &plan)?;
        let work = Work {
            input: plan.input.clone(),
            output: PathBuf::from(output),
            streams: streams_of(&plan.encode)?,
        };
        check_is_another(&work.input, &work.output)?;
        let destination = Output::file(&work.output, false)?;
        let (probe, times) = times_of(&plan, interrupt)?;
        let joint = feed::Joint::of(&chunks, times, &|| interrupt.check())?;
        let source = joint.source();
        let frames = plan.chunks.iter().map(|chunk| chunk.frames).sum();
        let encoded = Encoded {
            source: source.clone().upcast(),
            frames,
        };
        let job = pipeline::build(
            &work.input,
            &work.streams,
            destination,
            &probe,
            Some(encoded),
        )?;
        let declared = probe.claims.clone();
        drop(probe);
        feed::start(source, chunks, joint, &job.pipeline)?;
        super::run(&job, &work, &options.run, &declared, interrupt)
    })
}

/// A chunk that has been encoded.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) path: PathBuf,
    pub(super) first_frame: u64,
    pub(super) frames: u64,
}

/// The file of a chunk.
fn path_of(manifest: &Path, name: &str, number: usize) -> PathBuf {
    let mut folder = manifest.as_os_str().to_owned();
    folder.push(".chunks");
    Path::new(&folder).join(format!("{name}-{number:05}.mkv"))
}

fn all_chunks(manifest: &Path, name: &str, plan: &Plan) -> Result<Vec<Piece>, Failure> {
    let pieces = plan.chunks.iter().enumerate().map(|(number, chunk)| Piece {
        path: path_of(manifest, name, number),
        first_frame: chunk.first_frame,
        frames: chunk.frames,
    });
    let pieces: Vec<Piece> = pieces.collect();
    let missing: Vec<String> = pieces
        .iter()
        .enumerate()
        .filter(|(_, piece)| !piece.path.exists())
        .map(|(number, _)| number.to_string())
        .collect();
    if !missing.is_empty() {
        return Err(Failure::error(format!(
            "of {} chunks these are missing: {}",
            pieces.len(),
            missing.join(", ")
        )));
    }
    if pieces.is_empty() {
        return Err(Failure::error(
            "the plan has no chunks: its input has no video",
        ));
    }
    Ok(pieces)
}

/// A file that has changed is not what was planned.
fn check_input(plan: &Plan) -> Result<(), Failure> {
    let (Some(path), Some(planned)) = (local_file(&plan.input), plan.bytes) else {
        return Ok(());
    };
    let bytes = size_of(&path)?;
    if bytes != planned {
        return Err(Failure::error(format!(
            "{} has changed since it was planned: it has {bytes} bytes, the plan says {planned}",
            plan.input
        )));
    }
    Ok(())
}

fn streams_of(encode: &Encode) -> Result<StreamOptions, Failure> {
    Ok(StreamOptions {
        video: encode.video.parse().map_err(Failure::error)?,
        audio: encode.audio.parse().map_err(Failure::error)?,
        subtitles: if encode.subtitles {
            Subtitles::Copy
        } else {
            Subtitles::None
        },
        isolate: encode.isolate,
        // What a restart loses would be missing.
        restart_limit: 0,
        max_damaged: encode.max_damaged,
    })
}

/// When each frame of the input is shown, in order.
fn times_of(plan: &Plan, interrupt: &Interrupt) -> Result<(Probe, Vec<u64>), Failure> {
    let probe = Probe::open_for_times(&plan.input, &|| interrupt.check())?;
    let scan = probe.scan(u64::MAX, &|| interrupt.check())?;
    let mut times = scan.video.map_or_else(Vec::new, |video| video.times);
    times.sort_unstable();
    let planned = plan.video.as_ref().map_or(0, |video| video.frames);
    let frames = times.len() as u64;
    if frames != planned {
        return Err(Failure::error(format!(
            "{} has changed since it was planned: it has {frames} frames with a time, the plan says \
             {planned}",
            plan.input
        )));
    }
    if times.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Failure::error(
            "two frames of the input have the same time: it cannot be parted",
        ));
    }
    Ok((probe, times))
}

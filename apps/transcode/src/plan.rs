// SPDX-License-Identifier: MPL-2.0
//! The plan of a job.
//!
//! Everything that a file says of itself is checked before it is read, and what was
//! read is checked against that.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use codecwatch_whole_file::{Target, WholeFile};
use md5::Digest;
use serde::{Deserialize, Serialize};

use crate::cli;
use crate::end::{End, Failure};
use crate::guard::{self, Found};
use crate::interrupt::Interrupt;
use crate::job::container;
use crate::media::{Stream, changed, check_is_another, local_file};
use crate::probe::{Cut, Probe, Scan, VideoScan};

/// The version of the JSON below. A field that is added does not change it.
const VERSION: u32 = 1;

/// The JSON of `plan`. Times are nanoseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Plan {
    pub(crate) version: u32,
    pub(crate) input: String,
    /// Of the file; a changed file is another one.
    pub(crate) bytes: Option<u64>,
    /// When the file was changed the last time, in nanoseconds since 1970. Chunks of what it
    /// was before have other names.
    #[serde(default)]
    pub(crate) changed: Option<u64>,
    pub(crate) container: Option<String>,
    /// The end of the last frame.
    pub(crate) duration: u64,
    pub(crate) declared_duration: Option<u64>,
    pub(crate) video: Option<PlannedVideo>,
    pub(crate) streams: Vec<PlannedStream>,
    pub(crate) chunks: Vec<Chunk>,
    /// What `join` writes.
    pub(crate) output: Option<String>,
    pub(crate) encode: Encode,
}

/// How it is to be encoded, as on the command line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Encode {
    pub(crate) video: String,
    pub(crate) audio: String,
    pub(crate) subtitles: bool,
    pub(crate) isolate: bool,
    pub(crate) max_damaged: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct PlannedVideo {
    pub(crate) media: String,
    pub(crate) width: i32,
    pub(crate) height: i32,
    /// As a fraction; `None` if it is variable or unknown.
    pub(crate) frame_rate: Option<String>,
    pub(crate) frames: u64,
    pub(crate) duration: u64,
    /// Marked by the demuxer or a parser.
    pub(crate) damaged: u64,
    /// Places where it can be parted.
    pub(crate) cuts: u64,
    /// Lower bound of the memory that encoding takes, in bytes.
    pub(crate) memory: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct PlannedStream {
    pub(crate) kind: String,
    pub(crate) media: String,
    pub(crate) frames: u64,
}

/// A part of the video, from a key frame on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Chunk {
    /// The time of its first frame.
    pub(crate) start: u64,
    /// The time of the first frame of the next one; `None` for the last.
    pub(crate) end: Option<u64>,
    /// Frames before it.
    pub(crate) first_frame: u64,
    pub(crate) frames: u64,
}

/// `codecwatch-transcode plan`.
///
/// # Errors
/// [`End::Refused`] for impossible work.
pub(crate) fn plan(options: &cli::Plan) -> Result<End, Failure> {
    let interrupt = Interrupt::listen()?;
    let limits = options.limits.limits();
    check_targets(options)?;
    let probe = Probe::open(&options.input, &|| interrupt.check())?;
    guard::check(&probe.claims, &limits)?;
    let scan = probe.scan(limits.frames, &|| interrupt.check())?;
    let video = scan.video.as_ref();
    let found = Found {
        frames: video.map_or(0, |video| video.frames),
        end: scan.end,
        untimed: video.map_or(0, |video| video.untimed),
    };
    guard::check_found(found, &probe.claims, &limits)?;
    let plan = describe(options, &probe, &scan)?;
    if options.to.is_some() {
        check_can_be_parted(&plan, found.untimed)?;
    }
    let json = serde_json::to_string_pretty(&plan);
    let json = json.map_err(|error| Failure::error(error.to_string()))? + "\n";
    match &options.output {
        Some(path) => write(path, &json)?,
        // A reader that has gone does not want it.
        None => drop(std::io::stdout().write_all(json.as_bytes())),
    }
    Ok(End::Complete)
}

/// What `join` would find only when all chunks are there.
fn check_targets(options: &cli::Plan) -> Result<(), Failure> {
    if let Some(to) = &options.to {
        check_is_another(&options.input, to)?;
        container::of(to)?;
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            return Err(Failure::error(format!(
                "{}: there is no folder {}",
                to.display(),
                folder.display()
            )));
        }
    }
    let Some(path) = &options.output else {
        return Ok(());
    };
    check_is_another(&options.input, path)?;
    // A name that was meant for the video.
    let is_plan = |text: String| text.is_empty() || serde_json::from_str::<Plan>(&text).is_ok();
    let replaces_other = match std::fs::read(path) {
        Ok(bytes) => !String::from_utf8(bytes).is_ok_and(is_plan),
        Err(_) => false,
    };
    if replaces_other {
        return Err(Failure::error(format!(
            "{} is there and no plan: it is not replaced (--to names what join writes)",
            path.display()
        )));
    }
    Ok(())
}

fn check_can_be_parted(plan: &Plan, untimed: u64) -> Result<(), Failure> {
    if untimed > 0 {
        return Err(Failure::error(format!(
            "{untimed} frames of the video have no time: it cannot be parted, transcode it as a whole"
        )));
    }
    if plan.chunks.is_empty() {
        return Err(Failure::error(
            "the input has no video that begins with a key frame: there is nothing to part",
        ));
    }
    Ok(())
}

fn describe(options: &cli::Plan, probe: &Probe, scan: &Scan) -> Result<Plan, Failure> {
    let planned = |(stream, frames): (&Stream, &u64)| PlannedStream {
        kind: stream.kind.name().to_owned(),
        media: stream.media().to_owned(),
        frames: *frames,
    };
    let video = scan
        .video
        .as_ref()
        .zip(probe.video())
        .and_then(|(scan, stream)| {
            let picture = stream.video()?;
            let rate = picture.rate.filter(|(numerator, _)| *numerator > 0);
            Some(PlannedVideo {
                media: stream.media().to_owned(),
                width: picture.width,
                height: picture.height,
                frame_rate: rate
                    .map(|(numerator, denominator)| format!("{numerator}/{denominator}")),
                frames: scan.frames,
                duration: nanoseconds(scan.end),
                damaged: scan.corrupted,
                cuts: scan.cuts.len() as u64,
                memory: guard::least_memory(picture),
            })
        });
    let streams = &options.streams;
    Ok(Plan {
        version: VERSION,
        input: lasting(&options.input)?,
        bytes: probe.claims.bytes,
        changed: local_file(&options.input).as_deref().and_then(changed),
        container: probe.container.clone(),
        duration: nanoseconds(scan.end),
        declared_duration: probe.claims.duration,
        video,
        streams: probe
            .streams
            .iter()
            .zip(&scan.frames)
            .map(planned)
            .collect(),
        chunks: scan
            .video
            .as_ref()
            .map_or_else(Vec::new, |scan| parted(scan, options.chunks)),
        output: options.to.as_ref().map(|to| absolute(to)).transpose()?,
        encode: Encode {
            video: streams.video.to_string(),
            audio: streams.audio.to_string(),
            subtitles: streams.subtitles == cli::Subtitles::Copy,
            isolate: streams.isolate,
            max_damaged: streams.max_damaged,
        },
    })
}

/// An input as every machine finds it that has the same files.
fn lasting(input: &str) -> Result<String, Failure> {
    match local_file(input) {
        Some(path) => absolute(&path),
        None => Ok(input.to_owned()),
    }
}

fn absolute(path: &Path) -> Result<String, Failure> {
    let shown = path.display();
    let absolute =
        std::path::absolute(path).map_err(|error| Failure::error(format!("{shown}: {error}")))?;
    let text = absolute.to_str().map(str::to_owned);
    text.ok_or_else(|| Failure::error(format!("{shown}: names in UTF-8 only")))
}

impl Plan {
    /// Reads what `plan` has written, and answers it with a name that no other plan has.
    ///
    /// # Errors
    /// [`End::Error`] if it is no plan, or one that this version cannot read.
    pub(crate) fn read(path: &Path) -> Result<(Self, String), Failure> {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::error(format!("cannot read {shown}: {error}")))?;
        let plan: Self = serde_json::from_str(&text)
            .map_err(|error| Failure::error(format!("{shown} is no plan: {error}")))?;
        if plan.version != VERSION {
            return Err(Failure::error(format!(
                "{shown} is a plan of version {}, this program reads version {VERSION}",
                plan.version
            )));
        }
        let digest = md5::Md5::digest(text.as_bytes());
        let name = digest
            .iter()
            .take(4)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok((plan, name))
    }
}

/// Parts a video into about as many chunks, of about as many frames each.
fn parted(video: &VideoScan, chunks: u32) -> Vec<Chunk> {
    let chunks = u64::from(chunks.max(1));
    // Frames before the first key frame belong to the first chunk: nothing is dropped
    // here, whatever a decoder makes of it.
    let Some(first) = video.cuts.first() else {
        return Vec::new();
    };
    let mut cuts = vec![Cut {
        frame: 0,
        at: first.at.min(video.cuts.first().map_or(0, |cut| cut.at)),
    }];
    for number in 1..chunks {
        let wanted = video.frames * number / chunks;
        let nearest = video
            .cuts
            .iter()
            .min_by_key(|cut| cut.frame.abs_diff(wanted));
        if let (Some(nearest), Some(last)) = (nearest, cuts.last())
            && nearest.frame > last.frame
        {
            cuts.push(*nearest);
        }
    }
    let ends = cuts.iter().skip(1).map(|cut| (Some(cut.at), cut.frame));
    let ends = ends.chain([(None, video.frames)]);
    let chunk = |(cut, (end, next)): (&Cut, (Option<u64>, u64))| Chunk {
        start: cut.at,
        end,
        first_frame: cut.frame,
        frames: next - cut.frame,
    };
    cuts.iter().zip(ends).map(chunk).collect()
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let written = Target::new(path).and_then(|target| {
        let mut file = WholeFile::create(target, false)?;
        file.write(text.as_bytes())?;
        file.put_in_place()
    });
    written.map_err(|error| Failure::error(error.to_string()))
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn video(frames: u64, every: u64) -> VideoScan {
        let cuts = (0..frames).step_by(usize::try_from(every).unwrap());
        VideoScan {
            frames,
            untimed: 0,
            corrupted: 0,
            end: Duration::from_nanos(frames * 10),
            times: Vec::new(),
            cuts: cuts
                .map(|frame| Cut {
                    frame,
                    at: frame * 10,
                })
                .collect(),
        }
    }

    #[test]
    fn every_frame_is_in_one_chunk() {
        for (frames, every, chunks) in [
            (100, 10, 4),
            (100, 7, 5),
            (3, 1, 9),
            (100, 100, 4),
            (1, 1, 1),
        ] {
            let parts = parted(&video(frames, every), chunks);
            assert_eq!(parts.iter().map(|chunk| chunk.frames).sum::<u64>(), frames);
            assert_eq!(parts[0].first_frame, 0);
            for (one, next) in parts.iter().zip(&parts[1..]) {
                assert_eq!(one.first_frame + one.frames, next.first_frame);
                assert_eq!(one.end, Some(next.start));
                assert_eq!(next.first_frame % every, 0);
            }
            assert_eq!(parts.last().unwrap().end, None);
        }
        assert_eq!(parted(&video(100, 10), 4).len(), 4);
        assert_eq!(parted(&video(100, 100), 4).len(), 1);
    }
}

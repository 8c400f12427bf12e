// SPDX-License-Identifier: MPL-2.0
//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::guard::{Limits, parse_duration};
use crate::job::{AudioSpec, VideoSpec};

/// Transcodes whole files with supervised codecs.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Exit codes: 0 complete, 1 error, 2 degraded (a codec was given up), 3 refused (impossible work), 4 damaged input, 128 + N ended by signal N."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Transcodes IN to OUT, which is there when it is whole and not before.
    Transcode(Transcode),
    /// Looks at IN without a codec, refuses impossible work, prints the plan as JSON.
    Plan(Plan),
    /// Encodes one chunk of a plan. What is there already is not done again.
    Chunk(Chunk),
    /// Puts the chunks of a plan together, with the audio and the subtitles of IN.
    Join(Join),
}

/// What is allowed; above it the work is refused (exit code 3).
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitOptions {
    /// Most frames of the video
    #[arg(long, value_name = "N", default_value_t = 20_000_000)]
    max_frames: u64,
    /// Longest duration, in seconds or as 90s, 10m, 36h, 7d
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = parse_duration)]
    max_duration: Duration,
    /// Most pixels of a picture
    #[arg(long, value_name = "N", default_value_t = 16_384 * 16_384)]
    max_pixels: u64,
}

impl LimitOptions {
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            frames: self.max_frames,
            duration: self.max_duration,
            pixels: self.max_pixels,
        }
    }
}

/// What becomes of the streams.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Streams")]
pub struct StreamOptions {
    /// svtav1[:PROPERTY=VALUE,...], or codecwatch:CHAIN with an encoder of GStreamer
    #[arg(long, value_name = "SPEC", default_value = "svtav1:preset=8,crf=32")]
    pub(crate) video: VideoSpec,
    /// copy, opus, opus:BITRATE (such as 96k), none, or auto: copied if OUT can hold it, otherwise Opus
    #[arg(long, value_name = "SPEC", default_value = "auto")]
    pub(crate) audio: AudioSpec,
    /// Whether subtitles that OUT can hold are kept
    #[arg(long, value_enum, default_value_t = Subtitles::Copy)]
    pub(crate) subtitles: Subtitles,
    /// Run codecs as child processes
    #[arg(long)]
    pub(crate) isolate: bool,
    /// Faults of a codec that are answered with a restart, which loses frames: the exit
    /// code is 2 then, although OUT is there
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) restart_limit: u32,
    /// Frames of the video that may be damaged or missing (exit code 4 beyond that)
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) max_damaged: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Subtitles {
    Copy,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Show {
    /// A bar on a terminal, otherwise nothing
    Auto,
    /// A line of JSON per second, on stdout
    Json,
    /// Nothing
    None,
}

/// How a job is run and watched.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Run")]
pub(crate) struct RunOptions {
    /// How progress is shown
    #[arg(long, value_enum, default_value_t = Show::Auto)]
    pub(crate) progress: Show,
    /// Give up if nothing moves for this long, whatever the reason
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_duration)]
    pub(crate) stall_timeout: Duration,
    /// Serve health over HTTP meanwhile: a port, or an address and a port
    #[arg(long, value_name = "ADDRESS", value_parser = codecwatch_health::parse_address)]
    pub(crate) health: Option<SocketAddr>,
}

#[derive(Debug, Args)]
pub(crate) struct Transcode {
    /// A file, or a URI that GStreamer reads
    #[arg(value_name = "IN")]
    pub(crate) input: String,
    /// A file: .mkv, .webm, .mp4, .mov, .ts
    #[arg(value_name = "OUT")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) streams: StreamOptions,
    #[command(flatten)]
    pub(crate) limits: LimitOptions,
    #[command(flatten)]
    pub(crate) run: RunOptions,
    /// Keep what is not whole as OUT.codecwatch-partial
    #[arg(long)]
    pub(crate) keep_partial: bool,
    /// Compare OUT with IN afterwards: PSNR and SSIM
    #[arg(long)]
    pub(crate) compare: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// A file, or a URI that GStreamer reads
    #[arg(value_name = "IN")]
    pub(crate) input: String,
    /// The file that `join` writes
    #[arg(long, value_name = "OUT")]
    pub(crate) to: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) streams: StreamOptions,
    #[command(flatten)]
    pub(crate) limits: LimitOptions,
    /// Write the plan to this file instead of stdout
    #[arg(long, short, value_name = "MANIFEST")]
    pub(crate) output: Option<PathBuf>,
    /// About as many chunks, each from a key frame on
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) chunks: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Chunk {
    /// What `plan --to OUT` has written
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: PathBuf,
    /// Which chunk, from 0 on
    #[arg(value_name = "K")]
    pub(crate) number: usize,
    /// How often it is tried if a codec is given up
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) tries: u32,
    #[command(flatten)]
    pub(crate) run: RunOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Join {
    /// What `plan --to OUT` has written
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: PathBuf,
    #[command(flatten)]
    pub(crate) run: RunOptions,
}

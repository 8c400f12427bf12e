// SPDX-License-Identifier: MPL-2.0
//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use codecwatch_health::parse_address;
use codecwatch_transcode::{LimitOptions, StreamOptions, Streamable, parse_duration};

/// POST a video, and AV1 comes back as it is made: curl --data-binary @in.mp4 -o out.mkv URL
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    // A restart loses frames, and what was sent cannot be taken back.
    mut_arg("restart_limit", |arg| arg.hide(true).value_parser(clap::value_parser!(u32).range(0..=0))),
    after_help = "Exit codes: 0 after SIGTERM or SIGINT if every job came to its end, 1 otherwise, 128 + N after a second signal N."
)]
pub(crate) struct Cli {
    /// Where to listen: a port (on the loopback interface), or an address and a port
    #[arg(long, value_name = "ADDRESS", default_value = "8080", value_parser = parse_address)]
    pub(crate) listen: SocketAddr,
    /// Where health is served, likewise
    #[arg(long, value_name = "ADDRESS", default_value = "9848", value_parser = parse_address)]
    pub(crate) health: SocketAddr,
    /// Most jobs at once, uploads included; a further one is answered 503
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: u16,
    /// What a client that is answered 503 is asked to wait, in whole seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub(crate) retry_after: u32,
    /// Most bytes of a video; k, M and G are powers of 1024
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = size)]
    pub(crate) max_upload: u64,
    /// Longest time that an upload may take
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = parse_duration)]
    pub(crate) upload_timeout: Duration,
    /// The folder for uploads; JOBS times MAX_UPLOAD have to fit
    #[arg(long, value_name = "FOLDER", default_value_os_t = std::env::temp_dir())]
    pub(crate) spool: PathBuf,
    /// What is sent
    #[arg(long, value_enum, default_value_t = Streamable::Matroska)]
    pub(crate) container: Streamable,
    /// Give a job up if nothing moves for this long, whether codec or client is the reason
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_duration)]
    pub(crate) stall_timeout: Duration,
    /// What jobs have left after SIGTERM or SIGINT
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = parse_duration)]
    pub(crate) grace: Duration,
    #[command(flatten)]
    pub(crate) streams: StreamOptions,
    #[command(flatten)]
    pub(crate) limits: LimitOptions,
}

/// A number of bytes.
fn size(text: &str) -> Result<u64, String> {
    let (number, shift) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 10),
        Some((at, 'M')) => (&text[..at], 20),
        Some((at, 'G')) => (&text[..at], 30),
        _ => (text, 0),
    };
    let bytes = number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(1 << shift));
    bytes.ok_or_else(|| format!("'{text}' is no size: a whole number of bytes, or with k, M or G"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_unit() {
        for (text, bytes) in [
            ("0", 0),
            ("17", 17),
            ("2k", 2048),
            ("3M", 3 << 20),
            ("1G", 1 << 30),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "k", "-1", "1.5G", "1T", "99999999999999999999", "1€"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_restart_is_no_option() {
        assert!(Cli::try_parse_from(["oneshot"]).is_ok());
        let error = Cli::try_parse_from(["oneshot", "--restart-limit", "1"]).unwrap_err();
        assert!(error.to_string().contains("--restart-limit"), "{error}");
    }
}

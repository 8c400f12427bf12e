// SPDX-License-Identifier: MPL-2.0
//! The plan guard: what a job may be. Pure, apart from the memory of the machine.
//!
//! The elements refuse what cannot be; this refuses what nobody wants, by limits that a
//! refusal names, and before any codec exists. What is unknown passes: a live input has
//! no duration, and a variable frame rate is none.

use std::time::Duration;

use codecwatch_supervisor::guard;

use crate::end::Failure;

/// The longest side of a picture: AV1 cannot describe a longer one.
const LONGEST_SIDE: u32 = 65_536;

/// The fewest bytes of a frame that any container in use can hold: an entry of a table
/// of sizes in MP4. Packets of a still picture have some bytes of their own.
const LEAST_BYTES_PER_FRAME: u64 = 4;

/// What encoding needs at the least, in bytes for each pixel: the lower bound that
/// `svtav1watchenc` has, from measurements with a fast preset.
const LEAST_BYTES_PER_PIXEL: u64 = 100;

/// The difference of a declared duration and the real one that is no contradiction.
const SLACK: Duration = Duration::from_secs(10);

/// What a job may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) frames: u64,
    pub(crate) duration: Duration,
    pub(crate) pixels: u64,
}

/// What a file says of itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Claims {
    /// Nanoseconds, as GStreamer read them: possibly a sentinel.
    pub(crate) duration: Option<u64>,
    /// Seconds, as the container has them: possibly no number.
    pub(crate) raw_duration: Option<f64>,
    /// The size of the file.
    pub(crate) bytes: Option<u64>,
    pub(crate) video: Option<Video>,
}

/// The video, as its caps describe it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Video {
    pub(crate) width: i32,
    pub(crate) height: i32,
    /// `None` or 0/1: variable or unknown.
    pub(crate) rate: Option<(i32, i32)>,
}

/// Checks what a file says of itself.
///
/// # Errors
/// A refusal that names the value and the limit.
pub(crate) fn check(claims: &Claims, limits: &Limits) -> Result<(), Failure> {
    if let Some(seconds) = claims.raw_duration {
        check_duration(seconds_of(seconds)?, limits)?;
    }
    let refuse = |refusal: guard::Refusal| Failure::refused(refusal.to_string());
    let duration = guard::announced_end(claims.duration).map_err(refuse)?;
    if let Some(duration) = duration {
        check_duration(duration, limits)?;
    }
    let Some(video) = claims.video else {
        return Ok(());
    };
    check_picture(video, limits)?;
    if let Some((numerator, denominator)) = video.rate {
        guard::check_frame_rate(numerator, denominator).map_err(refuse)?;
    }
    if let Some(duration) = duration
        && let Some(frames) = declared_frames(duration, video)
    {
        check_frames(frames, limits)?;
        check_bytes(duration, frames, claims.bytes)?;
    }
    Ok(())
}

/// What was found by reading all of the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) frames: u64,
    /// The end of the last frame of any stream.
    pub(crate) end: Duration,
    /// Frames of the video without a time.
    pub(crate) untimed: u64,
}

/// Checks what was found against what the file says.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_found(found: Found, claims: &Claims, limits: &Limits) -> Result<(), Failure> {
    check_frames(found.frames, limits)?;
    check_duration(found.end, limits)?;
    let rate = claims.video.and_then(|video| video.rate);
    if found.untimed > 0 && rate.is_none_or(|(numerator, _)| numerator == 0) {
        return Err(Failure::refused(format!(
            "{} frames have no time and the stream has no frame rate: nobody can say when they are \
             shown",
            found.untimed
        )));
    }
    let Some(declared) = claims.duration.map(Duration::from_nanos) else {
        return Ok(());
    };
    let (less, more) = if declared < found.end {
        (declared, found.end)
    } else {
        (found.end, declared)
    };
    if more > less * 2 && more - less > SLACK {
        return Err(Failure::refused(format!(
            "the file declares a duration of {declared:.1?}, its frames end at {:.1?}: one of them \
             is wrong",
            found.end
        )));
    }
    Ok(())
}

/// The memory that encoding needs at the least, in bytes.
pub(crate) fn least_memory(video: Video) -> u64 {
    pixels(video).saturating_mul(LEAST_BYTES_PER_PIXEL)
}

fn pixels(video: Video) -> u64 {
    u64::from(video.width.unsigned_abs()) * u64::from(video.height.unsigned_abs())
}

/// A duration that is written as a number of seconds.
fn seconds_of(seconds: f64) -> Result<Duration, Failure> {
    if !seconds.is_finite() {
        return Err(Failure::refused(format!(
            "the file declares a duration that is no finite number ({seconds})"
        )));
    }
    if seconds < 0.0 {
        return Err(Failure::refused(format!(
            "the file declares a negative duration ({seconds} s)"
        )));
    }
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

fn check_duration(duration: Duration, limits: &Limits) -> Result<(), Failure> {
    if duration > limits.duration {
        return Err(Failure::refused(format!(
            "the duration is {duration:.0?}, --max-duration allows {:.0?}",
            limits.duration
        )));
    }
    Ok(())
}

fn check_picture(video: Video, limits: &Limits) -> Result<(), Failure> {
    let Video { width, height, .. } = video;
    let is_side =
        |side: i32| u32::try_from(side).is_ok_and(|side| (1..=LONGEST_SIDE).contains(&side));
    if !is_side(width) || !is_side(height) {
        return Err(Failure::refused(format!(
            "the pictures are {width}x{height}: a side has 1 to {LONGEST_SIDE} pixels"
        )));
    }
    if pixels(video) > limits.pixels {
        return Err(Failure::refused(format!(
            "the pictures are {width}x{height}, {} pixels; --max-pixels allows {}",
            pixels(video),
            limits.pixels
        )));
    }
    guard::check_memory(
        least_memory(video),
        guard::available_memory(),
        &format!("encoding pictures of {width}x{height}"),
    )
    .map_err(|refusal| Failure::refused(refusal.to_string()))
}

fn check_frames(frames: u64, limits: &Limits) -> Result<(), Failure> {
    if frames > limits.frames {
        return Err(Failure::refused(format!(
            "the video has {frames} frames, --max-frames allows {}",
            limits.frames
        )));
    }
    Ok(())
}

fn check_bytes(duration: Duration, frames: u64, bytes: Option<u64>) -> Result<(), Failure> {
    match bytes {
        Some(bytes) if frames.saturating_mul(LEAST_BYTES_PER_FRAME) > bytes => {
            Err(Failure::refused(format!(
                "the file declares a duration of {duration:.1?}, which is {frames} frames: its \
                 {bytes} bytes cannot hold them"
            )))
        }
        _ => Ok(()),
    }
}

/// The number of frames by duration and rate; `None` where the rate is variable.
pub(crate) fn declared_frames(duration: Duration, video: Video) -> Option<u64> {
    let (numerator, denominator) = video.rate?;
    let (numerator, denominator) = (
        u128::try_from(numerator).ok()?,
        u128::try_from(denominator).ok()?,
    );
    if numerator == 0 || denominator == 0 {
        return None;
    }
    let frames = duration.as_nanos() * numerator / denominator / 1_000_000_000;
    Some(u64::try_from(frames).unwrap_or(u64::MAX))
}

/// Reads a duration as it stands on the command line: seconds, or a number with a unit
/// (`ms`, `s`, `m`, `h`, `d`).
///
/// # Errors
/// A sentence that names what is wrong.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let unit_at = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let factor = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(format!("'{unit}' is no unit of time: ms, s, m, h, d")),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| format!("'{number}' is no number"))?;
    Duration::try_from_secs_f64(number * factor).map_err(|_| format!("'{text}' is no duration"))
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;

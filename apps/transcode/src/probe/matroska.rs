// SPDX-License-Identifier: MPL-2.0
//! The duration that a Matroska file declares, as it is written there.
//!
//! GStreamer's demuxer drops or rounds what is no duration (negative, no number), so
//! that nobody can refuse it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

const EBML: u64 = 0x1a45_dfa3;
const SEGMENT: u64 = 0x1853_8067;
const INFO: u64 = 0x1549_a966;
const CLUSTER: u64 = 0x1f43_b675;
const TIMESTAMP_SCALE: u64 = 0x2a_d7b1;
const DURATION: u64 = 0x4489;

/// Nanoseconds, where a file says nothing.
const USUAL_SCALE: f64 = 1_000_000.0;

/// The most elements that are looked at: those before the first cluster are few.
const MOST: usize = 64;

/// Seconds, by the first `Duration` of the file; `None` if it is no Matroska file or has
/// none before its first cluster.
pub(super) fn duration(path: &Path) -> Option<f64> {
    let mut file = File::open(path).ok()?;
    let (id, size) = header(&mut file)?;
    if id != EBML {
        return None;
    }
    skip(&mut file, size)?;
    let (id, _) = header(&mut file)?;
    if id != SEGMENT {
        return None;
    }
    for _ in 0..MOST {
        let (id, size) = header(&mut file)?;
        match id {
            INFO => return read_info(&mut file, size),
            CLUSTER => return None,
            _ => skip(&mut file, size)?,
        }
    }
    None
}

fn read_info(file: &mut File, size: u64) -> Option<f64> {
    let end = file.stream_position().ok()?.checked_add(size)?;
    let (mut scale, mut duration) = (USUAL_SCALE, None);
    for _ in 0..MOST {
        if file.stream_position().ok()? >= end {
            break;
        }
        let (id, size) = header(file)?;
        match id {
            TIMESTAMP_SCALE => scale = number(file, size)? as f64,
            DURATION => {
                let bits = number(file, size)?;
                duration = match size {
                    4 => Some(f64::from(f32::from_bits(u32::try_from(bits).ok()?))),
                    8 => Some(f64::from_bits(bits)),
                    _ => None,
                };
            }
            _ => skip(file, size)?,
        }
    }
    duration.map(|duration| duration * scale / 1e9)
}

/// The identifier of an element and the size of its content.
fn header(file: &mut File) -> Option<(u64, u64)> {
    Some((variable(file, true)?, variable(file, false)?))
}

/// A number whose first bits say how long it is. Identifiers keep these bits.
fn variable(file: &mut File, is_id: bool) -> Option<u64> {
    let mut first = [0];
    file.read_exact(&mut first).ok()?;
    let more = first[0].leading_zeros();
    if more > 7 {
        return None;
    }
    let mut value = u64::from(first[0]);
    if !is_id {
        value &= (1 << (7 - more)) - 1;
    }
    for _ in 0..more {
        let mut byte = [0];
        file.read_exact(&mut byte).ok()?;
        value = value << 8 | u64::from(byte[0]);
    }
    Some(value)
}

/// A number with the highest byte first.
fn number(file: &mut File, size: u64) -> Option<u64> {
    let size = usize::try_from(size).ok().filter(|size| *size <= 8)?;
    let mut bytes = [0; 8];
    file.read_exact(&mut bytes[8 - size..]).ok()?;
    Some(u64::from_be_bytes(bytes))
}

fn skip(file: &mut File, size: u64) -> Option<()> {
    let size = i64::try_from(size).ok()?;
    file.seek(SeekFrom::Current(size)).ok().map(drop)
}

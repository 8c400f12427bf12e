// SPDX-License-Identifier: MPL-2.0

//! What a file looks like to somebody who does not know how it came about.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gst::prelude::*;

use crate::{Failure, launch, quoted};

/// Longest wait for a file of a few seconds.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(30);

/// Prints whether the muxer of a Matroska file finished it, and how many frames can be decoded.
pub(crate) fn inspect(file: &str, decoder: &str) -> Result<(), Failure> {
    let mut head = Vec::new();
    let length = match File::open(file) {
        Ok(file) => {
            let length = file.metadata()?.len();
            file.take(4096).read_to_end(&mut head)?;
            length
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error.into()),
    };
    let state = match segment_end(&head) {
        _ if length == 0 => {
            println!("no file, or an empty one");
            return Ok(());
        }
        Some(end) if end <= length => "finished, looks whole",
        Some(_) => "cut short",
        None => "not finished: its header was never completed",
    };
    println!(
        "{state}; {} frames in {} kB",
        frames(file, decoder)?,
        length / 1000
    );
    Ok(())
}

/// Counts the frames that can be decoded.
fn frames(file: &str, decoder: &str) -> Result<u64, Failure> {
    let pipeline = launch(&format!(
        "filesrc location={} ! matroskademux ! av1parse ! {decoder} name=decoder ! fakesink sync=false",
        quoted(file)
    ))?;
    let decoder = pipeline
        .by_name("decoder")
        .ok_or_else(|| Failure("no decoder".into()))?;
    let frames = count_buffers(&decoder)?;
    pipeline.set_state(gst::State::Playing)?;
    // An error is how the last frame of a file that was cut may end.
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    pipeline
        .bus()
        .and_then(|bus| bus.timed_pop_filtered(PATIENCE, &ends));
    pipeline.set_state(gst::State::Null)?;
    Ok(frames.load(Ordering::Relaxed))
}

/// Where the segment of a Matroska file ends, in bytes. A muxer writes that once it has the last frame; until then the
/// size is the reserved value "unknown".
fn segment_end(head: &[u8]) -> Option<u64> {
    const EBML: &[u8] = &[0x1a, 0x45, 0xdf, 0xa3];
    const SEGMENT: &[u8] = &[0x18, 0x53, 0x80, 0x67];
    let (size, at) = element_size(head, EBML, 0)?;
    let (size, at) = element_size(head, SEGMENT, at + usize::try_from(size).ok()?)?;
    Some(at as u64 + size)
}

/// The size of the element `id` at offset `at`, and where its content begins. None if it is not there or unknown.
fn element_size(head: &[u8], id: &[u8], at: usize) -> Option<(u64, usize)> {
    let rest = head.get(at..)?.strip_prefix(id)?;
    // The leading zeros of the first byte say how many more belong to the number; the first one is no part of it.
    let more = rest.first()?.leading_zeros() as usize;
    let bytes = rest.get(..=more)?;
    let marker = 1u64.checked_shl(7 * (more as u32 + 1))?;
    let value = bytes
        .iter()
        .fold(0u64, |value, byte| value << 8 | u64::from(*byte))
        & (marker - 1);
    (value != marker - 1).then_some((value, at + id.len() + bytes.len()))
}

/// Counts the buffers that leave `element`.
fn count_buffers(element: &gst::Element) -> Result<Arc<AtomicU64>, Failure> {
    let pad = element
        .static_pad("src")
        .ok_or_else(|| Failure("no source pad".into()))?;
    let count = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&count);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        counter.fetch_add(1, Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::segment_end;

    /// An EBML header with one byte of content, then a segment with the given size field.
    fn file(size: &[u8]) -> Vec<u8> {
        [
            &[0x1a, 0x45, 0xdf, 0xa3, 0x81, 0x00, 0x18, 0x53, 0x80, 0x67],
            size,
        ]
        .concat()
    }

    #[test]
    fn a_segment_ends_where_its_size_says() {
        assert_eq!(segment_end(&file(&[0x85])), Some(11 + 5));
        assert_eq!(segment_end(&file(&[0x41, 0x02])), Some(12 + 0x102));
        assert_eq!(
            segment_end(&file(&[0x01, 0, 0, 0, 0, 1, 0, 0])),
            Some(18 + 0x10000)
        );
    }

    #[test]
    fn a_segment_of_unknown_size_has_no_end() {
        assert_eq!(segment_end(&file(&[0xff])), None);
        assert_eq!(
            segment_end(&file(&[0x01, 255, 255, 255, 255, 255, 255, 255])),
            None
        );
    }

    #[test]
    fn what_is_no_matroska_file_has_no_end() {
        assert_eq!(segment_end(b"ftyp"), None);
        assert_eq!(segment_end(&file(&[])), None);
        assert_eq!(segment_end(&file(&[0x01, 0])), None);
        assert_eq!(segment_end(&file(&[0x00])), None);
    }
}

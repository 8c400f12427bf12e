// SPDX-License-Identifier: MPL-2.0
//! The GStreamer data protocol, version 1.0, which the element `gdpdepay` reads: a stream
//! of packets, each a header of 62 bytes and a payload. Numbers are big endian.

use std::io::{self, Write};

use gst::glib::translate::IntoGlib;

use super::RecordedInput;

/// The name of the file.
pub(super) const GDP_FILE: &str = "sample.gdp";

const HEADER: usize = 62;
/// Kinds of packets; that of an event follows this one by the number of its type.
const BUFFER: u16 = 1;
const CAPS: u16 = 2;
const EVENT: u16 = 64;
/// "None", of times and offsets.
const NONE: u64 = u64::MAX;
/// Flags of buffers that the protocol has.
const FLAGS: gst::BufferFlags = gst::BufferFlags::LIVE
    .union(gst::BufferFlags::DISCONT)
    .union(gst::BufferFlags::HEADER)
    .union(gst::BufferFlags::GAP)
    .union(gst::BufferFlags::DELTA_UNIT);

/// Writes inputs with their times, flags and caps, in a segment of stream time.
pub(super) fn write_gdp(file: &mut dyn Write, inputs: &[RecordedInput]) -> io::Result<()> {
    event(file, &gst::event::StreamStart::new("evidence"))?;
    let mut caps: Option<&gst::Caps> = None;
    for (number, input) in inputs.iter().enumerate() {
        if caps != input.caps.as_ref() {
            caps = input.caps.as_ref();
            if let Some(caps) = caps {
                text(file, CAPS, &caps.to_string())?;
            }
        }
        if number == 0 {
            let segment = gst::FormattedSegment::<gst::ClockTime>::new();
            event(file, &gst::event::Segment::new(&segment))?;
        }
        buffer(file, &input.buffer)?;
    }
    Ok(())
}

fn event(file: &mut dyn Write, event: &gst::EventRef) -> io::Result<()> {
    let kind = u16::try_from(event.type_().into_glib()).map_err(io::Error::other)?;
    let structure = event.structure().map(ToString::to_string);
    text(file, EVENT + kind, &structure.unwrap_or_default())
}

fn text(file: &mut dyn Write, kind: u16, text: &str) -> io::Result<()> {
    let len = text.len() + 1;
    file.write_all(&header(kind, len, [0; 4], 0, 0)?)?;
    file.write_all(text.as_bytes())?;
    file.write_all(&[0])
}

fn buffer(file: &mut dyn Write, buffer: &gst::BufferRef) -> io::Result<()> {
    let map = buffer.map_readable().map_err(io::Error::other)?;
    let time = |time: Option<gst::ClockTime>| time.map_or(NONE, gst::ClockTime::nseconds);
    let numbers = [
        time(buffer.pts()),
        time(buffer.duration()),
        buffer.offset(),
        buffer.offset_end(),
    ];
    let flags = (buffer.flags() & FLAGS).bits() as u16;
    let dts = time(buffer.dts());
    file.write_all(&header(BUFFER, map.len(), numbers, flags, dts)?)?;
    file.write_all(&map)
}

/// Version, kind, length, times and offsets, flags, DTS; without checksums.
fn header(
    kind: u16,
    len: usize,
    numbers: [u64; 4],
    flags: u16,
    dts: u64,
) -> io::Result<[u8; HEADER]> {
    let len = u32::try_from(len).map_err(io::Error::other)?;
    let mut header = [0; HEADER];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        header[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    put(&[1, 0, 0, 0]);
    put(&kind.to_be_bytes());
    put(&len.to_be_bytes());
    for number in numbers {
        put(&number.to_be_bytes());
    }
    put(&flags.to_be_bytes());
    put(&dts.to_be_bytes());
    Ok(header)
}

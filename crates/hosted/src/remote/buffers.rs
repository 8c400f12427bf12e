// SPDX-License-Identifier: MPL-2.0
//! Buffers on their way between parent and child: small ones in the message, others in
//! shared memory. So `isolate-max-memory` bounds what a child can have the parent hold. Times, offsets, flags and the usual metas go along; metas of other kinds
//! do not, because only their own code knows what is in them.

use std::ops::Range;
use std::sync::Arc;

use codecwatch_process::{
    BlockId, Broken, Given, GivenBlock, Input, Lender, Lent, Received, is_shared,
};
use codecwatch_supervisor::CodecError;
use gst_video::prelude::*;
use serde::{Deserialize, Serialize};

use super::metas::{self, PackedMeta};

/// Buffers up to this size travel in the message: copying them costs less than a block of
/// shared memory.
const SMALL: usize = 1 << 16;

/// A buffer to the child.
#[derive(Debug, Serialize, Deserialize)]
pub struct PackedInput {
    bytes: InputBytes,
    head: Head,
}

#[derive(Debug, Serialize, Deserialize)]
enum InputBytes {
    Here(#[serde(with = "serde_bytes")] Vec<u8>),
    Lent(Lent),
}

/// The buffers of an output, from the child.
#[derive(Debug, Serialize, Deserialize)]
pub struct PackedOutput {
    /// Of all of them, one behind the other.
    bytes: OutputBytes,
    /// How many bytes each has.
    buffers: Vec<(Head, u64)>,
}

impl PackedOutput {
    /// Whether they lie in memory that the child can write to.
    pub(super) fn are_shared(&self) -> bool {
        matches!(self.bytes, OutputBytes::Block(_))
    }
}

#[derive(Debug, Serialize, Deserialize)]
enum OutputBytes {
    /// [`SMALL`] at most.
    Here(#[serde(with = "serde_bytes")] Vec<u8>),
    Block(BlockId),
    /// There was no memory for them.
    Missing(String),
}

/// A buffer but its bytes.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    pts: Option<u64>,
    dts: Option<u64>,
    duration: Option<u64>,
    offset: u64,
    offset_end: u64,
    flags: u32,
    metas: Vec<PackedMeta>,
}

impl Head {
    fn of(buffer: &gst::BufferRef) -> Self {
        let time = |time: Option<gst::ClockTime>| time.map(gst::ClockTime::nseconds);
        Self {
            pts: time(buffer.pts()),
            dts: time(buffer.dts()),
            duration: time(buffer.duration()),
            offset: buffer.offset(),
            offset_end: buffer.offset_end(),
            flags: flags_of(buffer),
            metas: metas::pack(buffer),
        }
    }

    fn apply(self, buffer: &mut gst::BufferRef) -> Result<(), Broken> {
        let time = |time: Option<u64>| time.map(gst::ClockTime::try_from).transpose();
        let wrong = |_| Broken::new("a time that is none");
        buffer.set_pts(time(self.pts).map_err(wrong)?);
        buffer.set_dts(time(self.dts).map_err(wrong)?);
        buffer.set_duration(time(self.duration).map_err(wrong)?);
        buffer.set_offset(self.offset);
        buffer.set_offset_end(self.offset_end);
        set_flags(buffer, self.flags);
        metas::unpack(self.metas, buffer)
    }
}

/// The flags that say something of the content: those of all buffers, and those of video
/// and audio. Not those of the object: with the wrong ones two owners of a buffer would
/// write to it at once. Nor that of its memory, which is another.
const TRAVELLING: u32 =
    !(gst::ffi::GST_MINI_OBJECT_FLAG_LAST - 1) & !gst::BufferFlags::TAG_MEMORY.bits();

fn flags_of(buffer: &gst::BufferRef) -> u32 {
    (buffer.flags().bits() | buffer.video_flags().bits()) & TRAVELLING
}

fn set_flags(buffer: &mut gst::BufferRef, flags: u32) {
    let flags = flags & TRAVELLING;
    buffer.set_flags(gst::BufferFlags::from_bits_truncate(flags));
    buffer.set_video_flags(gst_video::VideoBufferFlags::from_bits_truncate(flags));
}

type Readable = gst::MappedBuffer<gst::buffer::Readable>;

/// Parent: a buffer to the child.
pub(super) fn pack_input(
    buffer: gst::Buffer,
    lender: &mut Lender,
) -> Result<PackedInput, CodecError> {
    let head = Head::of(&buffer);
    let mapped = buffer.into_mapped_buffer_readable().map_err(|_| {
        CodecError::Resource("an input cannot be mapped for the child process".to_owned())
    })?;
    let bytes = if mapped.len() <= SMALL && !is_shared(&mapped) {
        InputBytes::Here(mapped.to_vec())
    } else {
        InputBytes::Lent(lender.lend(mapped, |mapped| vec![mapped.as_slice()])?)
    };
    Ok(PackedInput { bytes, head })
}

/// Child: the buffer. Its memory cannot be written.
pub(super) fn unpack_input(
    packed: PackedInput,
    memory: &Arc<Received>,
) -> Result<gst::Buffer, Broken> {
    let mut buffer = match packed.bytes {
        InputBytes::Here(bytes) if bytes.is_empty() => gst::Buffer::new(),
        InputBytes::Here(bytes) => gst::Buffer::from_mut_slice(bytes),
        InputBytes::Lent(lent) => gst::Buffer::from_slice(Shown(memory.input(&lent)?)),
    };
    packed.head.apply(buffer.make_mut())?;
    Ok(buffer)
}

/// Child: buffers to the parent.
pub(super) fn pack_output(
    buffers: impl IntoIterator<Item = gst::Buffer>,
    memory: &Arc<Received>,
) -> PackedOutput {
    let (mut packed, mut all) = (Vec::new(), Vec::new());
    for buffer in buffers {
        let head = Head::of(&buffer);
        let Ok(mapped) = buffer.into_mapped_buffer_readable() else {
            let bytes = OutputBytes::Missing("one cannot be mapped".to_owned());
            let buffers = Vec::new();
            return PackedOutput { bytes, buffers };
        };
        packed.push((head, mapped.len() as u64));
        all.push(mapped);
    }
    PackedOutput {
        bytes: pack_bytes(&all, memory),
        buffers: packed,
    }
}

fn pack_bytes(all: &[Readable], memory: &Arc<Received>) -> OutputBytes {
    let len = all.iter().map(|mapped| mapped.len()).sum();
    if len <= SMALL {
        let slices: Vec<_> = all.iter().map(Readable::as_slice).collect();
        return OutputBytes::Here(slices.concat());
    }
    match memory.output(len) {
        Ok(mut shared) => {
            // A block is at least as large as was asked for.
            let mut rest = shared.bytes_mut();
            for mapped in all {
                let (this, after) = rest.split_at_mut(mapped.len());
                this.copy_from_slice(mapped);
                rest = after;
            }
            let block = shared.block();
            memory.shown(block);
            OutputBytes::Block(block)
        }
        Err(why) => OutputBytes::Missing(why),
    }
}

/// Parent: the buffers. Nobody here can write to their memory.
pub(super) fn unpack_output(
    packed: PackedOutput,
    given: &Given,
) -> Result<Vec<gst::Buffer>, Broken> {
    let bytes = match packed.bytes {
        OutputBytes::Here(bytes) if bytes.len() > SMALL => {
            let why = format!("{} bytes of an output in a message", bytes.len());
            return Err(Broken::new(why));
        }
        OutputBytes::Here(bytes) => Bytes::Here(bytes),
        OutputBytes::Block(block) => Bytes::Block(Arc::new(given.filled(block)?)),
        OutputBytes::Missing(why) => {
            return Err(Broken::new(format!("an output has no memory: {why}")));
        }
    };
    let mut start = 0_usize;
    let unpack = |(head, len): (Head, u64)| {
        let end = usize::try_from(len)
            .ok()
            .and_then(|len| start.checked_add(len));
        let end = end.filter(|&end| end <= bytes.all().len());
        let end = end.ok_or_else(|| Broken::new("a buffer lies beyond its output"))?;
        let range = std::mem::replace(&mut start, end)..end;
        let mut buffer = bytes.part(range);
        head.apply(buffer.make_mut())?;
        Ok(buffer)
    };
    packed.buffers.into_iter().map(unpack).collect()
}

/// Parent: the bytes of an output.
enum Bytes {
    Here(Vec<u8>),
    Block(Arc<GivenBlock>),
}

impl Bytes {
    fn all(&self) -> &[u8] {
        match self {
            Self::Here(bytes) => bytes,
            Self::Block(block) => block.bytes(),
        }
    }

    /// `range`: within them.
    fn part(&self, range: Range<usize>) -> gst::Buffer {
        match self {
            _ if range.is_empty() => gst::Buffer::new(),
            Self::Here(bytes) => gst::Buffer::from_mut_slice(bytes[range].to_vec()),
            Self::Block(block) => gst::Buffer::from_slice(Filled {
                block: block.clone(),
                range,
            }),
        }
    }
}

/// Child: the bytes of an input.
struct Shown(Input);

impl AsRef<[u8]> for Shown {
    fn as_ref(&self) -> &[u8] {
        self.0.part(0)
    }
}

/// Parent: the bytes of a buffer in a block.
struct Filled {
    block: Arc<GivenBlock>,
    range: Range<usize>,
}

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        // Checked when it was made.
        self.block
            .bytes()
            .get(self.range.clone())
            .unwrap_or_default()
    }
}

impl PackedOutput {
    /// Child: why there is no memory for its bytes.
    pub(super) fn lacks_memory(&self) -> Option<&str> {
        match &self.bytes {
            OutputBytes::Missing(why) => Some(why),
            _ => None,
        }
    }
}

#[cfg(test)]
impl PackedOutput {
    pub(super) fn raw(
        bytes: Vec<u8>,
        [pts, dts, duration]: [Option<u64>; 3],
        flags: u32,
        metas: Vec<PackedMeta>,
    ) -> Self {
        let head = Head {
            pts,
            dts,
            duration,
            offset: 0,
            offset_end: 0,
            flags,
            metas,
        };
        Self {
            buffers: vec![(head, bytes.len() as u64)],
            bytes: OutputBytes::Here(bytes),
        }
    }

    /// The same in a block.
    pub(super) fn in_block(self, block: BlockId) -> Self {
        let bytes = OutputBytes::Block(block);
        Self { bytes, ..self }
    }

    /// The buffers of both, one behind the other.
    pub(super) fn and(mut self, other: Self) -> Self {
        if let (OutputBytes::Here(bytes), OutputBytes::Here(more)) = (&mut self.bytes, other.bytes)
        {
            bytes.extend(more);
        }
        self.buffers.extend(other.buffers);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpack(packed: PackedOutput) -> Result<Vec<gst::Buffer>, Broken> {
        unpack_output(packed, &codecwatch_process::protocol::given())
    }

    fn raw(len: usize) -> PackedOutput {
        PackedOutput::raw(vec![7; len], [None; 3], 0, Vec::new())
    }

    #[test]
    fn a_message_has_as_many_bytes_as_an_honest_child_puts_there() {
        gst::init().unwrap();
        assert_eq!(unpack(raw(SMALL)).unwrap()[0].size(), SMALL);
        assert!(unpack(raw(SMALL + 1)).is_err());
        let half = || raw(SMALL / 2);
        assert_eq!(unpack(half().and(half())).unwrap().len(), 2);
        assert!(unpack(half().and(half()).and(raw(1))).is_err());
    }

    #[test]
    fn a_buffer_lies_within_its_output() {
        gst::init().unwrap();
        let mut packed = raw(100).and(raw(50)).and(raw(0));
        let sizes = |packed| {
            unpack(packed)
                .unwrap()
                .iter()
                .map(|it| it.size())
                .collect::<Vec<_>>()
        };
        assert_eq!(sizes(raw(100).and(raw(50)).and(raw(0))), [100, 50, 0]);
        packed.buffers[1].1 = 51;
        assert!(unpack(packed).is_err());
        let mut packed = raw(100).and(raw(50));
        packed.buffers[1].1 = u64::MAX;
        assert!(unpack(packed).is_err());
    }
}

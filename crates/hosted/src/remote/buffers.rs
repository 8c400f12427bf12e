// SPDX-License-Identifier: MPL-2.0
//! Buffers on their way between parent and child: small ones in the message, others in
//! shared memory. Times, offsets, flags and the usual metas go along; metas of other kinds
//! do not, because only their own code knows what is in them.

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

/// A buffer from the child.
#[derive(Debug, Serialize, Deserialize)]
pub struct PackedOutput {
    bytes: OutputBytes,
    head: Head,
}

#[cfg(test)]
impl PackedOutput {
    pub(super) fn raw(
        bytes: Vec<u8>,
        [pts, dts, duration]: [Option<u64>; 3],
        flags: u32,
        metas: Vec<PackedMeta>,
    ) -> Self {
        Self {
            bytes: OutputBytes::Here(bytes),
            head: Head {
                pts,
                dts,
                duration,
                offset: 0,
                offset_end: 0,
                flags,
                metas,
            },
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
enum OutputBytes {
    Here(#[serde(with = "serde_bytes")] Vec<u8>),
    Block {
        block: BlockId,
        len: u64,
    },
    /// There was no memory for it.
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
    memory: &std::sync::Arc<Received>,
) -> Result<gst::Buffer, Broken> {
    let mut buffer = match packed.bytes {
        InputBytes::Here(bytes) if bytes.is_empty() => gst::Buffer::new(),
        InputBytes::Here(bytes) => gst::Buffer::from_mut_slice(bytes),
        InputBytes::Lent(lent) => gst::Buffer::from_slice(Shown(memory.input(&lent)?)),
    };
    packed.head.apply(buffer.make_mut())?;
    Ok(buffer)
}

/// Child: a buffer to the parent.
pub(super) fn pack_output(buffer: gst::Buffer, memory: &std::sync::Arc<Received>) -> PackedOutput {
    let head = Head::of(&buffer);
    PackedOutput {
        bytes: pack_bytes(buffer, memory),
        head,
    }
}

fn pack_bytes(buffer: gst::Buffer, memory: &std::sync::Arc<Received>) -> OutputBytes {
    let Ok(mapped) = buffer.into_mapped_buffer_readable() else {
        return OutputBytes::Missing("it cannot be mapped".to_owned());
    };
    if mapped.len() <= SMALL {
        return OutputBytes::Here(mapped.to_vec());
    }
    match memory.output(mapped.len()) {
        Ok(mut shared) => {
            // A block is at least as large as was asked for.
            shared.bytes_mut()[..mapped.len()].copy_from_slice(&mapped);
            let block = shared.block();
            memory.shown(block);
            OutputBytes::Block {
                block,
                len: mapped.len() as u64,
            }
        }
        Err(why) => OutputBytes::Missing(why),
    }
}

/// Parent: the buffer. Its memory cannot be written.
pub(super) fn unpack_output(packed: PackedOutput, given: &Given) -> Result<gst::Buffer, Broken> {
    let mut buffer = match packed.bytes {
        OutputBytes::Here(bytes) if bytes.is_empty() => gst::Buffer::new(),
        OutputBytes::Here(bytes) => gst::Buffer::from_mut_slice(bytes),
        OutputBytes::Block { block, len } => {
            let block = given.filled(block)?;
            let len = usize::try_from(len).map_err(|error| Broken::new(error.to_string()))?;
            if len > block.bytes().len() {
                return Err(Broken::new("an output lies beyond its block"));
            }
            gst::Buffer::from_slice(Filled { block, len })
        }
        OutputBytes::Missing(why) => {
            return Err(Broken::new(format!("an output has no memory: {why}")));
        }
    };
    packed.head.apply(buffer.make_mut())?;
    Ok(buffer)
}

/// Child: the bytes of an input.
struct Shown(Input);

impl AsRef<[u8]> for Shown {
    fn as_ref(&self) -> &[u8] {
        self.0.part(0)
    }
}

/// Parent: the bytes of an output.
struct Filled {
    block: GivenBlock,
    len: usize,
}

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        // Checked when it was made.
        self.block.bytes().get(..self.len).unwrap_or_default()
    }
}

// SPDX-License-Identifier: MPL-2.0
//! Sessions in a child process: pictures are decoded into memory that the parent has
//! given, and are shown from there.

use std::io::Write;
use std::sync::Arc;

use codecwatch_av1::{ContentLight, MasteringDisplay};
use codecwatch_process::{
    BlockId, Broken, ChildContext, Given, GivenBlock, Lender, NoTalk, OutputMemory, PACKETS,
    ParentContext, Received, Remote,
};
use codecwatch_supervisor::CodecError;
use serde::{Deserialize, Serialize};

use crate::{
    Allocation, Chunk, Config, Damage, Dav1d, Decoded, Environment, Facts, LogSink, Picture,
    PictureAllocator, PictureLayout, PictureMemory, PictureShape, T35,
};

/// dav1d's largest frame delay (`DAV1D_MAX_FRAME_DELAY`).
const MOST_FRAME_DELAY: usize = 256;

/// A decoder in a child process.
#[derive(Debug)]
pub enum RemoteDav1d {}

/// Coded data. It is small, and travels in the message.
#[derive(Debug, Serialize, Deserialize)]
pub struct PackedChunk {
    id: u64,
    #[serde(with = "serde_bytes")]
    bytes: Option<Vec<u8>>,
    follows_loss: bool,
}

/// An output; the samples of a picture lie in shared memory.
#[derive(Debug, Serialize, Deserialize)]
pub enum PackedOutput {
    /// See [`Decoded::Picture`].
    Picture(Box<PackedPicture>),
    /// See [`Decoded::NoPicture`].
    NoPicture(u64),
    /// See [`Decoded::Damaged`].
    Damaged(Damage),
    /// A picture that lies in no shared memory, which cannot be.
    Misplaced,
}

/// A picture.
#[derive(Debug, Serialize, Deserialize)]
pub struct PackedPicture {
    id: u64,
    mastering_display: Option<MasteringDisplay>,
    content_light: Option<ContentLight>,
    t35: Vec<T35>,
    shape: PictureShape,
    layout: PictureLayout,
    block: BlockId,
}

impl Remote for RemoteDav1d {
    const KIND: &'static str = "dav1d";

    type Codec = Dav1d;
    type Config = Config;
    type PackedInput = PackedChunk;
    type PackedOutput = PackedOutput;
    type Facts = Facts;
    type Talk = NoTalk;

    /// Inputs do not lie in shared memory.
    fn most_lent(_config: &Config) -> usize {
        0
    }

    fn inputs(_config: &Config) -> usize {
        PACKETS
    }

    fn codec(config: Config, context: &ChildContext<Self>) -> Dav1d {
        let log = context.log.clone();
        let sink: LogSink = Arc::new(move |line| log.line(0, line));
        let environment = Environment {
            allocator: Arc::new(Allocator(context.memory.clone())),
            log: Some(sink),
        };
        Dav1d::new(config, environment)
    }

    fn pack_input(chunk: Chunk, (): &(), _lender: &mut Lender) -> Result<PackedChunk, CodecError> {
        Ok(PackedChunk {
            id: chunk.id,
            bytes: chunk.bytes.map(|bytes| (*bytes).as_ref().to_vec()),
            follows_loss: chunk.follows_loss,
        })
    }

    fn unpack_input(packed: PackedChunk, _context: &ChildContext<Self>) -> Result<Chunk, Broken> {
        Ok(Chunk {
            id: packed.id,
            bytes: packed.bytes.map(|bytes| Box::new(bytes) as _),
            follows_loss: packed.follows_loss,
        })
    }

    fn pack_output(output: Decoded, context: &ChildContext<Self>) -> PackedOutput {
        match output {
            Decoded::NoPicture { id } => PackedOutput::NoPicture(id),
            Decoded::Damaged(damage) => PackedOutput::Damaged(damage),
            Decoded::Picture(mut picture) => {
                let Some(&block) = picture.handle::<BlockId>() else {
                    return PackedOutput::Misplaced;
                };
                context.memory.shown(block);
                PackedOutput::Picture(Box::new(PackedPicture {
                    id: picture.id,
                    mastering_display: picture.mastering_display,
                    content_light: picture.content_light,
                    t35: std::mem::take(&mut picture.t35),
                    shape: *picture.shape(),
                    layout: *picture.layout(),
                    block,
                }))
            }
        }
    }

    fn check_facts(facts: &Facts) -> Result<(), Broken> {
        if facts.frame_delay > MOST_FRAME_DELAY || facts.held_back > facts.frame_delay {
            return Err(Broken::new(format!(
                "a frame delay of {} with {} pictures held back is none of dav1d's",
                facts.frame_delay, facts.held_back
            )));
        }
        Ok(())
    }

    fn unpack_output(
        packed: PackedOutput,
        context: &ParentContext<Self>,
    ) -> Result<Decoded, Broken> {
        match packed {
            PackedOutput::NoPicture(id) => Ok(Decoded::NoPicture { id }),
            PackedOutput::Damaged(damage) => Ok(Decoded::Damaged(damage)),
            PackedOutput::Picture(packed) => unpack_picture(*packed, &context.given),
            PackedOutput::Misplaced => Err(Broken::new("a picture lies in no shared memory")),
        }
    }
}

fn unpack_picture(packed: PackedPicture, given: &Given) -> Result<Decoded, Broken> {
    let allocation = Allocation {
        memory: Box::new(Shown(given.filled(packed.block)?)),
        layout: packed.layout,
        handle: None,
    };
    let mut picture = Picture::shown(&packed.shape, allocation, packed.id)
        .map_err(|flaw| Broken::new(format!("a picture is not as it has to be: {flaw}")))?;
    picture.mastering_display = packed.mastering_display;
    picture.content_light = packed.content_light;
    picture.t35 = packed.t35;
    Ok(Decoded::Picture(Box::new(picture)))
}

/// Child: gives dav1d memory of the parent.
struct Allocator(Arc<Received>);

impl PictureAllocator for Allocator {
    fn allocate(&self, shape: &PictureShape) -> Option<Allocation> {
        let layout = shape.layout()?;
        let memory = match self.0.output(layout.size) {
            Ok(memory) => memory,
            Err(why) => {
                // The parent shows the last lines of a child that fails.
                let _ = writeln!(std::io::stderr(), "{why}");
                return None;
            }
        };
        let block = memory.block();
        Some(Allocation {
            memory: Box::new(Written(memory)),
            layout,
            handle: Some(Box::new(block)),
        })
    }
}

/// Child: memory that dav1d decodes into.
struct Written(OutputMemory);

impl PictureMemory for Written {
    fn bytes(&mut self) -> &mut [u8] {
        self.0.bytes_mut()
    }
}

/// Parent: memory that a picture is shown from.
struct Shown(GivenBlock);

impl PictureMemory for Shown {
    fn bytes(&mut self) -> &mut [u8] {
        self.0.bytes_mut()
    }
}

#[cfg(test)]
#[path = "remote_tests.rs"]
mod tests;

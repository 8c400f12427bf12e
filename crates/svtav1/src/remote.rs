// SPDX-License-Identifier: MPL-2.0
//! Sessions in a child process.

use codecwatch_av1::SequenceHeader;
use codecwatch_process::{
    Broken, ChildContext, ChildLog, Input, Lender, Lent, NoTalk, ParentContext, Remote,
};
use codecwatch_supervisor::CodecError;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::encode_session::SvtAv1;
use crate::log::{LogLevel, set_log};
use crate::packet::{FrameKind, Output, Packet};
use crate::picture::{Picture, Plane, Planes};

/// Largest sequence header, in bytes. One with all 32 operating points has some 300.
const LARGEST_HEADER: usize = 1000;

/// An encoder in a child process.
#[derive(Debug)]
pub enum RemoteSvtAv1 {}

/// A picture whose samples lie in shared memory.
#[derive(Debug, Serialize, Deserialize)]
pub struct PackedPicture {
    planes: Lent,
    strides: [u64; 3],
    id: u64,
    force_key: bool,
    bitrate: Option<u32>,
}

/// An output. Packets are small, and travel in the message.
#[derive(Debug, Serialize, Deserialize)]
pub enum PackedOutput {
    /// See [`Output::Header`]: the OBU, which the parent reads itself.
    Header(#[serde(with = "serde_bytes")] Vec<u8>),
    /// See [`Packet`].
    Packet {
        /// The packet's data.
        #[serde(with = "serde_bytes")]
        data: Vec<u8>,
        /// Its picture.
        id: u64,
        /// Its kind.
        kind: FrameKind,
    },
}

impl Remote for RemoteSvtAv1 {
    const KIND: &'static str = "svtav1";
    type Codec = SvtAv1;
    type Config = Config;
    type PackedInput = PackedPicture;
    type PackedOutput = PackedOutput;
    type Facts = ();
    type Talk = NoTalk;

    /// The session copies a picture before it returns; two may be on their way.
    fn most_lent(_config: &Config) -> usize {
        8
    }

    fn codec(config: Config, context: &ChildContext<Self>) -> SvtAv1 {
        context.log.of_process();
        set_log(|level, line| ChildLog::line_of_process(level as u8, line));
        SvtAv1::new(config)
    }

    fn pack_input(
        picture: Picture,
        (): &(),
        lender: &mut Lender,
    ) -> Result<PackedPicture, CodecError> {
        let Picture {
            planes,
            id,
            force_key,
            bitrate,
        } = picture;
        let strides = planes.planes().map(|plane| plane.stride as u64);
        let planes = lender.lend(planes, |planes| {
            planes.planes().iter().map(|plane| plane.data).collect()
        })?;
        Ok(PackedPicture {
            planes,
            strides,
            id,
            force_key,
            bitrate,
        })
    }

    fn unpack_input(
        packed: PackedPicture,
        context: &ChildContext<Self>,
    ) -> Result<Picture, Broken> {
        let samples = context.memory.input(&packed.planes)?;
        Ok(Picture {
            planes: Box::new(Samples {
                samples,
                strides: packed.strides,
            }),
            id: packed.id,
            force_key: packed.force_key,
            bitrate: packed.bitrate,
        })
    }

    fn pack_output(output: Output, _context: &ChildContext<Self>) -> PackedOutput {
        match output {
            Output::Header(header) => PackedOutput::Header(header.obu()),
            Output::Packet(packet) => PackedOutput::Packet {
                data: packet.data,
                id: packet.id,
                kind: packet.kind,
            },
        }
    }

    fn unpack_output(
        packed: PackedOutput,
        _context: &ParentContext<Self>,
    ) -> Result<Output, Broken> {
        match packed {
            PackedOutput::Header(obu) => {
                let header = Some(obu).filter(|obu| obu.len() <= LARGEST_HEADER);
                let header = header.and_then(|obu| SequenceHeader::parse(&obu));
                let none = || Broken::new("a sequence header that is none");
                Ok(Output::Header(header.ok_or_else(none)?))
            }
            PackedOutput::Packet { data, id, kind } => {
                Ok(Output::Packet(Packet { data, id, kind }))
            }
        }
    }
}

/// The planes of a picture in shared memory.
struct Samples {
    samples: Input,
    strides: [u64; 3],
}

impl Planes for Samples {
    fn planes(&self) -> [Plane<'_>; 3] {
        let plane = |index: usize| Plane {
            data: self.samples.part(index),
            stride: usize::try_from(self.strides[index]).unwrap_or(usize::MAX),
        };
        [plane(0), plane(1), plane(2)]
    }
}

impl LogLevel {
    /// The level with this number in a child's log.
    pub fn from_child(number: u8) -> Self {
        [Self::Fatal, Self::Error, Self::Warning, Self::Info]
            .into_iter()
            .find(|level| *level as u8 == number)
            .unwrap_or(Self::Debug)
    }
}

#[cfg(test)]
#[path = "remote_tests.rs"]
mod tests;

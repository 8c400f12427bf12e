// SPDX-License-Identifier: MPL-2.0
//! Test material: a kind of session that gives back what it gets, reversed, in shared
//! memory. Its config says how a child of it lies.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each program and each test uses a part"
)]

use codecwatch_process::{
    BlockId, Broken, ChildContext, GivenBlock, Input, Lender, Lent, NoTalk, OutputMemory,
    ParentContext, Remote,
};
use codecwatch_supervisor::{Codec, CodecError, Drained, Flush, Lane, Library, Session};
use serde::{Deserialize, Serialize};

/// The kind.
#[derive(Debug)]
pub enum Plain {}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Config {
    /// What a child that lies does; an honest one takes no notice.
    pub lie: String,
}

/// Bytes on their way to the codec.
#[derive(Debug)]
pub enum Bytes {
    /// In the parent.
    Own(Vec<u8>),
    /// In the child.
    Lent(Input),
}

/// What comes out.
#[derive(Debug)]
pub enum Output {
    /// In the child: so many bytes of this memory.
    Written(OutputMemory, usize),
    /// In the parent.
    Shown(GivenBlock, usize),
}

#[derive(Debug, Serialize, Deserialize)]
pub struct PackedOutput {
    pub block: BlockId,
    pub len: u64,
    #[serde(with = "serde_bytes")]
    pub ballast: Vec<u8>,
}

impl Output {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Written(..) => &[],
            Self::Shown(block, len) => &block.bytes()[..*len],
        }
    }
}

impl Remote for Plain {
    const KIND: &'static str = "plain";

    type Codec = Reverses;
    type Config = Config;
    type PackedInput = Lent;
    type PackedOutput = PackedOutput;
    type Facts = String;
    type Talk = NoTalk;

    fn most_lent(_config: &Config) -> usize {
        4
    }

    /// Not what a kind of session has that says nothing.
    fn inputs(_config: &Config) -> usize {
        3
    }

    fn codec(_config: Config, context: &ChildContext<Self>) -> Reverses {
        Reverses(Some(context.clone()))
    }

    fn pack_input(input: Bytes, (): &(), lender: &mut Lender) -> Result<Lent, CodecError> {
        match input {
            Bytes::Own(bytes) => lender.lend(bytes, |bytes| vec![&bytes[..]]),
            Bytes::Lent(_) => Err(CodecError::Settings("lent already".to_owned())),
        }
    }

    fn unpack_input(packed: Lent, context: &ChildContext<Self>) -> Result<Bytes, Broken> {
        Ok(Bytes::Lent(context.memory.input(&packed)?))
    }

    fn pack_output(output: Output, context: &ChildContext<Self>) -> PackedOutput {
        let (block, len) = match &output {
            Output::Written(memory, len) => (memory.block(), *len),
            Output::Shown(..) => (codecwatch_process::protocol::block(u32::MAX), 0),
        };
        context.memory.shown(block);
        PackedOutput {
            block,
            len: len as u64,
            ballast: Vec::new(),
        }
    }

    fn unpack_output(
        packed: PackedOutput,
        context: &ParentContext<Self>,
    ) -> Result<Output, Broken> {
        let block = context.given.filled(packed.block)?;
        let len = usize::try_from(packed.len).unwrap_or(usize::MAX);
        if len > block.bytes().len() {
            return Err(Broken::new("an output is larger than its block"));
        }
        Ok(Output::Shown(block, len))
    }
}

/// The codec.
#[derive(Debug)]
pub struct Reverses(pub Option<ChildContext<Plain>>);

impl Codec for Reverses {
    type Session = Self;

    fn library(&self) -> Library {
        Library::new("plain")
    }

    fn open(self, lane: &Lane<Output>) -> Result<Self, CodecError> {
        lane.call("plain_open", || {});
        Ok(self)
    }
}

impl Session for Reverses {
    type Input = Bytes;
    type Output = Output;

    fn delay(&self) -> Option<usize> {
        Some(0)
    }

    fn send(&mut self, lane: &Lane<Output>, input: Bytes) -> Result<(), CodecError> {
        let (Bytes::Lent(input), Some(context)) = (input, &self.0) else {
            return Err(CodecError::Settings("not in a child".to_owned()));
        };
        let bytes = input.part(0);
        let written = lane.call("plain_send", || {
            let mut memory = context.memory.output(bytes.len().max(1))?;
            let reversed = bytes.iter().rev();
            for (to, from) in memory.bytes_mut().iter_mut().zip(reversed) {
                *to = *from;
            }
            Ok(memory)
        });
        let memory = written.map_err(CodecError::Resource)?;
        let _ = lane.emit(Output::Written(memory, bytes.len()), 1);
        Ok(())
    }

    fn drain(&mut self, _lane: &Lane<Output>) -> Result<Drained, CodecError> {
        Ok(Drained::Reusable)
    }

    fn flush(&mut self, _lane: &Lane<Output>) -> Result<Flush, CodecError> {
        Ok(Flush::Done)
    }

    fn close(self, _lane: &Lane<Output>) -> Result<(), CodecError> {
        Ok(())
    }
}

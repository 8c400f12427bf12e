// SPDX-License-Identifier: MPL-2.0
//! A codec in memory, for tests: a lossless video encoder. Its library is
//! `tests/memory/library/memory.c`; this is all that a codec crate has to have.

use std::borrow::Cow;
use std::ffi::c_int;
use std::ptr::{self, NonNull};

use codecwatch_supervisor::{Codec, CodecError, Drained, Flush, Lane, Library, Name, Session};

mod sys;

/// What a session is opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Bytes of a picture.
    pub size: usize,
    /// Pictures that are held back, up to 1000.
    pub delay: u32,
    /// One picture in so many is a key frame, at least.
    pub key_every: u32,
    /// Microseconds of a processor's time that a picture costs the library's thread.
    pub effort: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            size: 0,
            delay: 4,
            key_every: 30,
            effort: 0,
        }
    }
}

/// What goes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// All of it, in [`Config::size`] bytes.
    pub bytes: Vec<u8>,
    /// The caller's number for it.
    pub id: u32,
    /// It has to be a key frame.
    pub force_key: bool,
}

/// What comes out: of each picture one, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// As the library wrote it.
    pub bytes: Vec<u8>,
    /// The picture's number.
    pub id: u32,
    /// Decoding can begin here.
    pub is_key: bool,
}

impl Packet {
    /// Reads what the library gave; `None` where it is damaged.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (sum, content) = bytes.split_first_chunk()?;
        let hash = |sum: u32, byte: &u8| (sum ^ u32::from(*byte)).wrapping_mul(16_777_619);
        let is_whole = content.iter().fold(2_166_136_261, hash) == u32::from_le_bytes(*sum);
        let (is_key, content) = content.split_first()?;
        let (id, _) = content.split_first_chunk()?;
        is_whole.then(|| Self {
            bytes: bytes.to_vec(),
            id: u32::from_le_bytes(*id),
            is_key: *is_key != 0,
        })
    }
}

fn failed(call: &'static str, code: c_int, reason: &str) -> CodecError {
    CodecError::Native {
        call: call.into(),
        code: code.into(),
        reason: reason.to_owned(),
    }
}

/// Turns what the library answers into a result.
fn check(call: &'static str, code: c_int) -> Result<(), CodecError> {
    match code {
        0 => Ok(()),
        sys::ENOMEM => Err(CodecError::Resource(format!("{call}: not enough memory"))),
        code => Err(failed(call, code, "see errno(3)")),
    }
}

/// Opens sessions: the factory that travels to the worker.
#[derive(Debug)]
pub struct Memory(pub Config);

impl Codec for Memory {
    type Session = MemorySession;

    fn library(&self) -> Library {
        const THREADS: &[Name] = &[Name::from_static("memory-")];
        Library::new("memory").with_thread_names(Cow::Borrowed(THREADS))
    }

    fn open(self, lane: &Lane<Packet>) -> Result<MemorySession, CodecError> {
        let Config {
            size,
            delay,
            key_every,
            effort,
        } = self.0;
        let mut codec = ptr::null_mut();
        let code = lane.call("memory_open", || {
            // SAFETY: the place can be written to.
            unsafe { sys::memory_open(&mut codec, size, delay, key_every, effort) }
        });
        check("memory_open", code)?;
        let codec = NonNull::new(codec).ok_or_else(|| failed("memory_open", 0, "no codec"))?;
        Ok(MemorySession { codec, delay })
    }
}

/// An open codec. Dropped without [`close`](Session::close), it leaks.
#[derive(Debug)]
pub struct MemorySession {
    codec: NonNull<sys::Memory>,
    delay: u32,
}

impl MemorySession {
    /// Emits what is due.
    fn receive(&self, lane: &Lane<Packet>) -> Result<(), CodecError> {
        let call = "memory_receive";
        loop {
            let (mut data, mut size) = (ptr::null(), 0);
            let code = lane.call(call, || {
                // SAFETY: the codec is open; both places can be written to.
                unsafe { sys::memory_receive(self.codec.as_ptr(), &mut data, &mut size) }
            });
            if code == sys::EAGAIN {
                return Ok(());
            }
            check(call, code)?;
            // SAFETY: of an answer of 0 so many bytes are ours until the next call.
            let bytes = unsafe { std::slice::from_raw_parts(data, size) };
            let packet = Packet::parse(bytes);
            let packet = packet.ok_or_else(|| failed(call, code, "a damaged packet"))?;
            // What is not wanted has to come out all the same.
            let _ = lane.emit(packet, 1);
        }
    }
}

impl Session for MemorySession {
    type Input = Picture;
    type Output = Packet;

    fn delay(&self) -> Option<usize> {
        Some(self.delay as usize)
    }

    fn send(&mut self, lane: &Lane<Packet>, picture: Picture) -> Result<(), CodecError> {
        let Picture {
            bytes,
            id,
            force_key,
        } = picture;
        let (data, size) = (bytes.as_ptr(), bytes.len());
        let code = lane.call("memory_send", || {
            // SAFETY: the codec is open; so many bytes can be read during the call.
            unsafe { sys::memory_send(self.codec.as_ptr(), data, size, id, force_key.into()) }
        });
        drop(bytes);
        check("memory_send", code)?;
        self.receive(lane)
    }

    fn drain(&mut self, lane: &Lane<Packet>) -> Result<Drained, CodecError> {
        let code = lane.call("memory_drain", || {
            // SAFETY: the codec is open.
            unsafe { sys::memory_drain(self.codec.as_ptr()) }
        });
        check("memory_drain", code)?;
        self.receive(lane)?;
        Ok(Drained::Reusable)
    }

    fn flush(&mut self, lane: &Lane<Packet>) -> Result<Flush, CodecError> {
        let code = lane.call("memory_flush", || {
            // SAFETY: the codec is open.
            unsafe { sys::memory_flush(self.codec.as_ptr()) }
        });
        check("memory_flush", code)?;
        Ok(Flush::Done)
    }

    fn close(self, lane: &Lane<Packet>) -> Result<(), CodecError> {
        let code = lane.call("memory_close", || {
            // SAFETY: the codec is open, and not used again.
            unsafe { sys::memory_close(self.codec.as_ptr()) }
        });
        check("memory_close", code)
    }
}

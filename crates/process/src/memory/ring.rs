// SPDX-License-Identifier: MPL-2.0
//! A ring of bytes in shared memory, from one process to another. Writing costs no system
//! call, and what was written can be read after the writer has ended, however it ended.
//!
//! A reader that goes to sleep says so in the ring, so the writer knows when it has to wake
//! it. The reader trusts nothing that lies there: it keeps its own position, and checks how
//! much the writer claims.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU8, AtomicU32, fence};

use codecwatch_supervisor::CodecError;
use rustix::fs::{FallocateFlags, SealFlags, fallocate, fcntl_add_seals};

use super::mapping::Mapping;
use super::memfd;
use crate::wire::Broken;

/// Bytes that may wait for the reader: a few hundred calls. A power of two, so that
/// positions may wrap around.
const SIZE: u32 = 1 << 14;

/// What lies in the memory.
#[repr(C)]
struct Layout {
    /// Bytes written so far, modulo 2^32.
    written: AtomicU32,
    /// Bytes read so far, likewise.
    read: AtomicU32,
    /// Not 0: the reader sleeps.
    asleep: AtomicU32,
    bytes: [AtomicU8; SIZE as usize],
}

/// The memory, mapped.
#[derive(Debug)]
struct Ring(Mapping);

impl Ring {
    fn map(fd: &OwnedFd) -> rustix::io::Result<Self> {
        Mapping::new(fd.as_fd(), 0, size_of::<Layout>(), true).map(Self)
    }

    fn layout(&self) -> &Layout {
        let address = self.0.address().cast::<Layout>();
        // SAFETY: the mapping begins at a page, is as long as a layout, and lives as long as
        // `self`; atomics may have any value and be written by others.
        unsafe { address.as_ref() }
    }
}

impl Layout {
    fn byte(&self, position: u32) -> &AtomicU8 {
        &self.bytes[(position % SIZE) as usize]
    }
}

/// Whether the reader has to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReaderState {
    /// It sleeps until it is woken.
    Asleep,
    /// It looks by itself.
    Awake,
}

/// There is no room until the reader has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// The writing end.
#[derive(Debug)]
pub struct RingWriter {
    ring: Ring,
    written: u32,
}

impl RingWriter {
    /// The ring that the other process has made. For one writer only.
    ///
    /// # Errors
    /// It cannot be mapped.
    pub fn new(fd: &OwnedFd) -> rustix::io::Result<Self> {
        let ring = Ring::map(fd)?;
        let written = ring.layout().written.load(Relaxed);
        Ok(Self { ring, written })
    }

    /// Writes all of it or nothing. A reader that has to be woken is so only once.
    ///
    /// # Errors
    /// [`Full`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<ReaderState, Full> {
        let layout = self.ring.layout();
        let used = self.written.wrapping_sub(layout.read.load(Acquire));
        if bytes.len() > SIZE.saturating_sub(used) as usize {
            return Err(Full);
        }
        for &byte in bytes {
            layout.byte(self.written).store(byte, Relaxed);
            self.written = self.written.wrapping_add(1);
        }
        layout.written.store(self.written, Release);
        // Either the reader finds it before it sleeps, or it is seen to sleep here.
        fence(SeqCst);
        let is_asleep = layout.asleep.load(Relaxed) != 0 && layout.asleep.swap(0, SeqCst) != 0;
        Ok(match is_asleep {
            true => ReaderState::Asleep,
            false => ReaderState::Awake,
        })
    }
}

/// The reading end, which has made the ring.
#[derive(Debug)]
pub(crate) struct RingReader {
    ring: Ring,
    read: u32,
}

impl RingReader {
    /// An empty ring, and the descriptor for its writer. Its size is sealed.
    ///
    /// # Errors
    /// [`CodecError::Resource`].
    pub(crate) fn create() -> Result<(Self, OwnedFd), CodecError> {
        let make = || {
            let fd = memfd::create()?;
            // Here its lack is an error; at the first access it would end the process.
            let len = size_of::<Layout>() as u64;
            fallocate(&fd, FallocateFlags::empty(), 0, len)?;
            fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
            Ok((Ring::map(&fd)?, fd))
        };
        let (ring, fd) = make().map_err(|error: rustix::io::Errno| {
            CodecError::Resource(format!("no shared memory for a child's calls: {error}"))
        })?;
        Ok((Self { ring, read: 0 }, fd))
    }

    /// Appends what was written since the last time.
    ///
    /// # Errors
    /// More is claimed to be there than fits.
    pub(crate) fn read(&mut self, into: &mut Vec<u8>) -> Result<(), Broken> {
        let layout = self.ring.layout();
        let written = layout.written.load(Acquire);
        let len = written.wrapping_sub(self.read);
        if len > SIZE {
            return Err(Broken::new(format!("{len} bytes in a ring of {SIZE}")));
        }
        into.extend((0..len).map(|at| layout.byte(self.read.wrapping_add(at)).load(Relaxed)));
        self.read = written;
        layout.read.store(written, Release);
        Ok(())
    }

    /// Says that the reader sleeps from now on, unless there is something to read: then it
    /// returns false.
    pub(crate) fn sleep(&self) -> bool {
        let layout = self.ring.layout();
        layout.asleep.store(1, SeqCst);
        fence(SeqCst);
        let is_empty = layout.written.load(Relaxed) == self.read;
        if !is_empty {
            self.wake();
        }
        is_empty
    }

    /// Says that the reader sleeps no longer.
    pub(crate) fn wake(&self) {
        self.ring.layout().asleep.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rustix::fs::ftruncate;

    fn pair() -> (RingWriter, RingReader, OwnedFd) {
        let (reader, fd) = RingReader::create().unwrap();
        (RingWriter::new(&fd).unwrap(), reader, fd)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_in_its_order_wherever_it_lies(
            first: u32,
            steps in proptest::collection::vec((0_usize..6000, any::<bool>()), 1..30),
        ) {
            let (mut writer, mut reader, _fd) = pair();
            // As if so many bytes had passed.
            (writer.written, reader.read) = (first, first);
            writer.ring.layout().written.store(first, Relaxed);
            writer.ring.layout().read.store(first, Relaxed);
            let (mut written, mut read) = (Vec::new(), Vec::new());
            for (number, (len, reads)) in steps.into_iter().enumerate() {
                let bytes = vec![number as u8; len];
                let waiting = written.len() - read.len();
                let expected = if waiting + len > SIZE as usize { Err(Full) } else { Ok(ReaderState::Awake) };
                prop_assert_eq!(writer.write(&bytes), expected);
                if expected.is_ok() {
                    written.extend(bytes);
                }
                if reads {
                    reader.read(&mut read).unwrap();
                    prop_assert_eq!(&read, &written);
                }
            }
        }
    }

    #[test]
    fn a_reader_that_sleeps_is_woken_once_and_none_falls_asleep_over_bytes() {
        let (mut writer, mut reader, _fd) = pair();
        assert_eq!(
            writer.write(b"a"),
            Ok(ReaderState::Awake),
            "it has not slept yet"
        );
        assert!(!reader.sleep(), "there is something to read");
        assert_eq!(
            writer.write(b"b"),
            Ok(ReaderState::Awake),
            "it does not sleep"
        );
        reader.read(&mut Vec::new()).unwrap();
        assert!(reader.sleep());
        assert_eq!(writer.write(b"c"), Ok(ReaderState::Asleep));
        assert_eq!(writer.write(b"d"), Ok(ReaderState::Awake), "it was woken");
        reader.read(&mut Vec::new()).unwrap();
        assert!(reader.sleep());
        reader.wake();
        assert_eq!(
            writer.write(b"e"),
            Ok(ReaderState::Awake),
            "it woke by itself"
        );
    }

    #[test]
    fn what_a_writer_left_is_there_after_its_end() {
        let (mut writer, mut reader, _fd) = pair();
        writer.write(b"last words").unwrap();
        drop(writer);
        let mut read = Vec::new();
        reader.read(&mut read).unwrap();
        assert_eq!(read, b"last words");
    }

    #[test]
    fn a_writer_that_claims_more_than_fits_breaks_the_protocol() {
        let (writer, mut reader, fd) = pair();
        for claimed in [SIZE + 1, u32::MAX] {
            writer.ring.layout().written.store(claimed, Relaxed);
            assert!(reader.read(&mut Vec::new()).is_err(), "{claimed}");
        }
        // Where the reader has come to is its own knowledge.
        writer.ring.layout().written.store(10, Relaxed);
        writer.ring.layout().read.store(1000, Relaxed);
        let mut read = Vec::new();
        reader.read(&mut read).unwrap();
        assert_eq!(read.len(), 10);
        for len in [0, 1 << 20] {
            assert_eq!(ftruncate(&fd, len), Err(rustix::io::Errno::PERM));
        }
    }
}

// SPDX-License-Identifier: MPL-2.0
//! Blocks, as the parent makes them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use codecwatch_supervisor::guard;
use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags};

use super::mapping::Mapping;
use super::{BlockId, registry};

/// Largest block, in bytes. A picture of 16384x16384 with 4:4:4 chroma at 12 bits has
/// 1.6 GB; the kernel knows no limit of its own.
const LARGEST: usize = 4 << 30;

/// There is no shared memory of this size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// The machine has not so much left, or it is more than any picture needs.
    #[error("{0}")]
    Refused(String),
    /// The kernel does not give it.
    #[error("no {len} bytes of shared memory: {error}")]
    Kernel {
        /// Bytes that were asked for.
        len: usize,
        /// The kernel's answer.
        error: rustix::io::Errno,
    },
}

/// Shared memory of a fixed size, mapped in the parent.
#[derive(Debug)]
pub struct Block {
    id: BlockId,
    fd: OwnedFd,
    mapping: Mapping,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The number of the next block.
pub(crate) fn next_number() -> u32 {
    NEXT.load(Ordering::Relaxed)
}

/// Who writes to a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    Parent,
    Child,
}

impl Block {
    /// A block that the child may write to. `len`: more than 0.
    ///
    /// # Errors
    /// There is not so much memory.
    pub fn for_output(len: usize) -> Result<Arc<Self>, MemoryError> {
        Self::new(len, Writer::Child).map(Arc::new)
    }

    /// A block that only the parent writes to.
    fn for_input(len: usize) -> Result<Arc<Self>, MemoryError> {
        let block = Arc::new(Self::new(len, Writer::Parent)?);
        registry::add(&block);
        Ok(block)
    }

    fn new(len: usize, writer: Writer) -> Result<Self, MemoryError> {
        if len > LARGEST {
            let text = format!("{len} bytes of shared memory are more than any picture needs");
            return Err(MemoryError::Refused(text));
        }
        // The kernel would take page after page until it has to kill a process.
        guard::check_memory(len as u64, guard::available_memory(), "shared memory")
            .map_err(|refusal| MemoryError::Refused(refusal.to_string()))?;
        let make = || {
            let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
            let fd = rustix::fs::memfd_create(c"codecwatch", flags)?;
            // Memory is taken here, where its lack is an error, and not at the first
            // access, where it would end the process.
            rustix::fs::fallocate(&fd, FallocateFlags::empty(), 0, len as u64)?;
            let mapping = Mapping::new(fd.as_fd(), len, true)?;
            // The mapping above stays writable.
            let writes = match writer {
                Writer::Parent => SealFlags::FUTURE_WRITE,
                Writer::Child => SealFlags::empty(),
            };
            let size = SealFlags::SHRINK | SealFlags::GROW;
            rustix::fs::fcntl_add_seals(&fd, size | writes | SealFlags::SEAL)?;
            Ok((fd, mapping))
        };
        let (fd, mapping) = make().map_err(|error| MemoryError::Kernel { len, error })?;
        Ok(Self {
            // A number that comes again, after four thousand million blocks, is that of
            // a block that is long gone.
            id: BlockId(NEXT.fetch_add(1, Ordering::Relaxed)),
            fd,
            mapping,
        })
    }

    /// Its number.
    pub fn id(&self) -> BlockId {
        self.id
    }

    /// Its size in bytes.
    pub fn size(&self) -> usize {
        self.mapping.len()
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Gives its memory back, although it may still be mapped here and there. What is read
    /// there is nothing from then on.
    pub(super) fn empty(&self) {
        use rustix::fs::FallocateFlags as F;
        let whole = self.size() as u64;
        let flags = F::PUNCH_HOLE | F::KEEP_SIZE;
        // Where that cannot be, it is free when the last mapping goes.
        let _ = rustix::fs::fallocate(&self.fd, flags, 0, whole);
    }

    pub(super) fn mapping(&self) -> &Mapping {
        &self.mapping
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        registry::remove(self);
    }
}

/// Memory of the parent that every child can read: what is written into it needs no copy
/// on its way to a child. The only owner that can write.
#[derive(Debug)]
pub struct InputMemory(Arc<Block>);

impl InputMemory {
    /// `len` bytes, more than 0, all zero.
    ///
    /// # Errors
    /// There is not so much memory.
    pub fn new(len: usize) -> Result<Self, MemoryError> {
        Block::for_input(len).map(Self)
    }

    pub(super) fn block(&self) -> &Arc<Block> {
        &self.0
    }
}

impl AsRef<[u8]> for InputMemory {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: a mutable slice needs a mutable borrow of the only owner that gives
        // one, and no other process can write.
        unsafe { self.0.mapping.bytes() }
    }
}

impl AsMut<[u8]> for InputMemory {
    fn as_mut(&mut self) -> &mut [u8] {
        // SAFETY: mapped writable; this is the only owner that gives slices.
        unsafe { self.0.mapping.bytes_mut() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::mm::{MapFlags, ProtFlags};

    #[test]
    fn nobody_can_change_the_size_of_a_block() {
        let block = Block::for_output(4096).unwrap();
        for len in [0, 4095, 8192] {
            assert_eq!(
                rustix::fs::ftruncate(block.fd(), len),
                Err(rustix::io::Errno::PERM)
            );
        }
    }

    #[test]
    fn a_block_for_input_cannot_be_written_through_its_descriptor() {
        let mut memory = InputMemory::new(4096).unwrap();
        memory.as_mut()[7] = 1;
        let fd = memory.block().fd();
        assert_eq!(rustix::io::write(fd, b"x"), Err(rustix::io::Errno::PERM));
        let writable = ProtFlags::READ | ProtFlags::WRITE;
        let anywhere = std::ptr::null_mut();
        // SAFETY: a new mapping, or none.
        let mapped = unsafe { rustix::mm::mmap(anywhere, 4096, writable, MapFlags::SHARED, fd, 0) };
        assert_eq!(mapped, Err(rustix::io::Errno::PERM));
        let read = Mapping::new(fd, 4096, false).unwrap();
        // SAFETY: nobody writes now.
        assert_eq!(unsafe { read.bytes() }[7], 1);
    }

    #[test]
    fn a_size_that_no_machine_has_is_an_error_that_says_so() {
        for len in [LARGEST + 1, 1 << 60, usize::MAX] {
            let error = Block::for_output(len).unwrap_err();
            assert!(error.to_string().contains(&len.to_string()), "{error}");
        }
    }
}

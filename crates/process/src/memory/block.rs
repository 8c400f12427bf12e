// SPDX-License-Identifier: MPL-2.0
//! Blocks for inputs, as the parent makes them.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use codecwatch_supervisor::guard;
use rustix::fs::{FallocateFlags, SealFlags};

use super::mapping::Mapping;
use super::{BlockId, memfd, registry};

/// Largest block, in bytes. A picture of 16384x16384 with 4:4:4 chroma at 12 bits has
/// 1.6 GB; the kernel knows no limit of its own.
const LARGEST: usize = 4 << 30;

/// # Errors
/// No picture needs so many bytes.
pub(super) fn check_size(len: u64) -> Result<(), MemoryError> {
    if len <= LARGEST as u64 {
        return Ok(());
    }
    let text = format!("{len} bytes of shared memory are more than any picture needs");
    Err(MemoryError::Refused(text))
}

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

/// Shared memory of a fixed size, mapped in the parent, which alone writes to it.
#[derive(Debug)]
pub(super) struct Block {
    id: BlockId,
    /// Kept for children that come later.
    fd: Option<Arc<OwnedFd>>,
    mapping: Mapping,
}

impl Block {
    /// `len`: more than 0.
    fn new(len: usize) -> Result<(Self, OwnedFd), MemoryError> {
        check_size(len as u64)?;
        // The kernel would take page after page until it has to kill a process.
        guard::check_memory(len as u64, guard::available_memory(), "shared memory")
            .map_err(|refusal| MemoryError::Refused(refusal.to_string()))?;
        let make = || {
            let fd = memfd::create()?;
            // Memory is taken here, where its lack is an error, and not at the first
            // access, where it would end the process.
            rustix::fs::fallocate(&fd, FallocateFlags::empty(), 0, len as u64)?;
            let mapping = Mapping::new(fd.as_fd(), 0, len, true)?;
            // The mapping above stays writable.
            let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::FUTURE_WRITE;
            rustix::fs::fcntl_add_seals(&fd, seals | SealFlags::SEAL)?;
            Ok((fd, mapping))
        };
        let (fd, mapping) = make().map_err(|error| MemoryError::Kernel { len, error })?;
        let block = Self {
            id: BlockId::next(),
            fd: None,
            mapping,
        };
        Ok((block, fd))
    }

    /// Its number.
    pub(super) fn id(&self) -> BlockId {
        self.id
    }

    /// Its size in bytes.
    pub(super) fn size(&self) -> usize {
        self.mapping.len()
    }

    pub(super) fn fd(&self) -> Option<&Arc<OwnedFd>> {
        self.fd.as_ref()
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
        let (mut block, fd) = Block::new(len)?;
        block.fd = Some(Arc::new(fd));
        let block = Arc::new(block);
        registry::add(&block);
        Ok(Self(block))
    }

    /// The same for one child only, with the descriptor for it. This process keeps none:
    /// however much a child keeps, descriptors do not run short.
    pub(super) fn for_one_child(len: usize) -> Result<(Self, OwnedFd), MemoryError> {
        let (block, fd) = Block::new(len)?;
        Ok((Self(Arc::new(block)), fd))
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
        let memory = InputMemory::new(4096).unwrap();
        for len in [0, 4095, 8192] {
            assert_eq!(
                rustix::fs::ftruncate(memory.block().fd().unwrap(), len),
                Err(rustix::io::Errno::PERM)
            );
        }
    }

    #[test]
    fn a_block_for_input_cannot_be_written_through_its_descriptor() {
        let mut memory = InputMemory::new(4096).unwrap();
        memory.as_mut()[7] = 1;
        let fd = memory.block().fd().unwrap().as_fd();
        assert_eq!(rustix::io::write(fd, b"x"), Err(rustix::io::Errno::PERM));
        let writable = ProtFlags::READ | ProtFlags::WRITE;
        let anywhere = std::ptr::null_mut();
        // SAFETY: a new mapping, or none.
        let mapped = unsafe { rustix::mm::mmap(anywhere, 4096, writable, MapFlags::SHARED, fd, 0) };
        assert_eq!(mapped, Err(rustix::io::Errno::PERM));
        let read = Mapping::new(fd, 0, 4096, false).unwrap();
        // SAFETY: nobody writes now.
        assert_eq!(unsafe { read.bytes() }[7], 1);
    }

    #[test]
    fn a_size_that_no_machine_has_is_an_error_that_says_so() {
        for len in [LARGEST + 1, 1 << 60, usize::MAX] {
            let error = InputMemory::new(len).unwrap_err();
            assert!(error.to_string().contains(&len.to_string()), "{error}");
        }
    }
}

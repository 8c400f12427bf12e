// SPDX-License-Identifier: MPL-2.0
//! The memory that a child writes outputs to: one file, in which all its blocks lie.
//!
//! A child that keeps a descriptor or a mapping of memory that it has given back can fill
//! it again, even by reading (no seal prevents that). So what it can take is limited by
//! the size of the file, which only the parent makes larger: the child cannot by the
//! sandbox (no `ftruncate`, and RLIMIT_FSIZE). And only one descriptor is needed, however
//! many blocks there are.

use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use codecwatch_supervisor::guard;
use rustix::fs::{FallocateFlags, SealFlags, fallocate, fcntl_add_seals};

use super::block::MemoryError;
use super::mapping::Mapping;
use super::memfd;

#[derive(Debug)]
pub(super) struct Arena {
    fd: OwnedFd,
}

impl Arena {
    /// An empty one. It never becomes smaller: a child that takes memory away that the
    /// parent reads would end the parent.
    pub(super) fn new() -> rustix::io::Result<Self> {
        let fd = memfd::create()?;
        fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::SEAL)?;
        Ok(Self { fd })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Takes the memory of a range of whole pages, and maps it. Here its lack is an error;
    /// at the first access it would end the process.
    pub(super) fn take(&self, range: &Range<u64>) -> Result<Mapping, MemoryError> {
        let len = range.end - range.start;
        // The kernel would take page after page until it has to kill a process.
        guard::check_memory(len, guard::available_memory(), "shared memory")
            .map_err(|refusal| MemoryError::Refused(refusal.to_string()))?;
        let taken = || {
            fallocate(&self.fd, FallocateFlags::empty(), range.start, len)?;
            Mapping::new(self.fd(), range.start, len as usize, true)
        };
        taken().map_err(|error| MemoryError::Kernel {
            len: len as usize,
            error,
        })
    }

    /// Gives the memory of a range back. What is read there is zero from then on.
    pub(super) fn empty(&self, range: &Range<u64>) {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        // Where that cannot be, it is free when the child has ended.
        let _ = fallocate(&self.fd, flags, range.start, range.end - range.start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{fstat, ftruncate};

    const PAGE: u64 = 1 << 16;

    fn bytes(arena: &Arena) -> u64 {
        fstat(arena.fd()).unwrap().st_blocks.cast_unsigned() * 512
    }

    #[test]
    fn nobody_can_take_memory_away_that_the_parent_reads() {
        let arena = Arena::new().unwrap();
        let mapping = arena.take(&(0..2 * PAGE)).unwrap();
        for len in [0, PAGE] {
            let shrunk = ftruncate(arena.fd(), len);
            assert_eq!(shrunk, Err(rustix::io::Errno::PERM));
        }
        assert_eq!(mapping.len() as u64, 2 * PAGE);
        // SAFETY: nobody writes.
        assert!(unsafe { mapping.bytes() }.iter().all(|&byte| byte == 0));
    }

    #[test]
    fn whoever_keeps_what_was_given_back_can_fill_the_file_and_no_more() {
        let arena = Arena::new().unwrap();
        let mut kept = Vec::new();
        for _ in 0..20 {
            drop(arena.take(&(0..4 * PAGE)).unwrap());
            // As a child that keeps all that it ever had.
            let mapping = Mapping::new(arena.fd(), 0, 4 * PAGE as usize, true).unwrap();
            arena.empty(&(0..4 * PAGE));
            assert_eq!(bytes(&arena), 0, "it is given back at once");
            kept.push(mapping);
        }
        for mapping in &kept {
            // SAFETY: one after the other, and nobody else has any.
            unsafe { mapping.bytes_mut() }.fill(1);
        }
        assert_eq!(bytes(&arena), 4 * PAGE);
    }
}

// SPDX-License-Identifier: MPL-2.0
//! A block of shared memory, mapped.

use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

use rustix::mm::{MapFlags, ProtFlags};

/// Shared memory in this process's address space.
#[derive(Debug)]
pub(crate) struct Mapping {
    address: NonNull<u8>,
    len: usize,
}

// SAFETY: the memory is this process's, not a thread's.
unsafe impl Send for Mapping {}
// SAFETY: the type itself gives out nothing but an address.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes, more than 0, of a descriptor that cannot become smaller. `offset`:
    /// whole pages.
    pub(crate) fn new(
        fd: BorrowedFd<'_>,
        offset: u64,
        len: usize,
        writable: bool,
    ) -> rustix::io::Result<Self> {
        let protection = if writable {
            ProtFlags::READ | ProtFlags::WRITE
        } else {
            ProtFlags::READ
        };
        let anywhere = std::ptr::null_mut();
        // SAFETY: a new mapping, at an address that the kernel chooses.
        let address =
            unsafe { rustix::mm::mmap(anywhere, len, protection, MapFlags::SHARED, fd, offset) }?;
        let address = NonNull::new(address.cast()).ok_or(rustix::io::Errno::NOMEM)?;
        Ok(Self { address, len })
    }

    pub(crate) fn address(&self) -> NonNull<u8> {
        self.address
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// All bytes.
    ///
    /// # Safety
    /// While the slice lives, no code of this process has a mutable one, and what another
    /// process writes is read as bytes whose values may be any.
    pub(crate) unsafe fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping is as long, what is behind it cannot become shorter, and it lives as long as
        // `self`; the rest is the caller's to vouch for.
        unsafe { std::slice::from_raw_parts(self.address.as_ptr(), self.len) }
    }

    /// All bytes, to write to.
    ///
    /// # Safety
    /// The mapping is writable, and while the slice lives, no code of this process has
    /// another.
    #[allow(clippy::mut_from_ref, reason = "the caller vouches that there is one")]
    pub(crate) unsafe fn bytes_mut(&self) -> &mut [u8] {
        // SAFETY: as for `bytes`.
        unsafe { std::slice::from_raw_parts_mut(self.address.as_ptr(), self.len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length; slices of it have ended.
        let _ = unsafe { rustix::mm::munmap(self.address.as_ptr().cast(), self.len) };
    }
}

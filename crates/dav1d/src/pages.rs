// SPDX-License-Identifier: MPL-2.0
//! Memory directly from the kernel.
//!
//! malloc often keeps blocks of this size when they are freed (glibc raises its
//! threshold for separate mappings with the first block that is freed), so a stopped
//! decoder would still hold the memory of its pictures.

use std::ptr::{self, NonNull};

/// A separate mapping of zeroed pages, returned to the kernel when dropped.
#[derive(Debug)]
pub(crate) struct Pages {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the pages belong to this value alone and are tied to no thread.
unsafe impl Send for Pages {}

impl Pages {
    /// `None` when there is not enough memory, or for 0 bytes.
    pub(crate) fn new(len: usize) -> Option<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping, at an address that the kernel chooses.
        let start = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return None;
        }
        let start = NonNull::new(start.cast())?;
        Some(Self { start, len })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: mapped for reading and writing, initialised with zeros, and
        // borrowed through `self` alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: a mapping of `new`, which is no longer borrowed.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_zeroed_and_can_be_written() {
        let mut pages = Pages::new(10_000).unwrap();
        assert!(pages.bytes().iter().all(|byte| *byte == 0));
        pages.bytes().fill(7);
        assert_eq!((pages.len(), pages.bytes()[9_999]), (10_000, 7));
    }

    #[test]
    fn what_cannot_be_had_is_none() {
        assert!(Pages::new(usize::MAX / 2).is_none());
        assert!(Pages::new(0).is_none());
    }
}

// SPDX-License-Identifier: MPL-2.0
//! Picture memory from the heap, for when no other allocator is given.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::{Allocation, PictureAllocator, PictureMemory, PictureShape, shape::ALIGNMENT};

/// Blocks kept for reuse: dav1d holds 8 references, and what it decodes ahead
/// comes on top.
const KEPT: usize = 16;

/// Allocates from the heap and keeps what comes back for pictures of the same
/// size, which saves the kernel clearing fresh pages for every picture.
#[derive(Debug, Default)]
pub struct HeapAllocator {
    returned: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl PictureAllocator for HeapAllocator {
    fn allocate(&self, shape: &PictureShape) -> Option<Allocation> {
        let layout = shape.layout()?;
        // Room to align the start by hand: a Vec<u8> has no alignment.
        let len = layout.size.checked_add(ALIGNMENT)?;
        let bytes = match self.reuse(len) {
            Some(bytes) => bytes,
            None => zeroed(len)?,
        };
        let home = Arc::downgrade(&self.returned);
        Some(Allocation {
            memory: Box::new(HeapMemory { bytes, home }),
            layout,
            handle: None,
        })
    }
}

impl HeapAllocator {
    /// A returned block of that size. Blocks of another size are of no more
    /// use: the stream has changed its size.
    fn reuse(&self, len: usize) -> Option<Vec<u8>> {
        let mut returned = self.returned.lock().unwrap_or_else(PoisonError::into_inner);
        returned.retain(|bytes| bytes.len() == len);
        returned.pop()
    }
}

/// Zeros; `None` instead of an abort when there is not that much memory.
fn zeroed(len: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).ok()?;
    bytes.resize(len, 0);
    Some(bytes)
}

#[derive(Debug)]
struct HeapMemory {
    bytes: Vec<u8>,
    home: Weak<Mutex<Vec<Vec<u8>>>>,
}

impl PictureMemory for HeapMemory {
    fn bytes(&mut self) -> &mut [u8] {
        let start = self.bytes.as_ptr().align_offset(ALIGNMENT);
        self.bytes.get_mut(start..).unwrap_or_default()
    }
}

impl Drop for HeapMemory {
    fn drop(&mut self) {
        let Some(home) = self.home.upgrade() else {
            return;
        };
        let mut returned = home.lock().unwrap_or_else(PoisonError::into_inner);
        if returned.len() < KEPT {
            returned.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Chroma, Color, picture_memory::Lent};

    fn shape(width: u32) -> PictureShape {
        let color = Color::default();
        PictureShape {
            width,
            height: 48,
            chroma: Chroma::Yuv420,
            bit_depth: 8,
            color,
        }
    }

    #[test]
    fn its_memory_serves_dav1d() {
        let allocator = HeapAllocator::default();
        for width in [1, 129, 640] {
            let shape = shape(width);
            let lent = Lent::new(&shape, allocator.allocate(&shape).unwrap());
            assert!(lent.is_ok(), "{:?}", lent.err());
        }
    }

    #[test]
    fn memory_that_came_back_is_used_again() {
        let allocator = HeapAllocator::default();
        let first = Lent::new(&shape(64), allocator.allocate(&shape(64)).unwrap()).unwrap();
        let address = first.plane(0);
        drop(first);
        let second = Lent::new(&shape(64), allocator.allocate(&shape(64)).unwrap()).unwrap();
        assert_eq!(second.plane(0), address);
    }

    #[test]
    fn memory_of_an_outgrown_size_is_let_go() {
        let allocator = HeapAllocator::default();
        drop(allocator.allocate(&shape(64)));
        drop(allocator.allocate(&shape(640)));
        assert_eq!(allocator.returned.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_size_that_cannot_be_had_is_no_abort() {
        let color = Color::default();
        let huge = PictureShape {
            width: u32::MAX,
            height: u32::MAX,
            chroma: Chroma::Yuv444,
            bit_depth: 12,
            color,
        };
        assert!(HeapAllocator::default().allocate(&huge).is_none());
    }
}

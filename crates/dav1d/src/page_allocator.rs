// SPDX-License-Identifier: MPL-2.0
//! Picture memory in separate pages: the default allocator.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::{Allocation, PictureAllocator, PictureMemory, PictureShape, pages::Pages};

/// Blocks kept for reuse: dav1d holds 8 references, and what it decodes ahead
/// comes on top.
const KEPT: usize = 16;

/// Allocates from the kernel and keeps returned blocks for pictures of the same
/// size, so that the kernel need not clear fresh pages for every picture. Kept blocks
/// are freed with the allocator, or when it is [retired](Self::retire).
#[derive(Debug, Default)]
pub struct PageAllocator {
    returned: Arc<Mutex<Returned>>,
}

/// The state of returned memory.
#[derive(Debug)]
enum Returned {
    /// It is kept for reuse.
    Kept(Vec<Pages>),
    /// It was freed.
    Freed,
}

impl Default for Returned {
    fn default() -> Self {
        Self::Kept(Vec::new())
    }
}

impl Returned {
    /// A block of that size. Drops blocks of another size: the size of the stream has
    /// changed.
    fn reuse(&mut self, len: usize) -> Option<Pages> {
        let Self::Kept(blocks) = self else {
            return None;
        };
        blocks.retain(|block| block.len() == len);
        blocks.pop()
    }

    /// Keeps a block, or returns it to be freed.
    fn keep(&mut self, pages: Pages) -> Option<Pages> {
        match self {
            Self::Kept(blocks) if blocks.len() < KEPT => {
                blocks.push(pages);
                None
            }
            _ => Some(pages),
        }
    }
}

impl PictureAllocator for PageAllocator {
    fn allocate(&self, shape: &PictureShape) -> Option<Allocation> {
        let layout = shape.layout()?;
        let reused = lock(&self.returned).reuse(layout.size);
        let pages = match reused {
            Some(pages) => pages,
            None => Pages::new(layout.size)?,
        };
        let home = Arc::downgrade(&self.returned);
        Some(Allocation {
            memory: Box::new(Block {
                pages: Some(pages),
                home,
            }),
            layout,
            handle: None,
        })
    }
}

impl PageAllocator {
    /// Frees the kept blocks, and from now on every block that is returned. Memory that
    /// dav1d or a picture holds stays valid until they release it. Never waits for
    /// them.
    pub fn retire(&self) {
        let kept = std::mem::replace(&mut *lock(&self.returned), Returned::Freed);
        drop(kept);
    }
}

fn lock(returned: &Mutex<Returned>) -> MutexGuard<'_, Returned> {
    returned.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Block {
    /// Taken by the drop.
    pages: Option<Pages>,
    home: Weak<Mutex<Returned>>,
}

impl PictureMemory for Block {
    fn bytes(&mut self) -> &mut [u8] {
        self.pages.as_mut().map(Pages::bytes).unwrap_or_default()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let (Some(home), Some(pages)) = (self.home.upgrade(), self.pages.take()) else {
            return;
        };
        // Drop it without holding the lock.
        let freed = lock(&home).keep(pages);
        drop(freed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use codecwatch_av1::Color;

    use crate::{Chroma, picture_memory::Lent};

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
        let allocator = PageAllocator::default();
        for width in [1, 129, 640] {
            let shape = shape(width);
            let lent = Lent::new(&shape, allocator.allocate(&shape).unwrap());
            assert!(lent.is_ok(), "{:?}", lent.err());
        }
    }

    #[test]
    fn memory_that_came_back_is_used_again() {
        let allocator = PageAllocator::default();
        let first = Lent::new(&shape(64), allocator.allocate(&shape(64)).unwrap()).unwrap();
        let address = first.plane(0);
        drop(first);
        let second = Lent::new(&shape(64), allocator.allocate(&shape(64)).unwrap()).unwrap();
        assert_eq!(second.plane(0), address);
    }

    #[test]
    fn memory_of_an_outgrown_size_is_let_go() {
        let allocator = PageAllocator::default();
        drop(allocator.allocate(&shape(64)));
        drop(allocator.allocate(&shape(640)));
        assert_eq!(kept(&allocator), Some(1));
    }

    /// How many blocks are kept; `None` once the allocator is retired.
    fn kept(allocator: &PageAllocator) -> Option<usize> {
        match &*lock(&allocator.returned) {
            Returned::Kept(blocks) => Some(blocks.len()),
            Returned::Freed => None,
        }
    }

    #[test]
    fn a_retired_allocator_keeps_nothing_also_of_what_comes_back_later() {
        let allocator = PageAllocator::default();
        let lent = [64, 64, 64].map(|width| allocator.allocate(&shape(width)).unwrap());
        let [first, second, third] = lent;
        drop(first);
        assert_eq!(kept(&allocator), Some(1));
        allocator.retire();
        drop(second);
        assert_eq!(kept(&allocator), None);
        // An abandoned call may ask for more.
        assert!(allocator.allocate(&shape(64)).is_some());
        assert_eq!(kept(&allocator), None);
        drop(allocator);
        drop(third);
    }

    #[test]
    fn no_more_is_kept_than_a_decoder_needs() {
        let allocator = PageAllocator::default();
        let lent: Vec<_> = (0..KEPT + 3)
            .map(|_| allocator.allocate(&shape(64)))
            .collect();
        drop(lent);
        assert_eq!(kept(&allocator), Some(KEPT));
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
        assert!(PageAllocator::default().allocate(&huge).is_none());
    }
}

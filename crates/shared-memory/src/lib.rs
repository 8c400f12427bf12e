// SPDX-License-Identifier: MPL-2.0
//! A GStreamer allocator of memory that the child process of a codec can read: pictures
//! that upstream writes into it need no copy on their way to the child.
//!
//! A crate apart because the class of allocators has an interface of raw pointers only, as
//! has what else there is about the memory of buffers ([`is_pooled`]).

use gst::glib;

mod pooled;

pub use pooled::is_pooled;

mod imp {
    use codecwatch_process::InputMemory;
    use gst::glib;
    use gst::glib::translate::IntoGlibPtr;
    use gst::subclass::prelude::*;

    /// See the crate's description.
    #[derive(Debug, Default)]
    pub struct SharedAllocator;

    #[glib::object_subclass]
    impl ObjectSubclass for SharedAllocator {
        const NAME: &'static str = "CodecWatchAllocator";
        /// Each plugin file of a process has a class of its own.
        const ALLOW_NAME_CONFLICT: bool = true;
        type Type = super::SharedAllocator;
        type ParentType = gst::Allocator;
    }

    impl ObjectImpl for SharedAllocator {}

    impl GstObjectImpl for SharedAllocator {}

    // SAFETY: `alloc` returns a new memory, which frees itself by the allocator of Rust
    // slices that made it, never by this one.
    unsafe impl AllocatorImpl for SharedAllocator {
        unsafe fn alloc(
            &self,
            size: usize,
            params: &gst::AllocationParams,
        ) -> *mut gst::ffi::GstMemory {
            allocate(size, params).map_or(std::ptr::null_mut(), |memory| memory.into_glib_ptr())
        }

        unsafe fn free(&self, _memory: *mut gst::ffi::GstMemory) {}
    }

    /// `None` if there is no memory.
    fn allocate(size: usize, params: &gst::AllocationParams) -> Option<gst::Memory> {
        // Blocks begin at a page, which no alignment exceeds that a codec asks for.
        let whole = params
            .prefix()
            .checked_add(size)?
            .checked_add(params.padding())?;
        let block = InputMemory::new(whole.max(1)).ok()?;
        let mut memory = gst::Memory::from_mut_slice(block);
        memory
            .get_mut()?
            .resize(params.prefix()..params.prefix() + size);
        Some(memory)
    }
}

glib::wrapper! {
    /// The allocator. Its memory is zeroed, and begins at a page.
    pub struct SharedAllocator(ObjectSubclass<imp::SharedAllocator>)
        @extends gst::Allocator, gst::Object;
}

impl Default for SharedAllocator {
    fn default() -> Self {
        glib::Object::new()
    }
}

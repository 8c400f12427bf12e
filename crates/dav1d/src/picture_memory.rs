// SPDX-License-Identifier: MPL-2.0
//! The memory that dav1d decodes into, and its lifetime.
//!
//! dav1d reads a picture, as a reference for later pictures, for some time after it
//! was delivered. So the memory is shared from the start: dav1d has one reference
//! (its `allocator_data`), and each [`Picture`](crate::Picture) has one. The last
//! one to be dropped, on any thread, returns the memory, and no code downstream ever
//! calls dav1d for it. Until then only dav1d writes the bytes, and only before it
//! delivers the picture.

use std::{any::Any, ptr::NonNull};

use crate::{PictureLayout, PictureShape, Plane};

/// Allocates the memory of each picture for dav1d.
///
/// Called on the worker, during decoding: it must not wait for downstream. The memory
/// may be returned, by dropping it, on any thread.
pub trait PictureAllocator: Send + Sync + 'static {
    /// Memory for one picture; `None` when none is available, which ends the run
    /// with [`CodecError::Resource`](codecwatch_supervisor::CodecError::Resource).
    /// Memory that [`PictureShape::check`] refuses ends it too.
    fn allocate(&self, shape: &PictureShape) -> Option<Allocation>;
}

/// Bytes that can be written while they are lent.
///
/// Called once: the borrow that [`bytes`](Self::bytes) returns is held until
/// neither dav1d nor a picture needs the memory, and the rest of the object is not
/// accessed meanwhile.
pub trait PictureMemory: Send + 'static {
    /// All bytes, including the padding.
    fn bytes(&mut self) -> &mut [u8];
}

/// What an allocator returns.
pub struct Allocation {
    /// The bytes.
    pub memory: Box<dyn PictureMemory>,
    /// Where the planes are; [`PictureShape::layout`] is always accepted.
    pub layout: PictureLayout,
    /// Any object that the allocator attaches to the delivered
    /// [`Picture`](crate::Picture::handle), such as the buffer that the bytes
    /// belong to.
    pub handle: Option<Box<dyn Any + Send + Sync>>,
}

/// Memory while it is lent to dav1d or shared with downstream.
pub(crate) struct Lent {
    base: NonNull<u8>,
    shape: PictureShape,
    layout: PictureLayout,
    handle: Option<Box<dyn Any + Send + Sync>>,
    /// From `Box::into_raw`; mutably borrowed by `base` until the drop.
    owner: NonNull<dyn PictureMemory>,
}

// SAFETY: the owner is Send. `base` points into it and moves with it.
unsafe impl Send for Lent {}
// SAFETY: shared access only reads the bytes, the plain layout and the Sync
// handle; the owner is not touched before the drop.
unsafe impl Sync for Lent {}

impl Lent {
    /// Borrows the memory of an allocation, if it is suitable for `shape`.
    ///
    /// # Errors
    /// Describes what is wrong with it.
    pub(crate) fn new(shape: &PictureShape, allocation: Allocation) -> Result<Self, &'static str> {
        let Allocation {
            memory,
            layout,
            handle,
        } = allocation;
        // Leaked from its box, the owner does not move, and only the pointer
        // reaches it.
        let mut owner = NonNull::from(Box::leak(memory));
        // SAFETY: just leaked, so valid, and nothing else reaches it.
        let bytes = unsafe { owner.as_mut() }.bytes();
        let checked = shape.check(&layout, bytes);
        let base = NonNull::from(bytes).cast();
        let lent = Self {
            base,
            shape: *shape,
            layout,
            handle,
            owner,
        };
        checked.map(|()| lent)
    }

    /// First byte of a plane, for dav1d to write to.
    pub(crate) fn plane(&self, plane: usize) -> NonNull<u8> {
        // SAFETY: `new` checked that every plane lies inside the bytes.
        unsafe { self.base.add(self.layout.offsets[plane]) }
    }

    pub(crate) fn shape(&self) -> &PictureShape {
        &self.shape
    }

    pub(crate) fn layout(&self) -> &PictureLayout {
        &self.layout
    }

    pub(crate) fn handle(&self) -> Option<&(dyn Any + Send + Sync)> {
        self.handle.as_deref()
    }

    /// The samples of a plane, cropped to the picture.
    ///
    /// # Safety
    /// dav1d has finished writing the picture.
    pub(crate) unsafe fn read(&self, plane: usize) -> Plane<'_> {
        let (width, rows) = self.shape.plane_size(plane);
        let row_bytes = width * self.shape.sample_bytes();
        let stride = self.layout.strides[plane];
        let len = if rows == 0 {
            0
        } else {
            (rows - 1) * stride + row_bytes
        };
        let start = self.plane(plane).as_ptr();
        // SAFETY: inside the padded plane, which `new` checked to lie inside
        // the bytes; initialised, since they were lent as a slice; not written
        // any more, as the caller vouches.
        let bytes = unsafe { std::slice::from_raw_parts(start, len) };
        Plane {
            bytes,
            stride,
            row_bytes,
            rows,
        }
    }

    /// Returns the memory to its owner.
    pub(crate) fn into_memory(self) -> Box<dyn PictureMemory> {
        let mut lent = std::mem::ManuallyDrop::new(self);
        lent.handle = None;
        // SAFETY: leaked from a box in `new`; `self` is gone, so that neither
        // its borrow nor its drop comes after this.
        unsafe { Box::from_raw(lent.owner.as_ptr()) }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // SAFETY: leaked from a box in `new`; the borrow in `base` ends with
        // `self`, which is no longer shared.
        drop(unsafe { Box::from_raw(self.owner.as_ptr()) });
    }
}

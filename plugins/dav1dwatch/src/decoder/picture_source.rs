// SPDX-License-Identifier: MPL-2.0
//! The memory that pictures are decoded into: a buffer of downstream's pool if dav1d
//! can use the pool and a buffer is available, otherwise the element's own memory.
//!
//! dav1d reads a picture, as a reference for others, long after it came out. So
//! the buffer of a pool is lent for as long as dav1d or the picture needs it: it
//! stays mapped for writing, so that GStreamer refuses every other write mapping,
//! and returns to its pool only afterwards. See `buffers.rs` for what is pushed
//! meanwhile.
//!
//! dav1d calls [`PictureSource::allocate`] on the worker. It does not wait: it takes
//! a buffer that the pool has available (`DONTWAIT`).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use codecwatch_dav1d as dav1d;
use codecwatch_supervisor::guard;
use dav1d::{Allocation, PictureAllocator, PictureLayout, PictureMemory, PictureShape};
use gst::buffer::{MappedBuffer, Writable};
use gst::prelude::*;
use gst_video::{VideoFormat, VideoMeta};

use super::caps;
use crate::CAT;

/// The minimum of pictures that exist at a time, for the estimate of memory: the one
/// in work, a reference, and one on its way downstream. Most streams need more, but
/// a stream that may be possible is not refused.
const PICTURES: usize = 3;

/// Downstream's pool, and the pictures that it is configured for.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    pub(super) pool: gst::BufferPool,
    pub(super) format: VideoFormat,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Pool {
    fn is_for(&self, shape: &PictureShape) -> bool {
        caps::video_format(shape) == Some(self.format)
            && (self.width, self.height) == (shape.width, shape.height)
            && !caps::lacks_chroma(shape)
    }
}

/// The allocator of all sessions of an element from its start to its stop.
#[derive(Debug, Default)]
pub(super) struct PictureSource {
    pool: Mutex<Option<Pool>>,
    own: dav1d::PageAllocator,
    /// Size in bytes of the largest picture for which enough memory was found.
    largest: AtomicUsize,
}

impl PictureSource {
    fn lock(&self) -> MutexGuard<'_, Option<Pool>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the pool whose buffers are decoded into from now on; `None` for no pool.
    pub(super) fn set_pool(&self, pool: Option<Pool>) {
        let before = std::mem::replace(&mut *self.lock(), pool);
        drop(before);
    }

    /// Called when the element stops. Releases downstream's pool and the kept memory at
    /// once; what downstream or an abandoned call still holds, when it is returned.
    pub(super) fn retire(&self) {
        self.set_pool(None);
        self.own.retire();
    }

    /// A buffer of the pool, if one is available at once and dav1d can use it.
    fn lend(&self, shape: &PictureShape) -> Option<Allocation> {
        let pool = self.lock().clone().filter(|pool| pool.is_for(shape))?.pool;
        let parameters =
            gst::BufferPoolAcquireParams::with_flags(gst::BufferPoolAcquireFlags::DONTWAIT);
        let buffer = match pool.acquire_buffer(Some(&parameters)) {
            Ok(buffer) => buffer,
            Err(flow) => {
                gst::trace!(CAT, obj = pool, "no buffer available: {flow}");
                return None;
            }
        };
        let layout = layout(&buffer, shape)?;
        if buffer.n_memory() != 1 {
            // Mapping would merge several memories into a copy.
            return None;
        }
        let map = buffer.into_mapped_buffer_writable().ok()?;
        if let Err(flaw) = shape.check(&layout, &map) {
            gst::info!(
                CAT,
                obj = pool,
                "its buffers are not usable for dav1d: {flaw}"
            );
            self.set_pool(None);
            return None;
        }
        let slot = Slot::default();
        Some(Allocation {
            layout,
            handle: Some(Box::new(slot.clone())),
            memory: Box::new(Lent {
                map: Some(map),
                slot,
            }),
        })
    }

    /// Whether the machine has the memory to decode pictures like this one.
    fn suffices(&self, size: usize) -> bool {
        if size <= self.largest.load(Ordering::Relaxed) {
            return true;
        }
        let needed = (size as u64).saturating_mul(PICTURES as u64);
        let what = "decoding pictures of this size";
        match guard::check_memory(needed, guard::available_memory(), what) {
            Ok(()) => {
                self.largest.fetch_max(size, Ordering::Relaxed);
                true
            }
            Err(refusal) => {
                gst::error!(CAT, "{refusal}");
                false
            }
        }
    }
}

impl PictureAllocator for PictureSource {
    fn allocate(&self, shape: &PictureShape) -> Option<Allocation> {
        if !self.suffices(shape.layout()?.size) {
            return None;
        }
        self.lend(shape).or_else(|| self.own.allocate(shape))
    }
}

/// Where the planes are in a buffer, according to its meta.
fn layout(buffer: &gst::BufferRef, shape: &PictureShape) -> Option<PictureLayout> {
    let meta = buffer.meta::<VideoMeta>()?;
    let mut layout = PictureLayout {
        size: buffer.size(),
        ..PictureLayout::default()
    };
    for plane in 0..shape.planes() {
        layout.offsets[plane] = *meta.offset().get(plane)?;
        layout.strides[plane] = usize::try_from(*meta.stride().get(plane)?).ok()?;
    }
    Some(layout)
}

/// The slot of a lent buffer, filled when dav1d has returned it.
#[derive(Debug, Clone, Default)]
struct Slot(Arc<Mutex<Option<gst::Buffer>>>);

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Option<gst::Buffer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A buffer of a pool while dav1d has it.
struct Lent {
    map: Option<MappedBuffer<Writable>>,
    slot: Slot,
}

impl PictureMemory for Lent {
    fn bytes(&mut self) -> &mut [u8] {
        self.map
            .as_mut()
            .map(MappedBuffer::as_mut_slice)
            .unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let buffer = self.map.take().map(MappedBuffer::into_buffer);
        *self.slot.lock() = buffer;
    }
}

/// The buffer of a pool that a picture was decoded into, if dav1d no longer needs
/// it.
///
/// # Errors
/// The picture, unchanged, when dav1d needs it, or when its memory is the element's own.
pub(super) fn take_back(picture: Box<dav1d::Picture>) -> Result<gst::Buffer, Box<dav1d::Picture>> {
    let Some(slot) = picture.handle::<Slot>().cloned() else {
        return Err(picture);
    };
    drop(picture.into_memory()?);
    let buffer = slot.lock().take();
    // A lent buffer is put into its slot when its memory is dropped.
    Ok(buffer.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dav1d::Chroma;

    fn shape(width: u32, height: u32) -> PictureShape {
        PictureShape {
            width,
            height,
            chroma: Chroma::Yuv420,
            bit_depth: 8,
            color: codecwatch_av1::Color::default(),
        }
    }

    fn pool(shape: &PictureShape, max: u32) -> gst::BufferPool {
        gst::init().unwrap();
        let info = gst_video::VideoInfo::builder(VideoFormat::I420, shape.width, shape.height)
            .build()
            .unwrap();
        let pool = gst_video::VideoBufferPool::new().upcast::<gst::BufferPool>();
        let (config, _) = super::super::buffers::configuration(&pool, &info, None, max).unwrap();
        pool.set_config(config).unwrap();
        pool.set_active(true).unwrap();
        pool
    }

    fn source(shape: &PictureShape, pool: &gst::BufferPool) -> PictureSource {
        let source = PictureSource::default();
        source.set_pool(Some(Pool {
            pool: pool.clone(),
            format: VideoFormat::I420,
            width: shape.width,
            height: shape.height,
        }));
        source
    }

    #[test]
    fn a_pool_that_is_configured_for_dav1d_serves_it() {
        for (width, height) in [(1280, 720), (131, 73), (16, 16), (1024, 1)] {
            let shape = shape(width, height);
            let source = source(&shape, &pool(&shape, 0));
            let allocation = source.lend(&shape).unwrap();
            assert!(allocation.handle.is_some());
            assert_ne!(allocation.layout.strides[0] % 1024, 0, "{width}x{height}");
        }
    }

    #[test]
    fn a_pool_that_runs_dry_is_not_waited_for() {
        let shape = shape(64, 64);
        let source = source(&shape, &pool(&shape, 2));
        let lent: Vec<_> = (0..5).map(|_| source.allocate(&shape).unwrap()).collect();
        let pooled = lent.iter().filter(|one| one.handle.is_some()).count();
        assert_eq!(pooled, 2);
        drop(lent);
        assert!(source.allocate(&shape).unwrap().handle.is_some());
    }

    #[test]
    fn a_picture_of_another_size_gets_memory_of_our_own() {
        let small = shape(64, 64);
        let source = source(&small, &pool(&small, 0));
        let allocation = source.allocate(&shape(65, 64)).unwrap();
        assert!(allocation.handle.is_none());
    }

    #[test]
    fn a_pool_that_was_deactivated_is_done_without() {
        let shape = shape(64, 64);
        let pool = pool(&shape, 0);
        let source = source(&shape, &pool);
        pool.set_active(false).unwrap();
        assert!(source.allocate(&shape).unwrap().handle.is_none());
    }

    #[test]
    fn a_size_that_no_machine_has_memory_for_is_refused() {
        let source = PictureSource::default();
        assert!(!source.suffices(usize::MAX / 4));
    }
}

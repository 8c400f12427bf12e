// SPDX-License-Identifier: MPL-2.0
//! Buffers that somebody waits for.

/// Whether the memory of a buffer goes back to a pool when the buffer is dropped. A pool
/// may have few: who keeps such a buffer stops its producer.
pub fn is_pooled(buffer: &gst::BufferRef) -> bool {
    let raw = buffer.as_ptr();
    // SAFETY: a reference to a buffer is a valid pointer; the field is set when a pool
    // gives the buffer away, before anybody else has it, and not changed meanwhile.
    let pool = unsafe { (*raw).pool };
    // A part of one holds the whole.
    !pool.is_null() || buffer.meta::<gst::meta::ParentBufferMeta>().is_some()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use gst::prelude::*;

    #[test]
    fn a_buffer_of_a_pool_and_a_part_of_it_are_told_from_others() {
        gst::init().unwrap();
        let pool = gst::BufferPool::new();
        let mut config = pool.config();
        config.set_params(None, 100, 1, 1);
        pool.set_config(config).unwrap();
        pool.set_active(true).unwrap();
        let buffer = pool.acquire_buffer(None).unwrap();
        assert!(is_pooled(&buffer));
        let mut part = buffer
            .copy_region(gst::BufferCopyFlags::MEMORY, 10..20)
            .unwrap();
        gst::meta::ParentBufferMeta::add(part.get_mut().unwrap(), &buffer);
        assert!(is_pooled(&part));
        assert!(!is_pooled(&gst::Buffer::with_size(100).unwrap()));
        drop((part, buffer));
        pool.set_active(false).unwrap();
    }
}

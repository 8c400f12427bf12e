// SPDX-License-Identifier: MPL-2.0
//! Buffers that show pictures, and the pool that downstream offers for them.
//!
//! A picture that dav1d may still read is pushed as a buffer of read-only memory
//! that shares the picture's: to write to it, an element has to copy it.

use std::sync::Arc;

use codecwatch_dav1d as dav1d;
use dav1d::ALIGNMENT;
use gst::prelude::*;
use gst_video::prelude::*;
use gst_video::{
    BUFFER_POOL_OPTION_VIDEO_ALIGNMENT, BUFFER_POOL_OPTION_VIDEO_META, VIDEO_MAX_PLANES,
    VideoAlignment, VideoFrameFlags, VideoInfo, VideoMeta,
};

/// dav1d writes whole blocks of this many samples, both ways (`PictureShape::padded_plane`).
const BLOCK: u32 = 128;

/// Rows whose distance is a multiple of this many bytes share few cache sets, which
/// slows dav1d down (its own allocator avoids them too).
const BAD_STRIDE: u32 = 1024;

/// One plane of a picture, as readable memory.
struct Plane(Arc<dav1d::Picture>, usize);

impl AsRef<[u8]> for Plane {
    fn as_ref(&self) -> &[u8] {
        self.0.plane(self.1).map_or(&[], |plane| plane.bytes)
    }
}

/// A buffer that shares the picture's memory: a memory for each plane.
pub(super) fn view(
    picture: &Arc<dav1d::Picture>,
    info: &VideoInfo,
) -> Result<gst::Buffer, gst::glib::BoolError> {
    let mut buffer = gst::Buffer::new();
    let shown = buffer.make_mut();
    let (mut offsets, mut strides) = (Vec::new(), Vec::new());
    for (number, &default_stride) in info.stride().iter().enumerate() {
        offsets.push(shown.size());
        match picture.plane(number) {
            Some(plane) => {
                strides.push(i32::try_from(plane.stride).unwrap_or(i32::MAX));
                let plane = Plane(picture.clone(), number);
                shown.append_memory(gst::Memory::from_slice(plane));
            }
            None => {
                strides.push(default_stride);
                shown.append_memory(gst::Memory::from_slice(neutral_plane(info, number)));
            }
        }
    }
    VideoMeta::add_full(
        shown,
        VideoFrameFlags::empty(),
        info.format(),
        info.width(),
        info.height(),
        &offsets,
        &strides,
    )?;
    Ok(buffer)
}

/// Whether a view of the picture has the layout that elements without `VideoMeta`
/// support expect.
pub(super) fn is_plain(picture: &dav1d::Picture, info: &VideoInfo) -> bool {
    let mut end = 0;
    let planes = info.stride().iter().zip(info.offset()).enumerate();
    for (number, (&stride, &offset)) in planes {
        if offset != end {
            return false;
        }
        end += match picture.plane(number) {
            Some(plane) if usize::try_from(stride) == Ok(plane.stride) => plane.bytes.len(),
            Some(_) => return false,
            None => neutral_size(info, number),
        };
    }
    end == info.size()
}

/// A copy of the picture in a plain buffer, from the pool if one is available at once.
pub(super) fn copy(
    picture: &dav1d::Picture,
    info: &VideoInfo,
    pool: Option<gst::BufferPool>,
) -> Result<gst::Buffer, gst::glib::BoolError> {
    let parameters =
        gst::BufferPoolAcquireParams::with_flags(gst::BufferPoolAcquireFlags::DONTWAIT);
    let pooled = pool.and_then(|pool| pool.acquire_buffer(Some(&parameters)).ok());
    let mut buffer = match pooled {
        Some(buffer) => buffer,
        None => gst::Buffer::with_size(info.size())?,
    };
    let mut frame = gst_video::VideoFrameRef::from_buffer_ref_writable(buffer.make_mut(), info)?;
    for number in 0..frame.n_planes() {
        let index = number as usize;
        let stride = usize::try_from(frame.plane_stride()[index]).unwrap_or_default();
        let to = frame.plane_data_mut(number)?;
        match picture.plane(index) {
            Some(plane) => {
                for (to, from) in to.chunks_mut(stride.max(1)).zip(plane.rows()) {
                    to[..from.len()].copy_from_slice(from);
                }
            }
            None => {
                let neutral = neutral_sample(info);
                to.chunks_exact_mut(2)
                    .for_each(|sample| sample.copy_from_slice(&neutral));
            }
        }
    }
    drop(frame);
    Ok(buffer)
}

/// The chroma of gray, in two bytes.
fn neutral_sample(info: &VideoInfo) -> [u8; 2] {
    let half = 1_u16 << (info.comp_depth(0).clamp(1, 16) - 1);
    half.to_ne_bytes()
}

fn neutral_size(info: &VideoInfo, plane: usize) -> usize {
    let stride = info.stride().get(plane).copied().unwrap_or_default();
    usize::try_from(stride).unwrap_or_default() * info.comp_height(plane as u8) as usize
}

/// A neutral chroma plane, for pictures that have luma only.
fn neutral_plane(info: &VideoInfo, plane: usize) -> Vec<u8> {
    neutral_sample(info).repeat(neutral_size(info, plane) / 2)
}

/// The configuration with which a pool provides buffers that dav1d can decode into,
/// and their size; `None` when the pool does not support it.
///
/// `offered`: the parameters of downstream's allocator. `max`: from downstream.
pub(super) fn configuration(
    pool: &gst::BufferPool,
    info: &VideoInfo,
    offered: Option<(Option<gst::Allocator>, gst::AllocationParams)>,
    max: u32,
) -> Option<(gst::BufferPoolConfig, u32)> {
    let options = [
        BUFFER_POOL_OPTION_VIDEO_META,
        BUFFER_POOL_OPTION_VIDEO_ALIGNMENT,
    ];
    if !options.iter().all(|option| pool.has_option(option)) {
        return None;
    }
    let (allocator, mut parameters) = offered.unwrap_or_default();
    parameters.set_align(parameters.align() | (ALIGNMENT - 1));

    let (padding, aligned) = aligned(info)?;
    // SIMD code reads beyond the end of the last plane.
    let size = u32::try_from(aligned.size().checked_add(ALIGNMENT)?).ok()?;
    let mut config = pool.config();
    config.set_params(info.to_caps().ok().as_ref(), size, 0, max);
    config.set_allocator(allocator.as_ref(), Some(&parameters));
    for option in options {
        config.add_option(option);
    }
    config.set_video_alignment(&padding);
    Some((config, size))
}

/// The padding that dav1d needs around a picture, and the resulting layout.
fn aligned(info: &VideoInfo) -> Option<(VideoAlignment, VideoInfo)> {
    let width = info.width().checked_next_multiple_of(BLOCK)?;
    let height = info.height().checked_next_multiple_of(BLOCK)?;
    let sample_bytes = info.comp_depth(0).div_ceil(8);
    // With half a block more, the rows of chroma stay aligned, too.
    let width = if (width * sample_bytes).is_multiple_of(BAD_STRIDE) {
        width.checked_add(BLOCK)?
    } else {
        width
    };
    let strides = [ALIGNMENT as u32 - 1; VIDEO_MAX_PLANES];
    let mut padding =
        VideoAlignment::new(0, height - info.height(), 0, width - info.width(), &strides);
    let mut aligned = info.clone();
    aligned.align(&mut padding).ok()?;
    Some((padding, aligned))
}

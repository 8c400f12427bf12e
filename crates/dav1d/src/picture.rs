// SPDX-License-Identifier: MPL-2.0
//! A decoded picture.

use std::{any::Any, sync::Arc};

use codecwatch_av1::{ContentLight, MasteringDisplay};

#[cfg(dav1d_t35_array)]
use crate::loaded_version::loaded_version;
use crate::{
    Allocation, PictureLayout, PictureMemory, PictureShape, T35, metadata, picture_memory::Lent,
    sys,
};

/// A decoded picture: plain data, and a share of the memory that dav1d decoded
/// into. Keeping or dropping it never calls dav1d, so any thread may.
///
/// The memory must not be changed: dav1d may still refer to it.
pub struct Picture {
    /// The input that led to this picture.
    pub id: u64,
    /// HDR10 mastering display.
    pub mastering_display: Option<MasteringDisplay>,
    /// HDR10 content light level.
    pub content_light: Option<ContentLight>,
    /// T.35 messages, in stream order. dav1d before 1.2 keeps only the last.
    pub t35: Vec<T35>,
    memory: Arc<Lent>,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Picture")
            .field("id", &self.id)
            .field("shape", self.shape())
            .finish_non_exhaustive()
    }
}

/// The samples of one plane, cropped to the picture.
#[derive(Debug, Clone, Copy)]
pub struct Plane<'a> {
    /// From the first sample to the last, rows `stride` bytes apart.
    pub bytes: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Bytes of a row without padding.
    pub row_bytes: usize,
    /// Number of rows.
    pub rows: usize,
}

impl<'a> Plane<'a> {
    /// The samples of each row, top to bottom.
    pub fn rows(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let row_bytes = self.row_bytes;
        let cropped = move |row: &'a [u8]| row.get(..row_bytes).unwrap_or(row);
        self.bytes.chunks(self.stride.max(1)).map(cropped)
    }
}

impl Picture {
    /// Copies the metadata of a picture that dav1d delivered, and takes a reference to
    /// its memory. `None` for a picture that the session's own allocator did not
    /// allocate, which dav1d never delivers.
    ///
    /// # Safety
    /// `native` was filled by `dav1d_get_picture`, of a session whose pictures
    /// `callbacks.rs` allocates, and not yet unreferenced.
    pub(crate) unsafe fn from_native(native: &sys::Dav1dPicture, id: u64) -> Option<Self> {
        // SAFETY: dav1d keeps the metadata of a delivered picture until it is
        // unreferenced; null becomes None.
        let mastering_display = unsafe { native.mastering_display.as_ref() };
        // SAFETY: as above.
        let content_light = unsafe { native.content_light.as_ref() };
        let shared = native.allocator_data.cast::<Lent>().cast_const();
        if shared.is_null() {
            return None;
        }
        // SAFETY: made by `Arc::into_raw` in the allocation callback; dav1d
        // holds that reference until the picture is unreferenced.
        unsafe { Arc::increment_strong_count(shared) };
        // SAFETY: the reference that was just added is ours.
        let memory = unsafe { Arc::from_raw(shared) };
        Some(Self {
            id,
            mastering_display: mastering_display.map(metadata::mastering_display),
            content_light: content_light.map(metadata::content_light),
            // SAFETY: a delivered picture, as the caller vouches.
            t35: unsafe { t35(native) },
            memory,
        })
    }

    /// A picture that another process has decoded into this memory.
    ///
    /// # Errors
    /// Describes why the memory is not that of such a picture.
    pub(crate) fn shown(
        shape: &PictureShape,
        allocation: Allocation,
        id: u64,
    ) -> Result<Self, &'static str> {
        shape.check_plausible()?;
        Ok(Self {
            id,
            mastering_display: None,
            content_light: None,
            t35: Vec::new(),
            memory: Arc::new(Lent::new(shape, allocation)?),
        })
    }

    /// Size and format; they can change from picture to picture.
    pub fn shape(&self) -> &PictureShape {
        self.memory.shape()
    }

    /// The samples of plane 0 (Y or G), 1 (U or B) or 2 (V or R); `None` for a plane
    /// that does not exist.
    pub fn plane(&self, plane: usize) -> Option<Plane<'_>> {
        if plane >= self.shape().planes() {
            return None;
        }
        // SAFETY: dav1d delivers a picture once it has finished writing it.
        Some(unsafe { self.memory.read(plane) })
    }

    /// Where the planes are in the allocator's memory.
    pub fn layout(&self) -> &PictureLayout {
        self.memory.layout()
    }

    /// The handle that the allocator attached to the picture; `None` if there is none,
    /// or it is no `T`.
    pub fn handle<T: Any>(&self) -> Option<&T> {
        self.memory.handle()?.downcast_ref()
    }

    /// The memory itself, when neither dav1d nor another picture (a frame can
    /// be shown twice) holds it any more.
    ///
    /// # Errors
    /// The picture, unchanged, while one of them holds the memory.
    pub fn into_memory(mut self: Box<Self>) -> Result<Box<dyn PictureMemory>, Box<Self>> {
        match Arc::try_unwrap(self.memory) {
            Ok(lent) => Ok(lent.into_memory()),
            Err(memory) => {
                self.memory = memory;
                Err(self)
            }
        }
    }
}

/// Copies the T.35 messages of a picture.
///
/// # Safety
/// As for [`Picture::from_native`].
unsafe fn t35(native: &sys::Dav1dPicture) -> Vec<T35> {
    #[cfg(dav1d_t35_array)]
    let count = if loaded_version().counts_t35() {
        native.n_itut_t35
    } else {
        1
    };
    #[cfg(not(dav1d_t35_array))]
    let count = 1;
    if native.itut_t35.is_null() {
        return Vec::new();
    }
    // SAFETY: dav1d keeps an array of that many with the picture.
    let messages = unsafe { std::slice::from_raw_parts(native.itut_t35, count) };
    let copy = |message: &sys::Dav1dITUTT35| {
        if message.payload.is_null() {
            return None;
        }
        // SAFETY: dav1d keeps the payload, of that size, with the message.
        let payload = unsafe { std::slice::from_raw_parts(message.payload, message.payload_size) };
        Some(T35 {
            country_code: message.country_code,
            country_code_extension: message.country_code_extension_byte,
            payload: payload.to_vec(),
        })
    };
    messages.iter().filter_map(copy).collect()
}

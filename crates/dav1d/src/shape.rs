// SPDX-License-Identifier: MPL-2.0
//! The size and format of a picture, and the memory layout that dav1d requires.

use serde::{Deserialize, Serialize};

use codecwatch_av1::Color;

use crate::{metadata, sys};

/// Alignment of planes and rows, and padding after the last row, in bytes
/// (`DAV1D_PICTURE_ALIGNMENT` in dav1d's picture.h): SIMD reads beyond the end.
pub const ALIGNMENT: usize = sys::DAV1D_PICTURE_ALIGNMENT as usize;

/// Planes are written in whole blocks of this many luma samples, both ways
/// (dav1d's picture.h, at `alloc_picture_callback`).
const BLOCK: usize = 128;

/// Which chroma planes there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Chroma {
    /// 4:0:0, luma only.
    Monochrome,
    /// 4:2:0, chroma of half width and height.
    Yuv420,
    /// 4:2:2, chroma of half width.
    Yuv422,
    /// 4:4:4, also used for RGB, as G, B, R.
    Yuv444,
}

impl Chroma {
    pub(crate) fn from_native(layout: sys::Dav1dPixelLayout) -> Option<Self> {
        match layout {
            sys::DAV1D_PIXEL_LAYOUT_I400 => Some(Self::Monochrome),
            sys::DAV1D_PIXEL_LAYOUT_I420 => Some(Self::Yuv420),
            sys::DAV1D_PIXEL_LAYOUT_I422 => Some(Self::Yuv422),
            sys::DAV1D_PIXEL_LAYOUT_I444 => Some(Self::Yuv444),
            _ => None,
        }
    }

    /// The right shift of width and height for plane `plane`.
    const fn shift(self, plane: usize) -> (u32, u32) {
        match self {
            Self::Yuv420 if plane > 0 => (1, 1),
            Self::Yuv422 if plane > 0 => (1, 0),
            _ => (0, 0),
        }
    }
}

/// The size and format of a picture, for which its memory has to suffice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureShape {
    /// Width in luma samples.
    pub width: u32,
    /// Height in luma samples.
    pub height: u32,
    /// The chroma planes.
    pub chroma: Chroma,
    /// 8, 10 or 12. Above 8 a sample takes two bytes, in the machine's order,
    /// its value in the low bits.
    pub bit_depth: u8,
    /// The colour description.
    pub color: Color,
}

impl PictureShape {
    /// The shape of a picture that dav1d requests memory for; `None` when its size or
    /// format is invalid.
    pub(crate) fn from_native(
        parameters: &sys::Dav1dPictureParameters,
        sequence: &sys::Dav1dSequenceHeader,
    ) -> Option<Self> {
        Some(Self {
            width: parameters.w.try_into().ok()?,
            height: parameters.h.try_into().ok()?,
            chroma: Chroma::from_native(parameters.layout)?,
            bit_depth: parameters.bpc.try_into().ok()?,
            color: metadata::color(sequence),
        })
    }

    /// 1 or 3.
    pub const fn planes(&self) -> usize {
        if matches!(self.chroma, Chroma::Monochrome) {
            1
        } else {
            3
        }
    }

    /// Bytes that a sample takes.
    pub const fn sample_bytes(&self) -> usize {
        if self.bit_depth > 8 { 2 } else { 1 }
    }

    /// Width and height of a plane, in its own samples.
    pub fn plane_size(&self, plane: usize) -> (usize, usize) {
        let (x, y) = self.chroma.shift(plane);
        let round = |size: u32, shift: u32| (size as usize + (1 << shift) - 1) >> shift;
        (round(self.width, x), round(self.height, y))
    }

    /// Whether the planes are G, B and R.
    pub fn is_gbr(&self) -> bool {
        self.chroma == Chroma::Yuv444 && self.color.matrix == Color::MATRIX_IDENTITY
    }

    /// Bytes in a row, and rows, that dav1d may write and read in a plane:
    /// the size rounded up to whole blocks.
    pub fn padded_plane(&self, plane: usize) -> (usize, usize) {
        let (x, y) = self.chroma.shift(plane);
        let width = (self.width as usize).next_multiple_of(BLOCK) >> x;
        let height = (self.height as usize).next_multiple_of(BLOCK) >> y;
        (width * self.sample_bytes(), height)
    }

    /// A layout that dav1d accepts; `None` when this machine cannot address that
    /// much.
    pub fn layout(&self) -> Option<PictureLayout> {
        let mut layout = PictureLayout::default();
        let mut end = 0_usize;
        for plane in 0..self.planes() {
            let (bytes, rows) = self.padded_plane(plane);
            let mut stride = bytes.next_multiple_of(ALIGNMENT);
            // Rows whose distance is a multiple of 1 KiB share few cache sets, which
            // slows dav1d down; its own allocator avoids them in the same way.
            if stride.is_multiple_of(1024) {
                stride += ALIGNMENT;
            }
            layout.offsets[plane] = end;
            layout.strides[plane] = stride;
            end = end.checked_add(stride.checked_mul(rows)?)?;
        }
        layout.size = end.checked_add(ALIGNMENT)?;
        Some(layout)
    }

    /// Checks what dav1d promises of each picture, for one that another process has
    /// described.
    ///
    /// # Errors
    /// Describes what is wrong with it.
    pub(crate) fn check_plausible(&self) -> Result<(), &'static str> {
        /// The largest size that a sequence header can express.
        const MOST: u32 = 1 << 16;
        if !(1..=MOST).contains(&self.width) || !(1..=MOST).contains(&self.height) {
            return Err("its size is none that AV1 has");
        }
        if !matches!(self.bit_depth, 8 | 10 | 12) {
            return Err("its bit depth is none that AV1 has");
        }
        Ok(())
    }

    /// Checks whether dav1d can decode into bytes with this layout.
    ///
    /// # Errors
    /// Describes what is wrong with them.
    pub fn check(&self, layout: &PictureLayout, bytes: &[u8]) -> Result<(), &'static str> {
        for plane in 0..self.planes() {
            let (row_bytes, rows) = self.padded_plane(plane);
            let (offset, stride) = (layout.offsets[plane], layout.strides[plane]);
            let start = bytes.as_ptr().addr().wrapping_add(offset);
            if !start.is_multiple_of(ALIGNMENT) || !stride.is_multiple_of(ALIGNMENT) {
                return Err("a plane or its stride is not aligned to 64 bytes");
            }
            if stride < row_bytes {
                return Err("a stride is shorter than a row padded to 128 samples");
            }
            let end = stride
                .checked_mul(rows)
                .and_then(|size| size.checked_add(offset)?.checked_add(ALIGNMENT));
            if end.is_none_or(|end| end > bytes.len()) {
                return Err("a plane, padded to 128 rows and 64 bytes, does not fit");
            }
        }
        if self.planes() == 3 && layout.strides[1] != layout.strides[2] {
            return Err("the chroma planes have different strides");
        }
        Ok(())
    }
}

/// Where the planes are in one piece of memory. Unused planes are all 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PictureLayout {
    /// First byte of each plane.
    pub offsets: [usize; 3],
    /// Bytes from one row to the next; the same for both chroma planes.
    pub strides: [usize; 3],
    /// Bytes in total, including the [`ALIGNMENT`] bytes that have to follow the last
    /// plane.
    pub size: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shape(width: u32, height: u32, chroma: Chroma, bit_depth: u8) -> PictureShape {
        PictureShape {
            width,
            height,
            chroma,
            bit_depth,
            color: Color::default(),
        }
    }

    #[test]
    fn odd_sizes_round_chroma_up() {
        let odd = shape(35, 17, Chroma::Yuv420, 8);
        assert_eq!(odd.plane_size(0), (35, 17));
        assert_eq!(odd.plane_size(1), (18, 9));
        assert_eq!(shape(35, 17, Chroma::Yuv422, 8).plane_size(2), (18, 17));
    }

    #[test]
    fn planes_are_padded_to_whole_blocks() {
        assert_eq!(
            shape(1280, 720, Chroma::Yuv420, 10).padded_plane(1),
            (1280, 384)
        );
    }

    #[test]
    fn monochrome_has_one_plane() {
        let layout = shape(64, 64, Chroma::Monochrome, 8).layout().unwrap();
        assert_eq!(layout.strides, [128, 0, 0]);
        assert_eq!(layout.size, 128 * 128 + ALIGNMENT);
    }

    /// Bytes that begin at a multiple of [`ALIGNMENT`].
    fn aligned(memory: &mut Vec<u8>, len: usize) -> &[u8] {
        memory.resize(len + ALIGNMENT, 0);
        let start = memory.as_ptr().align_offset(ALIGNMENT);
        &memory[start..start + len]
    }

    #[test]
    fn memory_that_dav1d_would_overrun_is_refused() {
        let shape = shape(64, 64, Chroma::Yuv420, 8);
        let good = shape.layout().unwrap();
        let mut memory = Vec::new();
        let bytes = aligned(&mut memory, good.size + ALIGNMENT);
        assert_eq!(shape.check(&good, &bytes[..good.size]), Ok(()));
        assert!(shape.check(&good, &bytes[..good.size - 1]).is_err());
        assert!(shape.check(&good, &bytes[32..]).is_err());
        let narrow = PictureLayout {
            strides: [64; 3],
            ..good
        };
        assert!(shape.check(&narrow, bytes).is_err());
        let uneven = PictureLayout {
            strides: [128, 64, 128],
            ..good
        };
        assert!(shape.check(&uneven, bytes).is_err());
        let far = PictureLayout {
            offsets: [0, 0, usize::MAX - 63],
            ..good
        };
        assert!(shape.check(&far, bytes).is_err());
    }

    proptest! {
        #[test]
        fn own_layouts_always_pass_their_own_check(
            width in 1_u32..600, height in 1_u32..600, format in 0..4_usize, deep: bool,
        ) {
            let chroma = [Chroma::Monochrome, Chroma::Yuv420, Chroma::Yuv422, Chroma::Yuv444][format];
            let shape = shape(width, height, chroma, if deep { 10 } else { 8 });
            let layout = shape.layout().unwrap();
            let mut memory = Vec::new();
            prop_assert_eq!(shape.check(&layout, aligned(&mut memory, layout.size)), Ok(()));
        }
    }
}

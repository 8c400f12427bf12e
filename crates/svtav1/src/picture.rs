// SPDX-License-Identifier: MPL-2.0
//! Input pictures, and the check that the library will not read past their end.

use std::fmt;

use codecwatch_supervisor::CodecError;

use crate::config::{BitDepth, Config};
use crate::version::Version;

/// The samples of one plane, top row first.
#[derive(Debug, Clone, Copy)]
pub struct Plane<'a> {
    /// From the first sample of the first row on; the last row may have no padding.
    pub data: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
}

/// The samples of a 4:2:0 picture, in the depth of the session: one byte, or two
/// little-endian. Called once, on the worker.
pub trait Planes {
    /// Luma (Y), blue difference (U), red difference (V).
    fn planes(&self) -> [Plane<'_>; 3];
}

/// One frame to encode.
pub struct Picture {
    /// Its samples; dropped as soon as the library has copied them.
    pub planes: Box<dyn Planes + Send>,
    /// Returned with the packet.
    pub id: u64,
    /// Make this a key frame, where [`Config::can_force_key`]; ignored elsewhere.
    pub force_key: bool,
    /// Change the bitrate from this frame on, in bits per second, where
    /// [`Config::can_change_bitrate`]; an error elsewhere.
    pub bitrate: Option<u32>,
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Picture")
            .field("id", &self.id)
            .field("force_key", &self.force_key)
            .field("bitrate", &self.bitrate)
            .finish_non_exhaustive()
    }
}

/// The format that every picture of a session must have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Format {
    version: Version,
    depth: BitDepth,
    /// Columns and rows of each plane.
    sizes: [(usize, usize); 3],
}

/// Buffers for copies of planes that the library cannot read as they are.
#[derive(Debug, Default)]
pub(crate) struct Scratch([Vec<u8>; 3]);

/// A plane that the library can read: pointer, and stride in samples.
pub(crate) type Readable = (*const u8, u32);

impl Format {
    pub(crate) fn new(config: &Config, version: Version) -> Self {
        let (width, height) = (config.width as usize, config.height as usize);
        let chroma = (width.div_ceil(2), height.div_ceil(2));
        Self {
            version,
            depth: config.bit_depth,
            sizes: [(width, height), chroma, chroma],
        }
    }

    /// Bytes of all samples.
    pub(crate) fn bytes(&self) -> usize {
        let samples: usize = self
            .sizes
            .iter()
            .map(|(width, height)| width * height)
            .sum();
        samples * self.depth.bytes()
    }

    /// Bytes of a row of luma.
    pub(crate) fn row_bytes(&self) -> usize {
        self.sizes[0].0 * self.depth.bytes()
    }

    /// Planes that the library can read to their end: as they are where
    /// possible, otherwise copied to `scratch`. The pointers live as long as
    /// both.
    ///
    /// # Errors
    /// [`CodecError::Settings`] for a plane that is smaller than the picture.
    pub(crate) fn readable(
        &self,
        planes: &[Plane<'_>; 3],
        scratch: &mut Scratch,
    ) -> Result<[Readable; 3], CodecError> {
        let mut readable = [(std::ptr::null(), 0); 3];
        for index in 0..3 {
            readable[index] = self.plane(index, planes[index], &mut scratch.0[index])?;
        }
        Ok(readable)
    }

    fn plane(
        &self,
        index: usize,
        plane: Plane<'_>,
        scratch: &mut Vec<u8>,
    ) -> Result<Readable, CodecError> {
        let (width, height) = self.sizes[index];
        let row = width * self.depth.bytes();
        let needed = plane
            .stride
            .checked_mul(height - 1)
            .and_then(|rows| rows.checked_add(row));
        if plane.stride < row || needed.is_none_or(|needed| plane.data.len() < needed) {
            return Err(CodecError::Settings(format!(
                "plane {index} has {} bytes in rows of {}, too few for {width}x{height} samples of {} bytes",
                plane.data.len(),
                plane.stride,
                self.depth.bytes(),
            )));
        }
        if self.reads_directly(plane, row, height) {
            let stride = plane.stride / self.depth.bytes();
            return Ok((plane.data.as_ptr(), stride as u32));
        }
        scratch.clear();
        for from in plane.data.chunks(plane.stride).take(height) {
            scratch.extend_from_slice(&from[..row]);
        }
        Ok((scratch.as_ptr(), width as u32))
    }

    fn reads_directly(&self, plane: Plane<'_>, row: usize, height: usize) -> bool {
        // Strides are truncated to 16 bits before 4.0.
        let bytes = self.depth.bytes();
        if !plane.stride.is_multiple_of(bytes) || plane.stride / bytes > usize::from(u16::MAX) {
            return false;
        }
        if self.depth == BitDepth::Ten && !plane.data.as_ptr().cast::<u16>().is_aligned() {
            return false;
        }
        // Before 1.8 the library copies whole rows of 8 bits, including padding. The last
        // row may have none: the end of a plane's memory is not always known.
        let whole_rows = !self.version.at_least(1, 8) && self.depth == BitDepth::Eight;
        !whole_rows || (plane.data.len() >= plane.stride * height && plane.stride == row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FrameRate;
    use crate::effective::tests::{MIDDLE, NEW, OLD};

    fn format(width: u32, height: u32, bit_depth: BitDepth, version: Version) -> Format {
        let rate = FrameRate {
            numerator: 30,
            denominator: 1,
        };
        let config = Config {
            bit_depth,
            ..Config::new(width, height, rate)
        };
        Format::new(&config, version)
    }

    /// Rows of rising numbers, with 0xee between them.
    fn rows(width: usize, height: usize, stride: usize) -> Vec<u8> {
        let mut data = vec![0xee; stride * height];
        for y in 0..height {
            for x in 0..width {
                data[y * stride + x] = (y * width + x) as u8;
            }
        }
        data
    }

    #[track_caller]
    fn read(format: &Format, plane: Plane<'_>) -> Option<Vec<u8>> {
        let mut scratch = Vec::new();
        let (from, stride) = format.plane(0, plane, &mut scratch).unwrap();
        (!scratch.is_empty()).then(|| {
            assert_eq!(from, scratch.as_ptr());
            assert_eq!(stride as usize, format.sizes[0].0);
            scratch
        })
    }

    #[test]
    fn sizes_of_odd_pictures_round_up() {
        let odd = format(65, 7, BitDepth::Ten, NEW);
        assert_eq!(odd.sizes, [(65, 7), (33, 4), (33, 4)]);
        assert_eq!(odd.bytes(), 2 * (65 * 7 + 2 * 33 * 4));
    }

    #[test]
    fn a_plane_that_is_too_small_is_refused() {
        let format = format(64, 64, BitDepth::Eight, OLD);
        let data = vec![0; 64 * 64];
        let mut scratch = Vec::new();
        let mut plane = |data, stride| format.plane(0, Plane { data, stride }, &mut scratch);
        assert!(plane(&data[..], 64).is_ok());
        assert!(plane(&data[1..], 64).is_err());
        assert!(plane(&data[..], 63).is_err());
        assert!(plane(&data[..], 65).is_err());
        assert!(plane(&data[..], usize::MAX).is_err());
        assert!(plane(&[], 0).is_err());
    }

    #[test]
    fn the_last_row_may_end_with_its_last_sample() {
        let data = rows(64, 64, 80);
        let plane = Plane {
            data: &data[..80 * 63 + 64],
            stride: 80,
        };
        for version in [MIDDLE, NEW] {
            assert_eq!(read(&format(64, 64, BitDepth::Eight, version), plane), None);
        }
        // An old library would read to the end of the row.
        let copied = read(&format(64, 64, BitDepth::Eight, OLD), plane);
        assert_eq!(copied.unwrap(), rows(64, 64, 64));
    }

    #[test]
    fn rows_that_an_old_library_could_not_hold_are_copied() {
        let data = rows(64, 64, 256);
        let plane = Plane {
            data: &data,
            stride: 256,
        };
        assert_eq!(read(&format(64, 64, BitDepth::Eight, NEW), plane), None);
        let copied = read(&format(64, 64, BitDepth::Eight, OLD), plane);
        assert_eq!(copied.unwrap(), rows(64, 64, 64));
    }

    #[test]
    fn strides_beyond_sixteen_bits_are_copied() {
        let data = rows(64, 4, 70_000);
        let plane = Plane {
            data: &data,
            stride: 70_000,
        };
        for version in [OLD, MIDDLE, NEW] {
            let copied = read(&format(64, 4, BitDepth::Eight, version), plane);
            assert_eq!(copied.unwrap(), rows(64, 4, 64));
        }
    }

    #[test]
    fn ten_bit_samples_are_aligned_first() {
        let data = rows(129, 64, 129);
        let odd_stride = Plane {
            data: &data,
            stride: 129,
        };
        assert!(read(&format(64, 64, BitDepth::Ten, NEW), odd_stride).is_some());
        let words = vec![0_u16; 65 * 64];
        // SAFETY: the bytes of initialised words.
        let (_, bytes, _) = unsafe { words.align_to::<u8>() };
        let plane = |data| Plane { data, stride: 128 };
        let ten = format(64, 64, BitDepth::Ten, NEW);
        assert_eq!(read(&ten, plane(bytes)), None);
        assert!(read(&ten, plane(&bytes[1..])).is_some());
    }
}

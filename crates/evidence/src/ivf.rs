// SPDX-License-Identifier: MPL-2.0
//! IVF, the simplest container of AV1, which `dav1d` and `ffmpeg` play: a header of 32
//! bytes, then for each frame its size, its time and its bytes. Numbers are little
//! endian.

use std::io::{self, Write};

/// The name of the sample of an AV1 decoder.
pub const IVF_FILE: &str = "sample.ivf";

const HEADER: usize = 32;
const FRAME_HEADER: usize = 12;
/// Times are nanoseconds: the time base is 1/10^9 s.
const TIME_BASE: [u32; 2] = [1_000_000_000, 1];

/// The bytes are no IVF file of AV1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IvfError {
    /// It does not begin like one.
    #[error("it is no IVF file of AV1")]
    NotIvf,
    /// It ends within a frame.
    #[error("it ends within frame {0}")]
    Cut(usize),
}

/// Writes a file of AV1 frames with their times in nanoseconds. `size`: width and
/// height, 0 if they are not known; decoders do not need them.
///
/// # Errors
/// Those of `file`, or a frame has 4 GiB or more.
pub fn write_ivf<B: AsRef<[u8]>>(
    file: &mut (impl Write + ?Sized),
    size: (u16, u16),
    frames: &[(u64, B)],
) -> io::Result<()> {
    let count = u32::try_from(frames.len()).map_err(io::Error::other)?;
    file.write_all(b"DKIF\0\0")?;
    file.write_all(&(HEADER as u16).to_le_bytes())?;
    file.write_all(b"AV01")?;
    file.write_all(&size.0.to_le_bytes())?;
    file.write_all(&size.1.to_le_bytes())?;
    for number in [TIME_BASE[0], TIME_BASE[1], count, 0] {
        file.write_all(&number.to_le_bytes())?;
    }
    for (time, bytes) in frames {
        let bytes = bytes.as_ref();
        let len = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        file.write_all(&len.to_le_bytes())?;
        file.write_all(&time.to_le_bytes())?;
        file.write_all(bytes)?;
    }
    Ok(())
}

/// The frames of a file.
///
/// # Errors
/// [`IvfError`].
pub fn read_ivf(bytes: &[u8]) -> Result<Vec<&[u8]>, IvfError> {
    let (header, mut rest) = bytes.split_at_checked(HEADER).ok_or(IvfError::NotIvf)?;
    if !header.starts_with(b"DKIF") || header.get(8..12) != Some(b"AV01") {
        return Err(IvfError::NotIvf);
    }
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let cut = || IvfError::Cut(frames.len());
        let (header, after) = rest.split_at_checked(FRAME_HEADER).ok_or_else(cut)?;
        let len = header.first_chunk().copied().map(u32::from_le_bytes);
        let len = len.unwrap_or_default() as usize;
        let (frame, after) = after.split_at_checked(len).ok_or_else(cut)?;
        frames.push(frame);
        rest = after;
    }
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn frames_are_read_as_they_were_written() {
        let frames = [
            (0_u64, vec![1_u8, 2, 3]),
            (40_000_000, vec![]),
            (7, vec![9]),
        ];
        let mut file = Vec::new();
        write_ivf(&mut file, (320, 240), &frames).unwrap();
        assert_eq!(file.len(), 32 + 3 * 12 + 4);
        let read = read_ivf(&file).unwrap();
        assert_eq!(read, [&[1, 2, 3][..], &[], &[9]]);
        assert_eq!(read_ivf(&file[..file.len() - 1]), Err(IvfError::Cut(2)));
        assert_eq!(read_ivf(&file[..31]), Err(IvfError::NotIvf));
    }

    proptest! {
        #[test]
        fn no_file_makes_the_reader_panic(mut bytes: Vec<u8>, is_begun: bool) {
            if is_begun {
                let begin = b"DKIF\0\0\x20\0AV01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
                bytes.splice(0..0, begin.iter().copied());
            }
            let _ = read_ivf(&bytes);
        }
    }
}

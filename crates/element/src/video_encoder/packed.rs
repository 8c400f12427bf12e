// SPDX-License-Identifier: MPL-2.0
//! Packed pictures, for codecs without strides: the rows of all planes one after the
//! other, without padding.

use gst_video::VideoInfo;
use gst_video::prelude::*;

use super::MappedFrame;

/// Bytes of a packed picture.
pub fn packed_size(info: &VideoInfo) -> usize {
    let bytes = |(row, rows)| row * rows;
    planes(info).map(bytes).sum()
}

/// Copies a picture into packed form.
pub fn packed(picture: &MappedFrame) -> Vec<u8> {
    let info = picture.info();
    let mut packed = Vec::with_capacity(packed_size(info));
    for (plane, (row, rows)) in (0..).zip(planes(info)) {
        let data = picture.plane_data(plane).unwrap_or_default();
        let stride = picture.plane_stride().get(plane as usize);
        let stride = stride.map_or(row, |stride| stride.unsigned_abs() as usize);
        let lines = data.chunks(stride.max(1)).take(rows);
        packed.extend(lines.flat_map(|line| line.iter().take(row)));
    }
    packed
}

/// Bytes per row and number of rows of each plane.
fn planes(info: &VideoInfo) -> impl Iterator<Item = (usize, usize)> {
    let components = 0..info.n_components() as u8;
    (0..info.n_planes()).filter_map(move |plane| {
        let first = components
            .clone()
            .find(|&component| info.comp_plane(component) == plane)?;
        let row = info.comp_width(first) as i32 * info.comp_pstride(first);
        Some((usize::try_from(row).ok()?, info.comp_height(first) as usize))
    })
}

#[cfg(test)]
mod tests {
    use gst_video::VideoFormat;

    use super::*;

    fn info(format: VideoFormat, width: u32, height: u32) -> VideoInfo {
        gst::init().unwrap();
        VideoInfo::builder(format, width, height).build().unwrap()
    }

    #[test]
    fn a_picture_in_one_piece_has_no_padding() {
        for (format, bytes) in [
            (VideoFormat::Gray8, 15),
            (VideoFormat::I420, 15 + 6 + 6),
            (VideoFormat::I42010le, 2 * (15 + 6 + 6)),
            (VideoFormat::Nv12, 15 + 12),
            (VideoFormat::Rgb, 45),
        ] {
            let info = info(format, 5, 3);
            assert_eq!(packed_size(&info), bytes, "{format:?}");
            let buffer = gst::Buffer::from_mut_slice(vec![7_u8; info.size()]);
            let picture = MappedFrame::from_buffer_readable(buffer, &info).unwrap();
            assert_eq!(packed(&picture), vec![7; bytes], "{format:?}");
        }
    }

    #[test]
    fn rows_are_taken_from_where_the_buffer_says_that_they_are() {
        let info = info(VideoFormat::Gray8, 3, 2);
        let mut buffer = gst::Buffer::from_mut_slice(vec![9, 9, 1, 2, 3, 9, 9, 4, 5, 6, 9, 9_u8]);
        gst_video::VideoMeta::add_full(
            buffer.get_mut().unwrap(),
            gst_video::VideoFrameFlags::empty(),
            VideoFormat::Gray8,
            3,
            2,
            &[2],
            &[5],
        )
        .unwrap();
        let picture = MappedFrame::from_buffer_readable(buffer, &info).unwrap();
        assert_eq!(packed(&picture), [1, 2, 3, 4, 5, 6]);
    }
}

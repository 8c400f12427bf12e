// SPDX-License-Identifier: MPL-2.0
//! A mapped video frame as the encoder reads it.

use codecwatch_element::video_encoder::MappedFrame;
use codecwatch_svtav1::{Plane, Planes};
use gst_video::prelude::*;

/// Keeps the buffer and its mapping until the codec has copied the picture.
pub(crate) struct Frame(pub(crate) MappedFrame);

impl Planes for Frame {
    fn planes(&self) -> [Plane<'_>; 3] {
        let strides = self.0.plane_stride();
        [0, 1, 2].map(|plane: usize| Plane {
            data: self.0.plane_data(plane as u32).unwrap_or_default(),
            // A negative stride (bottom-up) is refused by the codec as too small.
            stride: strides
                .get(plane)
                .copied()
                .and_then(|s| usize::try_from(s).ok())
                .unwrap_or(0),
        })
    }
}

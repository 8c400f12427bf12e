// SPDX-License-Identifier: MPL-2.0
//! Which pictures a picture refers to, as its parameters say.

use crate::sys::{
    VA_INVALID_ID, VA_PICTURE_H264_INVALID, VADecPictureParameterBufferAV1,
    VAPictureParameterBufferH264, VAProfile, VAProfileAV1Profile0, VASurfaceID,
};

/// What the parameters of a picture say of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters {
    /// The surfaces that it refers to, without those that are not there.
    pub(crate) references: Vec<VASurfaceID>,
    /// Its place in the order of display.
    pub(crate) order: u32,
}

impl Parameters {
    /// Reads them from the buffer of the application.
    pub(crate) fn read(profile: VAProfile, bytes: &[u8]) -> Option<Self> {
        if profile == VAProfileAV1Profile0 {
            let picture = structure::<VADecPictureParameterBufferAV1>(bytes)?;
            // SAFETY: both forms of the union are a number of 32 bits.
            let flags = unsafe { picture.pic_info_fields.value };
            // Bits 0 and 1: key, inter, intra only, switch.
            let refers = matches!(flags & 3, 1 | 3);
            let references = picture.ref_frame_map.into_iter();
            Some(Self {
                references: references
                    .filter(|surface| refers && *surface != VA_INVALID_ID)
                    .collect(),
                order: picture.order_hint.into(),
            })
        } else {
            let picture = structure::<VAPictureParameterBufferH264>(bytes)?;
            let references = picture.ReferenceFrames.iter();
            Some(Self {
                references: references
                    .filter(|frame| frame.flags & VA_PICTURE_H264_INVALID == 0)
                    .map(|frame| frame.picture_id)
                    .collect(),
                order: picture.CurrPic.TopFieldOrderCnt.cast_unsigned(),
            })
        }
    }
}

/// A structure of libva's, which are plain numbers, from its bytes.
fn structure<T: Copy>(bytes: &[u8]) -> Option<T> {
    if bytes.len() < size_of::<T>() {
        return None;
    }
    // SAFETY: there are as many bytes, in any alignment; every value of them is valid,
    // because the structures that are read consist of integers.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

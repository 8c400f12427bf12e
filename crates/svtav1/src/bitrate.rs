// SPDX-License-Identifier: MPL-2.0
//! The event that changes the bitrate with a picture, in libraries that have it.

use std::ffi::c_void;

#[cfg(svt_1_8)]
use crate::{sys, version::Version};

/// A change of bitrate, or none; lives for as long as the call that sends it.
#[derive(Debug)]
pub(crate) struct BitrateChange {
    #[cfg(svt_1_8)]
    info: Option<sys::SvtAv1RateInfo>,
    #[cfg(svt_1_8)]
    node: sys::EbPrivDataNode,
}

#[cfg(svt_1_8)]
impl BitrateChange {
    /// A change to this many bits per second.
    pub(crate) fn to(bitrate: Option<u32>) -> Self {
        Self {
            info: bitrate.map(|target_bit_rate| sys::SvtAv1RateInfo {
                // Keeps the quantiser.
                seq_qp: 0,
                target_bit_rate,
            }),
            node: sys::EbPrivDataNode::default(),
        }
    }

    /// Before 4.0 the bitrate changes at key frames only.
    pub(crate) fn needs_key(&self) -> bool {
        self.info.is_some() && !Version::installed().at_least(4, 0)
    }

    /// For `p_app_private`: points into `self`, and the library copies it; or
    /// null.
    pub(crate) fn private_data(&mut self) -> *mut c_void {
        let Some(info) = &mut self.info else {
            return std::ptr::null_mut();
        };
        self.node = sys::EbPrivDataNode {
            node_type: sys::PrivDataType_RATE_CHANGE_EVENT,
            data: std::ptr::from_mut(info).cast(),
            size: size_of::<sys::SvtAv1RateInfo>() as u32,
            next: std::ptr::null_mut(),
        };
        std::ptr::from_mut(&mut self.node).cast()
    }
}

#[cfg(not(svt_1_8))]
impl BitrateChange {
    /// This library has no such event; the session has already refused the change.
    pub(crate) fn to(_bitrate: Option<u32>) -> Self {
        Self {}
    }

    /// No change, so no key frame is needed.
    pub(crate) fn needs_key(&self) -> bool {
        false
    }

    /// For `p_app_private`: null.
    pub(crate) fn private_data(&mut self) -> *mut c_void {
        std::ptr::null_mut()
    }
}

// SPDX-License-Identifier: MPL-2.0
//! What a session has left out of the stream.

/// Buffers that a session has left out, because it begins at a key frame, or of which nothing
/// comes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The inputs that this settles.
    pub frames: Vec<u32>,
    /// How many buffers.
    pub buffers: u64,
    /// The time of the first that has one.
    pub first_pts: Option<gst::ClockTime>,
    /// The time of the last that has one.
    pub last_pts: Option<gst::ClockTime>,
}

impl LeftOut {
    /// Buffers with these times. `frames`: the inputs that they are, if nothing else of
    /// those stays.
    pub(crate) fn new(frames: Vec<u32>, times: &[Option<gst::ClockTime>]) -> Self {
        let known = || times.iter().flatten().copied();
        Self {
            frames,
            buffers: times.len() as u64,
            first_pts: known().min(),
            last_pts: known().max(),
        }
    }
}

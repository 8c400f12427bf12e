// SPDX-License-Identifier: MPL-2.0
//! After a restart, a decoder begins at a key frame: what refers to frames that the new
//! session does not have is dropped, and told.

/// Buffers that were dropped while waiting for a key frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Skipped {
    pub(super) buffers: u64,
    pub(super) first_pts: Option<gst::ClockTime>,
    pub(super) last_pts: Option<gst::ClockTime>,
}

/// See the module's description.
#[derive(Debug, Default)]
pub(super) struct KeyFrameWait(Option<Skipped>);

impl KeyFrameWait {
    /// From now on, only a key frame passes.
    pub(super) fn begin(&mut self) {
        self.0.get_or_insert_default();
    }

    /// Whether a buffer has to be dropped.
    pub(super) fn drops(&mut self, buffer: &gst::BufferRef) -> bool {
        let Some(skipped) = &mut self.0 else {
            return false;
        };
        if !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT) {
            return false;
        }
        skipped.buffers += 1;
        skipped.first_pts = skipped.first_pts.or(buffer.pts());
        skipped.last_pts = buffer.pts().or(skipped.last_pts);
        true
    }

    /// Whether only a key frame passes.
    pub(super) fn is_waiting(&self) -> bool {
        self.0.is_some()
    }

    /// The wait is over: a key frame, a flush or the end of the stream has come. Returns
    /// what was dropped, if anything.
    pub(super) fn end(&mut self) -> Option<Skipped> {
        self.0.take().filter(|skipped| skipped.buffers > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(pts: u64, flags: gst::BufferFlags) -> gst::Buffer {
        let mut buffer = gst::Buffer::new();
        let fields = buffer.make_mut();
        fields.set_pts(gst::ClockTime::from_nseconds(pts));
        fields.set_flags(flags);
        buffer
    }

    #[test]
    fn what_comes_before_the_key_frame_is_dropped_and_counted() {
        gst::init().unwrap();
        let delta = |pts| buffer(pts, gst::BufferFlags::DELTA_UNIT);
        let key = buffer(9, gst::BufferFlags::empty());
        let mut wait = KeyFrameWait::default();
        assert!(!wait.drops(&delta(1)), "it does not wait");
        wait.begin();
        assert!(wait.drops(&delta(2)) && wait.drops(&delta(3)));
        assert!(!wait.drops(&key));
        let skipped = Skipped {
            buffers: 2,
            first_pts: gst::ClockTime::from_nseconds(2).into(),
            last_pts: gst::ClockTime::from_nseconds(3).into(),
        };
        assert_eq!(wait.end(), Some(skipped));
        assert_eq!(wait.end(), None);
        assert!(!wait.drops(&delta(4)));
        wait.begin();
        assert_eq!(wait.end(), None, "nothing was dropped");
    }
}

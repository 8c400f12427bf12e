// SPDX-License-Identifier: MPL-2.0
//! What a session has left out, until that is told: a decoder's after a restart, and any
//! session's before its next output and at the end of the stream.

use codecwatch_hosted::LeftOut;

/// Buffers that were left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Skipped {
    pub(super) buffers: u64,
    pub(super) first_pts: Option<gst::ClockTime>,
    pub(super) last_pts: Option<gst::ClockTime>,
}

impl Skipped {
    /// Adds some.
    pub(super) fn add(&mut self, left_out: &LeftOut) {
        self.buffers += left_out.buffers;
        self.first_pts = self.first_pts.or(left_out.first_pts);
        self.last_pts = left_out.last_pts.or(self.last_pts);
    }

    /// A key frame, a flush or the end of the stream has come. Returns what was left
    /// out, if anything.
    pub(super) fn take(&mut self) -> Option<Self> {
        Some(std::mem::take(self)).filter(|skipped| skipped.buffers > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_is_counted_with_its_first_and_last_time() {
        let time = |time| Some(gst::ClockTime::from_nseconds(time));
        let mut skipped = Skipped::default();
        for (buffers, first, last) in [(1, None, None), (2, time(2), time(3)), (1, time(4), None)] {
            skipped.add(&LeftOut {
                frames: Vec::new(),
                buffers,
                first_pts: first,
                last_pts: last,
            });
        }
        let all = Skipped {
            buffers: 4,
            first_pts: time(2),
            last_pts: time(3),
        };
        assert_eq!(skipped.take(), Some(all));
        assert_eq!(skipped.take(), None);
    }
}

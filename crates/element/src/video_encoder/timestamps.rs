// SPDX-License-Identifier: MPL-2.0
//! The times of input frames: set in a probe, before the base class creates a frame
//! from the buffer.
//!
//! An encoder keeps the time of every frame. Where time steps back (a camera whose
//! clock was set, a switch between inputs, a segment that begins earlier), it steps
//! back in the output as well, and the first packet of the earlier time is marked
//! RESYNC (not DISCONT: no data is missing). Times are not shifted: they would no
//! longer agree with those of other streams.

use gst::subclass::prelude::*;
use gst_video::prelude::*;

use super::SupervisedVideoEncoder;
use super::format::nominal_duration;
use crate::CAT;

/// The times of the frames so far.
#[derive(Debug, Default)]
pub(super) struct Timestamps {
    /// Running time of the last frame.
    last: Option<gst::ClockTime>,
    /// The end of the last frame, in running time: the time of a next frame without a
    /// time stamp.
    expected: Option<gst::ClockTime>,
}

/// The time of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// Its time stamp.
    pts: gst::ClockTime,
    /// The running time of the frame before, if that is later.
    back_from: Option<gst::ClockTime>,
}

impl Timestamps {
    fn place(
        &mut self,
        segment: &gst::FormattedSegment<gst::ClockTime>,
        pts: Option<gst::ClockTime>,
        duration: Option<gst::ClockTime>,
    ) -> Place {
        let follows = || segment.position_from_running_time(self.expected?);
        let pts = pts.or_else(follows).or(segment.start()).unwrap_or_default();
        let end = duration.and_then(|duration| pts.checked_add(duration));
        self.expected = end.and_then(|end| segment.to_running_time(end));
        // Outside of the segment there is no running time; the base class drops the frame.
        let running_time = segment.to_running_time(pts);
        let back_from = match (running_time, self.last) {
            (Some(now), Some(last)) if now < last => Some(last),
            _ => None,
        };
        self.last = running_time.or(self.last);
        Place { pts, back_from }
    }
}

/// Sets the time of a frame's shell, and RESYNC where time steps back, whatever
/// upstream has set.
pub(super) fn settle<T: SupervisedVideoEncoder>(imp: &T, shell: &mut gst::BufferRef) {
    let segment = super::encoder(imp).input_segment();
    let Ok(segment) = segment.downcast::<gst::ClockTime>() else {
        return;
    };
    let duration = shell.duration().or_else(|| nominal_duration(imp));
    let place = imp
        .stream()
        .state()
        .times
        .place(&segment, shell.pts(), duration);
    if shell.pts().is_none() {
        gst::debug!(
            CAT,
            imp = imp,
            "a frame without a time stamp is put at {}",
            place.pts
        );
        shell.set_pts(place.pts);
    }
    match place.back_from {
        Some(last) => {
            gst::warning!(
                CAT,
                imp = imp,
                "time steps back: a frame at {}, the one before was at {last} of running time",
                place.pts
            );
            shell.set_flags(gst::BufferFlags::RESYNC);
        }
        None => shell.unset_flags(gst::BufferFlags::RESYNC),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> gst::ClockTime = gst::ClockTime::from_mseconds;

    fn segment(start: u64, base: u64) -> gst::FormattedSegment<gst::ClockTime> {
        gst::init().unwrap();
        let mut segment = gst::FormattedSegment::new();
        segment.set_start(MS(start));
        segment.set_base(MS(base));
        segment
    }

    fn at(ms: u64) -> Place {
        Place {
            pts: MS(ms),
            back_from: None,
        }
    }

    #[test]
    fn a_frame_without_a_time_is_put_where_the_last_one_ended() {
        let mut times = Timestamps::default();
        let segment = segment(0, 0);
        assert_eq!(times.place(&segment, None, Some(MS(40))), at(0));
        assert_eq!(times.place(&segment, None, Some(MS(40))), at(40));
        assert_eq!(times.place(&segment, Some(MS(100)), Some(MS(40))), at(100));
        assert_eq!(times.place(&segment, None, None), at(140));
    }

    #[test]
    fn a_frame_without_a_time_is_within_its_segment() {
        let mut times = Timestamps::default();
        let late = segment(10_000, 0);
        assert_eq!(times.place(&late, None, Some(MS(40))), at(10_000));
        assert_eq!(times.place(&late, None, Some(MS(40))), at(10_040));
        // Another segment, which continues in running time.
        let next = segment(5_000, 80);
        assert_eq!(times.place(&next, None, Some(MS(40))), at(5_000));
        // Close to the maximum time there is no next frame.
        let last = gst::ClockTime::from_nseconds(u64::MAX - 1);
        times.place(&segment(0, 0), Some(last), Some(MS(40)));
    }

    #[test]
    fn a_frame_before_the_last_one_keeps_its_time_and_the_next_follows_it() {
        let mut times = Timestamps::default();
        let segment = segment(0, 0);
        times.place(&segment, Some(MS(80)), Some(MS(40)));
        let back = Place {
            back_from: Some(MS(80)),
            ..at(20)
        };
        assert_eq!(times.place(&segment, Some(MS(20)), Some(MS(40))), back);
        assert_eq!(times.place(&segment, None, Some(MS(40))), at(60));
    }

    #[test]
    fn an_earlier_time_stamp_in_a_later_segment_is_no_step_back() {
        let mut times = Timestamps::default();
        times.place(&segment(0, 0), Some(MS(1000)), Some(MS(40)));
        let next = segment(0, 1040);
        assert_eq!(times.place(&next, Some(MS(0)), Some(MS(40))), at(0));
        let earlier = times.place(&segment(0, 0), Some(MS(0)), Some(MS(40)));
        assert_eq!(earlier.back_from, Some(MS(1040)));
    }
}

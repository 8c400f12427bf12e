// SPDX-License-Identifier: MPL-2.0
//! When a buffer is shown.

use gst::prelude::*;

/// From when to when a buffer is shown, in nanoseconds of running time. Encoders whose
/// decoding times would be negative move their timestamps, and their segment with them
/// (x264enc by 1000 hours): the running times stay the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// That of the timestamp.
    pub(crate) begin: i128,
    pub(crate) end: i128,
    /// It is in the segment, which plays all frames; elements drop others without a message.
    pub(crate) is_shown: bool,
    /// The segment plays backwards.
    pub(crate) is_backward: bool,
}

impl Span {
    /// That of a buffer on a pad; `None` if it has no timestamp.
    pub(crate) fn on(
        pad: &gst::Pad,
        pts: Option<gst::ClockTime>,
        duration: Option<gst::ClockTime>,
    ) -> Option<Self> {
        let pts = pts?;
        let event = pad.sticky_event::<gst::event::Segment>(0);
        let segment = event.as_ref().map(|event| event.segment());
        Some(Self::in_segment(segment, pts, duration.unwrap_or_default()))
    }

    fn in_segment(
        segment: Option<&gst::Segment>,
        pts: gst::ClockTime,
        duration: gst::ClockTime,
    ) -> Self {
        let times = segment.and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
        let last = pts.saturating_add(duration);
        // Decoders cut a frame that begins before the segment, or ends after it.
        let clipped = times.and_then(|times| times.clip(pts, last));
        let clipped = clipped.and_then(|(begin, end)| begin.zip(end));
        let (first, last) = clipped.unwrap_or((pts, last));
        let begin = running_time(segment, first);
        let end = running_time(segment, last);
        let segment = times;
        Self {
            begin,
            // Backwards, a frame ends at its timestamp.
            end: end.max(begin),
            is_shown: segment.is_none_or(|segment| is_shown(segment, pts, duration)),
            is_backward: segment.is_some_and(|segment| segment.rate() < 0.0),
        }
    }

    pub(crate) fn duration(self) -> i128 {
        self.end - self.begin
    }

    /// How long both are shown.
    pub(crate) fn overlap(self, other: Self) -> i128 {
        (self.end.min(other.end) - self.begin.max(other.begin)).max(0)
    }

    /// Whether it has a duration, and is mostly shown while the other is. (Times are rounded,
    /// in some containers to milliseconds.)
    pub(crate) fn is_within(self, other: Self) -> bool {
        self.duration() > 0 && 2 * self.overlap(other) >= self.duration()
    }
}

fn is_shown(
    segment: &gst::FormattedSegment<gst::ClockTime>,
    pts: gst::ClockTime,
    duration: gst::ClockTime,
) -> bool {
    let skips = gst::SegmentFlags::TRICKMODE
        | gst::SegmentFlags::TRICKMODE_KEY_UNITS
        | gst::SegmentFlags::TRICKMODE_FORWARD_PREDICTED;
    let is_inside = segment.clip(pts, pts.saturating_add(duration)).is_some();
    is_inside && !segment.flags().intersects(skips)
}

/// A time that is in no segment of times stays as it is.
fn running_time(segment: Option<&gst::Segment>, time: gst::ClockTime) -> i128 {
    let segment = segment.and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
    let running = segment.and_then(|segment| segment.to_running_time_full(time));
    match running {
        Some(gst::Signed::Positive(time)) => i128::from(time.nseconds()),
        Some(gst::Signed::Negative(time)) => -i128::from(time.nseconds()),
        None => i128::from(time.nseconds()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: gst::ClockTime = gst::ClockTime::from_mseconds(40);

    fn segment(start: gst::ClockTime) -> gst::FormattedSegment<gst::ClockTime> {
        let mut segment = gst::FormattedSegment::new();
        segment.set_start(start);
        segment
    }

    fn span(segment: &gst::FormattedSegment<gst::ClockTime>, pts: gst::ClockTime) -> (i128, i128) {
        let span = Span::in_segment(Some(segment.upcast_ref()), pts, FRAME);
        (span.begin, span.end)
    }

    #[test]
    fn a_frame_is_shown_while_the_segment_is() {
        gst::init().unwrap();
        let between = segment(FRAME + FRAME / 2);
        // As it goes in, and as a decoder gives it out.
        let (begin, end) = span(&between, FRAME);
        assert_eq!((begin, end), (0, 20_000_000));
        let cut = Span::in_segment(Some(between.upcast_ref()), FRAME + FRAME / 2, FRAME / 2);
        assert_eq!((cut.begin, cut.end), (begin, end));
    }

    #[test]
    fn rounded_times_are_within_each_other() {
        let span = |begin, end| Span {
            begin,
            end,
            is_shown: true,
            is_backward: false,
        };
        assert!(span(17, 33).is_within(span(0, 33)));
        assert!(span(16, 34).is_within(span(0, 33)));
        assert!(!span(33, 50).is_within(span(0, 33)));
        assert!(!span(5, 5).is_within(span(0, 33)));
    }

    #[test]
    fn a_segment_that_moves_with_the_timestamps_changes_nothing() {
        gst::init().unwrap();
        let moved = gst::ClockTime::from_seconds(3_600_000);
        let as_it_was = span(&segment(gst::ClockTime::ZERO), FRAME);
        assert_eq!(as_it_was, (40_000_000, 80_000_000));
        assert_eq!(span(&segment(moved), moved + FRAME), as_it_was);
    }

    #[test]
    fn before_the_segment_times_are_negative() {
        gst::init().unwrap();
        assert_eq!(
            span(&segment(FRAME), gst::ClockTime::ZERO),
            (-40_000_000, 0)
        );
    }

    #[test]
    fn backwards_a_frame_ends_at_its_timestamp() {
        gst::init().unwrap();
        let mut segment = segment(gst::ClockTime::ZERO);
        segment.set_rate(-1.0);
        segment.set_stop(FRAME * 10);
        assert_eq!(span(&segment, FRAME * 8), (80_000_000, 80_000_000));
    }

    #[test]
    fn elements_drop_what_is_outside_of_the_segment_and_what_a_trick_mode_skips() {
        gst::init().unwrap();
        let mut segment = segment(FRAME * 2);
        segment.set_stop(FRAME * 4);
        let is_shown = |segment: &gst::FormattedSegment<gst::ClockTime>, pts| {
            Span::in_segment(Some(segment.upcast_ref()), pts, FRAME).is_shown
        };
        let inside = |segment: &_| (0..6).filter(|&n| is_shown(segment, FRAME * n)).collect();
        let frames: Vec<u64> = inside(&segment);
        assert_eq!(frames, [2, 3]);
        segment.set_flags(gst::SegmentFlags::TRICKMODE_KEY_UNITS);
        let frames: Vec<u64> = inside(&segment);
        assert!(frames.is_empty());
    }

    #[test]
    fn a_field_is_within_its_frame_and_the_next_frame_is_not() {
        let span = |begin, end| Span {
            begin,
            end,
            is_shown: true,
            is_backward: false,
        };
        let frame = span(0, 40);
        assert!(span(20, 40).is_within(frame));
        assert!(!span(40, 80).is_within(frame));
        assert!(
            !span(20, 20).is_within(frame),
            "nobody knows how long it is"
        );
        assert_eq!(span(30, 50).overlap(frame), 10);
        assert_eq!(span(50, 60).overlap(frame), 0);
    }

    #[test]
    fn outside_of_a_segment_of_times_a_timestamp_is_the_time() {
        gst::init().unwrap();
        let bytes = gst::FormattedSegment::<gst::format::Bytes>::new();
        for segment in [None, Some(bytes.upcast_ref())] {
            let span = Span::in_segment(segment, FRAME, FRAME);
            assert_eq!((span.begin, span.end), (40_000_000, 80_000_000));
        }
    }
}

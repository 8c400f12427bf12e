// SPDX-License-Identifier: MPL-2.0
//! The times of frames on their way in: settled in a probe, before the base
//! class has made a frame of the buffer.

use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_video::prelude::*;

use super::imp::{CAT, SvtAv1WatchEnc};

/// The times of the frames so far.
#[derive(Debug, Default)]
pub(super) struct Timestamps {
    /// Running time of the last frame.
    last: Option<gst::ClockTime>,
    /// The end of the last frame, where one without a time stamp is put.
    expected: Option<gst::ClockTime>,
}

/// What to do with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is where it says it is.
    Stays,
    /// It does not say, and is put here.
    At(gst::ClockTime),
    /// It lies before the last one: the stream cannot hold it.
    Before(gst::ClockTime),
}

impl Timestamps {
    /// Time stamps begin anew; running time goes on.
    pub(super) fn begin_segment(&mut self) {
        self.expected = None;
    }

    fn place(
        &mut self,
        segment: &gst::FormattedSegment<gst::ClockTime>,
        pts: Option<gst::ClockTime>,
        duration: Option<gst::ClockTime>,
    ) -> Place {
        let at = pts.or(self.expected).unwrap_or_default();
        // Outside of the segment there is none; the base class drops the frame.
        let running_time = segment.to_running_time(at);
        if let (Some(now), Some(last)) = (running_time, self.last)
            && now < last
        {
            return Place::Before(last);
        }
        self.last = running_time.or(self.last);
        self.expected = duration.map(|duration| at + duration);
        if pts.is_some() {
            Place::Stays
        } else {
            Place::At(at)
        }
    }
}

impl SvtAv1WatchEnc {
    /// Installs the probe. To be called once, when the element is constructed.
    pub(super) fn settle_times(&self) {
        let element = self.obj();
        let weak = element.downgrade();
        element
            .sink_pad()
            .add_probe(gst::PadProbeType::BUFFER, move |_, info| {
                match (weak.upgrade(), info.buffer_mut()) {
                    (Some(element), Some(buffer)) => element.imp().settle_time(buffer),
                    _ => gst::PadProbeReturn::Ok,
                }
            });
    }

    fn settle_time(&self, buffer: &mut gst::Buffer) -> gst::PadProbeReturn {
        let Ok(segment) = self.obj().input_segment().downcast::<gst::ClockTime>() else {
            return gst::PadProbeReturn::Ok;
        };
        let mut state = self.state();
        let duration = buffer.duration().or_else(|| {
            let rate = state.format.as_ref()?.config.frame_rate;
            let frame = gst::ClockTime::SECOND
                .mul_div_floor(u64::from(rate.denominator), u64::from(rate.numerator))?;
            Some(frame)
        });
        let place = state.times.place(&segment, buffer.pts(), duration);
        drop(state);
        match place {
            Place::Stays => gst::PadProbeReturn::Ok,
            Place::At(pts) => {
                gst::debug!(
                    CAT,
                    imp = self,
                    "a frame without a time stamp is put at {pts}"
                );
                buffer.make_mut().set_pts(pts);
                gst::PadProbeReturn::Ok
            }
            Place::Before(last) => {
                gst::warning!(
                    CAT,
                    imp = self,
                    "dropping a frame at {}: time runs backwards, the one before was at {last} of \
                     running time",
                    buffer.pts().display()
                );
                gst::PadProbeReturn::Drop
            }
        }
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

    #[test]
    fn a_frame_without_a_time_is_put_where_the_last_one_ended() {
        let mut times = Timestamps::default();
        let segment = segment(0, 0);
        assert_eq!(times.place(&segment, None, Some(MS(40))), Place::At(MS(0)));
        assert_eq!(times.place(&segment, None, Some(MS(40))), Place::At(MS(40)));
        assert_eq!(
            times.place(&segment, Some(MS(100)), Some(MS(40))),
            Place::Stays
        );
        assert_eq!(times.place(&segment, None, None), Place::At(MS(140)));
    }

    #[test]
    fn a_frame_before_the_last_one_has_no_place_and_changes_nothing() {
        let mut times = Timestamps::default();
        let segment = segment(0, 0);
        times.place(&segment, Some(MS(80)), Some(MS(40)));
        assert_eq!(
            times.place(&segment, Some(MS(40)), Some(MS(40))),
            Place::Before(MS(80))
        );
        assert_eq!(
            times.place(&segment, Some(MS(80)), Some(MS(40))),
            Place::Stays
        );
        assert_eq!(
            times.place(&segment, None, Some(MS(40))),
            Place::At(MS(120))
        );
    }

    #[test]
    fn a_new_segment_may_begin_at_an_earlier_time_stamp() {
        let mut times = Timestamps::default();
        times.place(&segment(0, 0), Some(MS(1000)), Some(MS(40)));
        times.begin_segment();
        assert_eq!(
            times.place(&segment(0, 1040), Some(MS(0)), Some(MS(40))),
            Place::Stays
        );
    }
}

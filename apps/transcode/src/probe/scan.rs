// SPDX-License-Identifier: MPL-2.0
//! What is counted while all of an input is read.

use std::time::Duration;

/// The buffers of one stream so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counter {
    pub(crate) frames: u64,
    /// Those that are shown: others are decoded, and lie outside the segment (of a file that
    /// was trimmed by an edit list).
    pub(crate) shown: u64,
    untimed: u64,
    pub(crate) corrupted: u64,
    /// The end of the last one in the medium (stream time), in nanoseconds.
    pub(crate) end: u64,
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    /// When each is shown (running time), in the order of decoding, where that is asked
    /// for.
    pub(super) times: Option<Vec<u64>>,
    /// Where a decoder can begin, in the order of decoding.
    cuts: Vec<Cut>,
    /// The latest time of the frames so far.
    latest: Option<u64>,
}

/// A key frame that parts the stream: frames before it are shown before it, frames after
/// it are shown after it, whatever the order of decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Frames before it.
    pub(crate) frame: u64,
    /// When it is shown, in nanoseconds.
    pub(crate) at: u64,
}

impl Counter {
    pub(super) fn new(keeps_times: bool) -> Self {
        Self {
            times: keeps_times.then(Vec::new),
            ..Self::default()
        }
    }

    /// Notes the segment that the next buffers belong to.
    pub(crate) fn set_segment(&mut self, event: &gst::event::Segment) {
        self.segment = event.segment().downcast_ref().cloned();
    }

    pub(crate) fn add(&mut self, buffer: &gst::BufferRef) {
        let flags = buffer.flags();
        let (pts, duration) = (buffer.pts(), buffer.duration());
        if flags.contains(gst::BufferFlags::CORRUPTED) {
            self.corrupted += 1;
        }
        match pts {
            None => self.untimed += 1,
            Some(pts) => {
                let at = pts.nseconds();
                // A frame that is shown before an earlier key frame needs what is
                // before that: it parts nothing.
                while self.cuts.last().is_some_and(|cut| cut.at > at) {
                    self.cuts.pop();
                }
                let is_key = !flags.contains(gst::BufferFlags::DELTA_UNIT);
                if is_key && self.latest.is_none_or(|latest| latest < at) {
                    self.cuts.push(Cut {
                        frame: self.frames,
                        at,
                    });
                }
                self.latest = self.latest.max(Some(at));
                if let Some(times) = &mut self.times {
                    let running = self.segment.as_ref().map_or(Some(pts), |segment| {
                        segment
                            .to_running_time_full(pts)
                            .and_then(gst::Signed::positive)
                    });
                    times.extend(running.map(gst::ClockTime::nseconds));
                }
                let end = pts + duration.unwrap_or_default();
                let end = self.segment.as_ref().map_or(Some(end), |segment| {
                    // The last frame may end behind the segment.
                    segment
                        .to_stream_time_full(end)
                        .and_then(gst::Signed::positive)
                });
                self.end = self.end.max(end.map_or(0, gst::ClockTime::nseconds));
            }
        }
        self.frames += 1;
        self.shown += u64::from(self.is_shown(pts, duration));
    }

    fn is_shown(&self, pts: Option<gst::ClockTime>, duration: Option<gst::ClockTime>) -> bool {
        let (Some(segment), Some(pts)) = (&self.segment, pts) else {
            return true;
        };
        // A frame that ends where the segment begins is not shown.
        segment
            .clip(pts, pts + duration.unwrap_or_default())
            .is_some()
    }
}

/// What was found.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    /// The end of the last frame of any stream.
    pub(crate) end: Duration,
    pub(crate) video: Option<VideoScan>,
    /// Frames of each stream.
    pub(crate) frames: Vec<u64>,
}

/// The same of the video.
#[derive(Debug, Clone)]
pub(crate) struct VideoScan {
    pub(crate) frames: u64,
    pub(crate) untimed: u64,
    /// Marked by the demuxer or the parser.
    pub(crate) corrupted: u64,
    pub(crate) end: Duration,
    /// Where it can be parted.
    pub(crate) cuts: Vec<Cut>,
    /// When each frame is shown, in the order of decoding; nothing unless it was asked
    /// for.
    pub(crate) times: Vec<u64>,
}

impl Scan {
    pub(super) fn of(counters: Vec<Counter>, video: Option<usize>) -> Self {
        let end = counters.iter().map(|counter| counter.end).max();
        let frames = counters.iter().map(|counter| counter.frames).collect();
        let video = video.and_then(|video| counters.into_iter().nth(video));
        Self {
            end: Duration::from_nanos(end.unwrap_or(0)),
            video: video.map(|video| VideoScan {
                frames: video.frames,
                untimed: video.untimed,
                corrupted: video.corrupted,
                end: Duration::from_nanos(video.end),
                cuts: video.cuts,
                times: video.times.unwrap_or_default(),
            }),
            frames,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames in the order of decoding: when they are shown, and whether they are key
    /// frames.
    fn cuts(frames: &[(u64, bool)]) -> Vec<u64> {
        gst::init().unwrap();
        let mut counter = Counter::default();
        for (at, is_key) in frames {
            let mut buffer = gst::Buffer::new();
            let writable = buffer.get_mut().unwrap();
            writable.set_pts(gst::ClockTime::from_nseconds(*at));
            if !is_key {
                writable.set_flags(gst::BufferFlags::DELTA_UNIT);
            }
            counter.add(&buffer);
        }
        assert_eq!(counter.frames, frames.len() as u64);
        counter.cuts.iter().map(|cut| cut.at).collect()
    }

    #[test]
    fn a_stream_is_parted_at_key_frames() {
        let frames = [(0, true), (1, false), (2, true), (3, false), (4, true)];
        assert_eq!(cuts(&frames), [0, 2, 4]);
    }

    #[test]
    fn frames_that_are_shown_later_than_they_are_decoded_do_not_matter_within_a_part() {
        let frames = [
            (0, true),
            (3, false),
            (1, false),
            (2, false),
            (4, true),
            (6, false),
            (5, false),
        ];
        assert_eq!(cuts(&frames), [0, 4]);
    }

    #[test]
    fn a_key_frame_is_no_place_to_part_if_frames_after_it_are_shown_before_it() {
        // An open group of pictures.
        let frames = [
            (0, true),
            (1, false),
            (4, true),
            (2, false),
            (3, false),
            (5, true),
        ];
        assert_eq!(cuts(&frames), [0, 5]);
    }
}

// SPDX-License-Identifier: MPL-2.0
//! The length of a stream, in time and in frames.
//!
//! A length is counted from the first frame, never from zero: if positions count from
//! the epoch, each of them is 56 years.

use std::time::Duration;

use super::Refusal;

/// The longest plausible announced length: a hundred years.
pub const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The longest stream and the most frames that the user allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// `max-duration`; zero = no limit.
    pub duration: Duration,
    /// `max-frames`; zero = no limit.
    pub frames: u64,
}

/// The position of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Its running time; `None` without a time stamp, or outside of its segment.
    pub running_time: Option<Duration>,
    /// Its position in the medium (stream time); if it has none, the start of its
    /// segment.
    pub stream_time: Option<Duration>,
    /// The end of its segment in the medium, if it has one.
    pub segment_end: Option<Duration>,
}

/// The length of a stream so far, as of its latest frame, and the announced one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Length {
    /// The end of the medium, in stream time.
    end: Option<Duration>,
    frames: u64,
    /// The running time at which the stream began.
    began: Option<Duration>,
    /// The time since then.
    passed: Duration,
    /// Set at the first frame: the announced length from there on.
    announced: Option<Duration>,
}

impl Length {
    /// Sets the end of the medium as announced by upstream ([`announced_end`]). The
    /// position of the first frame turns it into a length; from the second frame on it
    /// is not used until [`restart`](Self::restart).
    pub fn announce(&mut self, end: Option<Duration>) {
        self.end = end;
    }

    /// Makes the next frame the first again: a flush restarts running time, and drops
    /// what came before it.
    pub fn restart(&mut self) {
        *self = Self {
            end: self.end,
            ..Self::default()
        };
    }

    /// Adds a frame. Times that are missing or before the first one add nothing.
    pub fn add(&mut self, frame: Position) -> Self {
        let is_first = self.frames == 0;
        self.announced = self.end.filter(|_| is_first).map(|end| {
            let end = frame.segment_end.map_or(end, |segment| end.min(segment));
            end.saturating_sub(frame.stream_time.unwrap_or_default())
        });
        self.frames = self.frames.saturating_add(1);
        if let Some(now) = frame.running_time {
            let began = *self.began.get_or_insert(now);
            self.passed = now.saturating_sub(began);
        }
        *self
    }
}

/// The end of the medium from upstream's answer to a duration query, in nanoseconds;
/// `None` if it is unknown.
///
/// # Errors
/// [`Refusal::Format`] for a sentinel value.
pub fn announced_end(nanoseconds: Option<u64>) -> Result<Option<Duration>, Refusal> {
    match nanoseconds {
        Some(nanoseconds) if i64::try_from(nanoseconds).is_err() => Err(Refusal::Format(format!(
            "upstream announces a duration of {nanoseconds} ns, which is a sentinel value and not a \
             duration"
        ))),
        known => Ok(known.map(Duration::from_nanos)),
    }
}

impl Limits {
    /// Checks a stream at its latest frame.
    ///
    /// # Errors
    /// [`Refusal::Format`] above `max-duration` or `max-frames`, and for an
    /// announced length above [`LONGEST`].
    pub fn check(&self, length: &Length) -> Result<(), Refusal> {
        let refuse = |text| Err(Refusal::Format(text));
        let longest = if self.duration.is_zero() {
            Duration::MAX
        } else {
            self.duration
        };
        match length.announced {
            Some(announced) if announced > LONGEST => {
                return refuse(format!(
                    "upstream announces a duration of {announced:.0?}, the maximum is 100 years"
                ));
            }
            Some(announced) if announced > longest => {
                return refuse(format!(
                    "upstream announces a duration of {announced:.0?}, max-duration allows {longest:.0?}"
                ));
            }
            _ => {}
        }
        if length.passed > longest {
            return refuse(format!(
                "a frame comes {:?} after the first one, max-duration allows {longest:?}",
                length.passed
            ));
        }
        if self.frames > 0 && length.frames > self.frames {
            return refuse(format!(
                "the stream has more frames than the {} that max-frames allows",
                self.frames
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);
    const EPOCH: Duration = Duration::from_secs(1_764_000_000);
    const HOUR: Limits = Limits {
        duration: Duration::from_secs(3600),
        frames: 0,
    };

    fn at(running_time: Duration) -> Position {
        Position {
            running_time: Some(running_time),
            stream_time: Some(running_time),
            segment_end: None,
        }
    }

    fn announced(limits: Limits, end: Duration, first: Position) -> Result<(), Refusal> {
        let mut length = Length::default();
        length.announce(Some(end));
        limits.check(&length.add(first))
    }

    #[test]
    fn sentinels_are_no_durations() {
        assert_eq!(announced_end(None), Ok(None));
        assert_eq!(announced_end(Some(5)), Ok(Some(Duration::from_nanos(5))));
        assert!(announced_end(Some(i64::MAX as u64)).is_ok());
        for sentinel in [i64::MAX as u64 + 1, u64::MAX - 1, u64::MAX] {
            assert!(announced_end(Some(sentinel)).is_err());
        }
    }

    #[test]
    fn an_announced_length_counts_from_the_first_frame() {
        let none = Limits::default();
        assert!(announced(none, EPOCH + SECOND, at(EPOCH)).is_ok());
        assert!(announced(HOUR, EPOCH + 3600 * SECOND, at(EPOCH)).is_ok());
        assert!(announced(HOUR, EPOCH + 3601 * SECOND, at(EPOCH)).is_err());
        // NTP's era began in 1900.
        let ntp = EPOCH + Duration::from_secs(2_208_988_800);
        assert!(ntp > LONGEST);
        assert!(announced(HOUR, ntp + SECOND, at(ntp)).is_ok());
    }

    #[test]
    fn no_announced_length_is_above_a_hundred_years() {
        let none = Limits::default();
        assert!(announced(none, LONGEST, Position::default()).is_ok());
        assert!(announced(none, LONGEST + SECOND, Position::default()).is_err());
        assert!(announced(none, LONGEST + SECOND, at(SECOND)).is_ok());
    }

    #[test]
    fn a_segment_that_ends_earlier_is_all_that_is_played() {
        let part = Position {
            segment_end: Some(70 * SECOND),
            ..at(60 * SECOND)
        };
        let limits = Limits {
            duration: 10 * SECOND,
            frames: 0,
        };
        assert!(announced(limits, 7200 * SECOND, part).is_ok());
        assert!(announced(limits, 7200 * SECOND, at(60 * SECOND)).is_err());
    }

    #[test]
    fn what_has_passed_counts_from_the_first_frame() {
        let mut length = Length::default();
        assert!(HOUR.check(&length.add(at(EPOCH))).is_ok());
        assert!(HOUR.check(&length.add(at(EPOCH + 3600 * SECOND))).is_ok());
        assert!(HOUR.check(&length.add(at(EPOCH + 3601 * SECOND))).is_err());
    }

    #[test]
    fn as_many_frames_as_are_allowed_pass() {
        let limits = Limits {
            duration: Duration::ZERO,
            frames: 2,
        };
        let mut length = Length::default();
        assert!(limits.check(&length.add(Position::default())).is_ok());
        assert!(limits.check(&length.add(Position::default())).is_ok());
        assert!(limits.check(&length.add(Position::default())).is_err());
    }

    #[test]
    fn after_a_flush_both_counts_begin_anew_and_the_announced_end_stays() {
        let limits = Limits {
            duration: 10 * SECOND,
            frames: 2,
        };
        let mut length = Length::default();
        length.announce(Some(100 * SECOND));
        assert!(limits.check(&length.add(at(95 * SECOND))).is_ok());
        assert!(limits.check(&length.add(at(99 * SECOND))).is_ok());
        length.restart();
        let sought = |stream_time| Position {
            stream_time: Some(stream_time),
            ..at(Duration::ZERO)
        };
        assert!(limits.check(&length.add(sought(90 * SECOND))).is_ok());
        assert!(limits.check(&length.add(sought(91 * SECOND))).is_ok());
        length.restart();
        assert!(limits.check(&length.add(sought(89 * SECOND))).is_err());
    }

    fn times() -> impl Strategy<Value = Vec<Option<u64>>> {
        proptest::collection::vec(proptest::option::of(any::<u64>()), 0..50)
    }

    proptest! {
        #[test]
        fn without_a_limit_no_position_is_refused(times in times()) {
            let mut length = Length::default();
            for time in times {
                let time = time.map(Duration::from_nanos);
                let frame = Position { running_time: time, stream_time: time, segment_end: time };
                prop_assert!(Limits::default().check(&length.add(frame)).is_ok());
            }
        }

        #[test]
        fn where_a_stream_lies_does_not_matter(
            steps in proptest::collection::vec(0_u64..10_000_000_000, 1..50),
            start in 0..u64::MAX / 2,
            limit in 1_u64..100_000_000_000,
        ) {
            let limits = Limits { duration: Duration::from_nanos(limit), frames: 0 };
            let mut near = Length::default();
            let mut far = Length::default();
            let mut now = 0;
            for step in steps {
                now += step;
                let near = near.add(at(Duration::from_nanos(now)));
                let far = far.add(at(Duration::from_nanos(start + now)));
                prop_assert_eq!(limits.check(&near), limits.check(&far));
            }
        }

        #[test]
        fn times_that_are_missing_or_run_backwards_trip_nothing(
            first in any::<u64>(),
            back in proptest::collection::vec(proptest::option::of(0.0..=1.0), 0..50),
        ) {
            let limits = Limits { duration: Duration::from_nanos(1), frames: 0 };
            let first = Duration::from_nanos(first);
            let mut length = Length::default();
            prop_assert!(limits.check(&length.add(at(first))).is_ok());
            for part in back {
                let frame = part.map_or_else(Position::default, |part| at(first.mul_f64(part).min(first)));
                prop_assert!(limits.check(&length.add(frame)).is_ok());
            }
        }
    }
}

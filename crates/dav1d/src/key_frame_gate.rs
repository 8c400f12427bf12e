// SPDX-License-Identifier: MPL-2.0
//! Where decoding may start, and which pictures depend only on what was decoded
//! since. Pure: it identifies inputs by their marks, which increase.
//!
//! After an error dav1d continues with the current content of its reference slots.
//! Some (after a header that did not parse) hold the picture of an earlier frame,
//! others (after a frame with an error) a half-finished one: a frame that refers to
//! them comes out as a good picture with wrong content. So an error discards
//! everything up to the next random access point (AV1 specification, section 7.6):
//! the references are flushed, and inputs are skipped until one holds a key frame.

use codecwatch_av1::{Start, Summary};

/// What to do with an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Decode it.
    Feed,
    /// Decode it, after the sequence header if it has none of its own.
    Restart,
    /// Skip it: it refers to what was lost.
    Skip,
    /// Skip it: it cannot be read.
    Damaged,
}

/// See the module.
#[derive(Debug)]
pub(crate) enum KeyFrameGate {
    /// Nothing has been decoded that later frames may refer to.
    Lost,
    /// A key frame was decoded but not shown. Until it is shown, a picture that comes
    /// out, or an input that fails, may have referred to what was lost.
    Delayed,
    /// Pictures of inputs from this mark on are good.
    Good(i64),
}

impl KeyFrameGate {
    /// An input is about to be decoded.
    pub(crate) fn admit(&mut self, mark: i64, input: &Summary<'_>) -> Admission {
        match (&self, input.start) {
            (Self::Lost, None) if input.has_frames => Admission::Skip,
            _ if input.is_damaged => Admission::Damaged,
            (Self::Lost, Some(start)) => {
                *self = match start {
                    Start::Here => Self::Good(mark),
                    Start::Later => Self::Delayed,
                };
                Admission::Restart
            }
            (Self::Delayed, Some(Start::Here)) => {
                *self = Self::Good(mark);
                Admission::Feed
            }
            _ => Admission::Feed,
        }
    }

    /// Whether a picture that came out may be shown. Once a hidden key frame is shown,
    /// everything from it on is good.
    pub(crate) fn shows(&mut self, mark: i64, is_key: bool) -> bool {
        match self {
            Self::Delayed if is_key => {
                *self = Self::Good(mark);
                true
            }
            _ => self.is_good(mark),
        }
    }

    /// Whether nothing has been decoded that could be lost.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self, Self::Lost)
    }

    /// Whether an error in that input is damage. Otherwise it is expected: the input
    /// refers to what is lost already.
    pub(crate) fn is_good(&self, mark: i64) -> bool {
        matches!(self, Self::Good(from) if mark >= *from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn input(start: Option<Start>) -> Summary<'static> {
        Summary {
            sequence_header: None,
            is_reduced: false,
            has_frames: true,
            start,
            is_damaged: false,
        }
    }

    #[test]
    fn nothing_is_decoded_before_a_key_frame() {
        let mut gate = KeyFrameGate::Lost;
        assert_eq!(gate.admit(1, &input(None)), Admission::Skip);
        assert_eq!(gate.admit(2, &input(Some(Start::Here))), Admission::Restart);
        assert_eq!(gate.admit(3, &input(None)), Admission::Feed);
        assert!(gate.is_good(2));
    }

    #[test]
    fn headers_alone_are_always_taken() {
        let headers = Summary {
            has_frames: false,
            ..input(None)
        };
        assert_eq!(KeyFrameGate::Lost.admit(1, &headers), Admission::Feed);
    }

    #[test]
    fn what_cannot_be_read_opens_nothing() {
        let broken = |start| Summary {
            is_damaged: true,
            ..input(start)
        };
        let mut gate = KeyFrameGate::Lost;
        assert_eq!(
            gate.admit(1, &broken(Some(Start::Here))),
            Admission::Damaged
        );
        assert!(gate.is_lost());
        assert_eq!(gate.admit(2, &broken(None)), Admission::Skip);
        let mut gate = KeyFrameGate::Good(1);
        assert_eq!(gate.admit(2, &broken(None)), Admission::Damaged);
    }

    #[test]
    fn pictures_before_a_hidden_key_frame_is_shown_are_not_shown() {
        let mut gate = KeyFrameGate::Lost;
        assert_eq!(
            gate.admit(1, &input(Some(Start::Later))),
            Admission::Restart
        );
        assert!(!gate.shows(2, false));
        assert!(!gate.is_good(2));
        assert!(gate.shows(3, true));
        assert!(gate.shows(4, false));
        assert!(gate.is_good(3));
    }

    #[test]
    fn a_shown_key_frame_vouches_only_for_what_follows_it() {
        let mut gate = KeyFrameGate::Delayed;
        assert_eq!(gate.admit(5, &input(Some(Start::Here))), Admission::Feed);
        assert!(
            !gate.shows(4, false),
            "decoded ahead of the key frame, delivered after"
        );
        assert!(gate.shows(5, true));
    }
}

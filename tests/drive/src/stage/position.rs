// SPDX-License-Identifier: MPL-2.0
//! Which frame comes next, and at what time. Seeks change it from a thread of
//! the source.

use std::sync::{Mutex, MutexGuard};

use crate::material::FRAME;

#[derive(Debug, Default)]
pub(super) struct Position(Mutex<Frame>);

#[derive(Debug, Default)]
struct Frame {
    /// Of the next frame.
    number: u64,
    /// Of the first frame of the segment: none lies before it.
    first: u64,
    /// Frames by which times lie further back than their numbers say.
    back: u64,
}

impl Frame {
    fn time(&self) -> gst::ClockTime {
        FRAME * (self.number - self.back)
    }
}

impl Position {
    fn lock(&self) -> MutexGuard<'_, Frame> {
        self.0.lock().unwrap()
    }

    /// The next frame is this one, the first of a segment.
    pub(super) fn begin(&self, number: u64) {
        *self.lock() = Frame {
            number,
            first: number,
            back: 0,
        };
    }

    /// Number of the next frame.
    pub(super) fn number(&self) -> u64 {
        self.lock().number
    }

    /// Takes the next frame: its number and its time.
    pub(super) fn take(&self) -> (u64, gst::ClockTime) {
        let mut frame = self.lock();
        let taken = (frame.number, frame.time());
        frame.number += 1;
        taken
    }

    /// Passes frames over up to the one that `key_at` finds.
    pub(super) fn skip_to(&self, key_at: impl FnOnce(u64) -> u64) {
        let mut frame = self.lock();
        frame.number = key_at(frame.number);
    }

    /// Times go back by so many frames, but not to before the segment.
    pub(super) fn step_back(&self, frames: u64) {
        let mut frame = self.lock();
        frame.back = (frame.back + frames).min(frame.number - frame.first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_back_but_not_to_before_their_segment() {
        let position = Position::default();
        position.begin(20);
        position.skip_to(|number| number + 4);
        position.step_back(3);
        assert_eq!(position.take(), (24, FRAME * 21));
        position.step_back(30);
        assert_eq!(position.take(), (25, FRAME * 20));
        assert_eq!(position.number(), 26);
    }
}

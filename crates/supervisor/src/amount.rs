// SPDX-License-Identifier: MPL-2.0
//! How much an input or an output is.

use std::time::Duration;

/// What an input weighs, or how much of it an output settles. An event weighs
/// nothing; one input may hold several frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// Frames: pictures, or whatever the codec counts.
    pub frames: u32,
    /// Media time, where the session keeps account of it.
    pub time: Duration,
}

impl Amount {
    /// Nothing: an event, a header.
    pub const NONE: Self = Self::of_frames(0);
    /// One frame, without media time.
    pub const ONE_FRAME: Self = Self::of_frames(1);

    /// So many frames, without media time.
    pub const fn of_frames(frames: u32) -> Self {
        Self {
            frames,
            time: Duration::ZERO,
        }
    }
}

impl From<u32> for Amount {
    fn from(frames: u32) -> Self {
        Self::of_frames(frames)
    }
}

/// A sum of amounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Total {
    pub(crate) frames: u64,
    pub(crate) time: Duration,
}

impl Total {
    pub(crate) fn add(&mut self, amount: Amount) {
        self.frames += u64::from(amount.frames);
        self.time = self.time.saturating_add(amount.time);
    }

    /// Not below nothing: a codec may give more than it got.
    pub(crate) fn subtract(&mut self, amount: Amount) {
        self.frames = self.frames.saturating_sub(u64::from(amount.frames));
        self.time = self.time.saturating_sub(amount.time);
    }

    /// Moves all of it over to `other`.
    pub(crate) fn pour_into(&mut self, other: &mut Self) {
        other.frames += self.frames;
        other.time = other.time.saturating_add(self.time);
        *self = Self::default();
    }
}

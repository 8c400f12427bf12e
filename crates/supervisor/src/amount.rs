// SPDX-License-Identifier: MPL-2.0
//! The amount of an input or an output.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The amount of an input, or how much input an output settles. Zero for an event; one
/// input may hold several frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Frames: pictures, or whatever the codec counts.
    pub frames: u32,
    /// Media time, if the session counts it.
    pub time: Duration,
}

impl Amount {
    /// Nothing: an event, a header.
    pub const NONE: Self = Self::of_frames(0);
    /// One frame, without media time.
    pub const ONE_FRAME: Self = Self::of_frames(1);

    /// A number of frames, without media time.
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

    /// Stops at zero: a codec may output more than its input.
    pub(crate) fn subtract(&mut self, amount: Amount) {
        self.frames = self.frames.saturating_sub(u64::from(amount.frames));
        self.time = self.time.saturating_sub(amount.time);
    }

    /// What of an amount this has.
    pub(crate) fn limit(&self, amount: Amount) -> Amount {
        let frames = u32::try_from(self.frames).unwrap_or(u32::MAX);
        Amount {
            frames: amount.frames.min(frames),
            time: amount.time.min(self.time),
        }
    }

    /// Moves everything to `other`.
    pub(crate) fn pour_into(&mut self, other: &mut Self) {
        other.frames += self.frames;
        other.time = other.time.saturating_add(self.time);
        *self = Self::default();
    }
}

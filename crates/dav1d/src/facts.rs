// SPDX-License-Identifier: MPL-2.0
//! The facts that a session publishes.

use serde::{Deserialize, Serialize};

/// Published when a session is open ([`Lane::publish`](codecwatch_supervisor::Lane::publish)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Frames that dav1d works on at the same time, as reported by dav1d.
    pub frame_delay: usize,
    /// Maximum of pictures that are therefore held back: picture `n` comes out when
    /// input `n + held_back` has gone in. 0 when dav1d works on one frame at a time,
    /// otherwise the frame delay.
    pub held_back: usize,
}

impl Facts {
    pub(crate) fn new(frame_delay: usize) -> Self {
        Self {
            frame_delay,
            // With one frame at a time, the frame is done when its data was taken.
            // Otherwise dav1d waits for the oldest when a new one needs its place.
            held_back: if frame_delay > 1 { frame_delay } else { 0 },
        }
    }
}

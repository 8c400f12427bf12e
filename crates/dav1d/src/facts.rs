// SPDX-License-Identifier: MPL-2.0
//! What others need to know of a session.

/// Published when a session is open ([`Lane::publish`](codecwatch_supervisor::Lane::publish)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Frames that dav1d works on at the same time: its own answer.
    pub frame_delay: usize,
    /// Pictures that are held back in consequence, at most: picture `n` comes out
    /// when input `n + held_back` has gone in. 0 when dav1d works on one frame at a
    /// time, otherwise the frame delay.
    pub held_back: usize,
}

impl Facts {
    pub(crate) fn new(frame_delay: usize) -> Self {
        Self {
            frame_delay,
            // With one frame at a time, the frame is done when its data was taken.
            // Otherwise the oldest is waited for when a new one needs its place.
            held_back: if frame_delay > 1 { frame_delay } else { 0 },
        }
    }
}

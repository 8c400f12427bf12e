// SPDX-License-Identifier: MPL-2.0
//! The only place that reads the clock.

/// Monotonic time. It does not advance while the computer is suspended, but it does
/// while the process is stopped; the state machine recognises that by a late tick.
#[cfg(not(test))]
#[allow(clippy::disallowed_methods)]
pub(crate) fn now() -> std::time::Instant {
    std::time::Instant::now()
}

#[cfg(test)]
pub(crate) use crate::interleavings::model::now;

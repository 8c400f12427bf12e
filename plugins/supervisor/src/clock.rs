// SPDX-License-Identifier: MPL-2.0
//! The only place that reads the clock.

use std::time::Instant;

/// Monotonic time. It does not advance while the machine is suspended, but it
/// does while the process is stopped; the machine recognises that by a late
/// tick.
#[allow(clippy::disallowed_methods)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

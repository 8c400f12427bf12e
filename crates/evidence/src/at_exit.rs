// SPDX-License-Identifier: MPL-2.0
//! The end of the process waits for what is being written: a program that reports an error
//! usually exits at once, `gst-launch-1.0` for one, and would take the evidence with it.

use std::sync::Once;
use std::time::Duration;

use crate::background;

/// The longest that it waits. What a healthy disk takes for a folder is a tenth of that.
const LIMIT: Duration = Duration::from_secs(2);

extern "C" fn wait() {
    background::wait_done(LIMIT);
}

/// Makes `exit` wait, from the first fault on. A process that is killed, or calls
/// `_exit`, does not wait.
pub(crate) fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the function may be called at any time, takes no argument and does not
        // unwind: it uses a lock, and a condition with a limit of time.
        let _ = unsafe { libc::atexit(wait) };
    });
}

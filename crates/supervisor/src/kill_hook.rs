// SPDX-License-Identifier: MPL-2.0
//! Hooks that end a codec from outside.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Registered with [`Lane::set_kill_hook`](crate::Lane::set_kill_hook).
pub(crate) type KillHook = Box<dyn FnOnce() + Send>;

/// Runs a hook, if there is one, without any lock. It is foreign code, on the thread that
/// abandons the session: its panic ends here.
pub(crate) fn run_kill_hook(hook: Option<KillHook>) {
    if let Some(hook) = hook {
        let _ = catch_unwind(AssertUnwindSafe(hook));
    }
}

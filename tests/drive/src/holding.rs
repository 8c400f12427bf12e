// SPDX-License-Identifier: MPL-2.0
//! What this process holds.

use codecwatch_supervisor::Account;

use crate::facts::Holding;
use crate::scenario::Element;

impl Holding {
    /// Counts.
    pub fn now(element: Element) -> Self {
        let threads = support::process::thread_names();
        let account = Account::of(element.library());
        Self {
            threads: threads.len(),
            codec_threads: threads.iter().filter(|name| is_codec(name)).count(),
            memory: support::process::resident(),
            abandoned: account.abandoned,
            reclaimed: account.reclaimed,
        }
    }
}

/// Workers and lanes are named after their library; its own threads have the
/// name of the worker, or one of their own.
fn is_codec(thread: &str) -> bool {
    ["SVT-AV1#", "svt-", "dav1d#", "dav1d-"]
        .iter()
        .any(|name| thread.starts_with(name))
}

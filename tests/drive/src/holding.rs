// SPDX-License-Identifier: MPL-2.0
//! What this process holds.

use codecwatch_supervisor::Account;

use crate::elements::Element;
use crate::facts::Holding;

impl Holding {
    /// Counts.
    pub fn now(element: Element) -> Self {
        let threads = support::process::thread_names();
        let account = Account::of(element.library);
        // Those of other libraries, too: material is made by an encoder.
        let is_codec = |thread: &str| {
            Element::all()
                .flat_map(|element| element.threads)
                .any(|name| thread.starts_with(name))
        };
        Self {
            threads: threads.len(),
            codec_threads: threads.iter().filter(|name| is_codec(name)).count(),
            children: support::process::children().len(),
            memory: support::process::resident(),
            abandoned: account.abandoned,
            reclaimed: account.reclaimed,
        }
    }
}

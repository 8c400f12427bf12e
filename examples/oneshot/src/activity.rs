// SPDX-License-Identifier: MPL-2.0
//! Whether a connection does something, so that one that does not is closed: whoever
//! opens many and sends nothing, or the headers one byte at a time, must not hold them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long a connection may be without a request: between one and two of these.
const IDLE: Duration = Duration::from_secs(10);

/// The requests of a connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Activity(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// A request, until it is dropped.
#[derive(Debug)]
pub(crate) struct Active(Arc<Counts>);

impl Activity {
    /// A request has come.
    pub(crate) fn begin(&self) -> Active {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        Active(self.0.clone())
    }

    /// Returns when the connection has had no request for a while.
    pub(crate) async fn idle(&self) {
        let mut seen = None;
        loop {
            let begun = self.0.begun.load(Ordering::Relaxed);
            let is_idle = begun == self.0.ended.load(Ordering::Relaxed);
            if is_idle && seen == Some(begun) {
                return;
            }
            seen = is_idle.then_some(begun);
            tokio::time::sleep(IDLE).await;
        }
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

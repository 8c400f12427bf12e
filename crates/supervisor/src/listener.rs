// SPDX-License-Identifier: MPL-2.0
//! Passes what a session tells to its listener, on a thread of its own: neither the
//! session nor the output task waits for what the listener does, unless the order
//! requires it, and then for a limited time.

use std::sync::Arc;

use crate::CodecError;
use crate::clock::now;
use crate::lane::guarded;
use crate::state::{Shared, State};
use crate::sync::{MutexGuard, thread};

/// Handles what a session tells ([`Lane::tell`](crate::Lane::tell)), one thing after the
/// other. Called on a thread of its own, without a lock; may block.
pub struct Listener<O>(Arc<dyn Fn(O, u64) + Send + Sync>);

impl<O> Listener<O> {
    /// `handle` gets each thing, and how many before it were dropped because it took too
    /// long.
    pub fn new(handle: impl Fn(O, u64) + Send + Sync + 'static) -> Self {
        Self(Arc::new(handle))
    }
}

impl<O> Clone for Listener<O> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<O> std::fmt::Debug for Listener<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}

impl<I: Send + 'static, O: Send + 'static> Shared<I, O> {
    /// Passes something to the listener, once it has room for it.
    pub(crate) fn tell_listener(&self, told: O) {
        let mut state = self.lock();
        while state.telling.is_full()
            && !state.abandoned
            && let Some(until) = state.telling.awaited(state.telling.told(), now())
        {
            state = self.wait_until(&self.outlet, state, Some(until));
        }
        if state.abandoned {
            // Its outcome is known, and what it does from now on concerns nobody.
            drop(state);
            return drop(told);
        }
        self.enqueue(state, told);
    }

    /// Passes on what was to be told if the session does not get its notifications.
    pub(crate) fn tell_undelivered(&self) {
        let left = self.lock().questions.take_notifications();
        for notification in left {
            if let Some(told) = notification.into_told() {
                self.enqueue(self.lock(), told);
            }
        }
    }

    fn enqueue(&self, mut state: MutexGuard<'_, State<I, O>>, told: O) {
        let Some(listener) = self.listener.clone() else {
            drop(state);
            return drop(told);
        };
        let oldest = state.telling.tell(told);
        let begins = state.telling.begins(now());
        drop(state);
        drop(oldest);
        if begins && let Some(shared) = self.this.upgrade() {
            let named = thread::Builder::new().name("cw-told".to_owned());
            if named.spawn(move || shared.listen(&listener)).is_err() {
                self.lock().telling.cannot_begin();
            }
        }
    }

    /// The body of the listener's thread: until nothing waits.
    fn listen(&self, listener: &Listener<O>) {
        let mut state = self.lock();
        while let Some((told, missed)) = state.telling.take(now()) {
            drop(state);
            let _ = guarded(|| {
                (listener.0)(told, missed);
                Ok::<_, CodecError>(())
            });
            state = self.lock();
            state.telling.handled();
            if state.telling.runs_low() {
                self.outlet.notify_all();
            }
            if state.next_output_is_free() {
                self.output.notify_all();
            }
            if state.telling.are_over(state.telling.told()) {
                self.element.notify_all();
            }
        }
    }
}

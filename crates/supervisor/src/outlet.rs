// SPDX-License-Identifier: MPL-2.0
//! What threads of a codec use that are not lanes of its session, such as those that a
//! framework starts inside it.

use std::any::Any;
use std::sync::Arc;

use crate::lane::{Discarded, Host};
use crate::{Amount, CodecError, Name};

/// A session's way out, for threads that are not its lanes. Clones share it.
pub struct Outlet<O> {
    host: Arc<dyn Host<O>>,
}

impl<O> Clone for Outlet<O> {
    fn clone(&self) -> Self {
        Self {
            host: self.host.clone(),
        }
    }
}

impl<O> std::fmt::Debug for Outlet<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outlet").finish_non_exhaustive()
    }
}

impl<O: Send + 'static> Outlet<O> {
    pub(crate) fn new(host: Arc<dyn Host<O>>) -> Self {
        Self { host }
    }

    /// As [`Lane::emit`](crate::Lane::emit). Outputs of several threads come out in the
    /// order of these calls.
    ///
    /// # Errors
    /// [`Discarded`] once outputs are discarded.
    pub fn emit(&self, output: O, settles: impl Into<Amount>) -> Result<(), Discarded> {
        self.host.emit(output, settles.into())
    }

    /// As [`Lane::tell`](crate::Lane::tell).
    pub fn tell(&self, told: O) {
        self.host.tell(told);
    }

    /// As [`Lane::publish`](crate::Lane::publish).
    pub fn publish<F: Any + Send + Sync>(&self, facts: F) {
        self.host.publish(Arc::new(facts));
    }

    /// Whether outputs are discarded.
    pub fn discarding(&self) -> bool {
        self.host.discarding()
    }

    /// Ends the wait of the worker for a signal
    /// ([`Lane::wait_for_signal`](crate::Lane::wait_for_signal)).
    pub fn signal(&self) {
        self.host.signal();
    }

    /// Ends the run because the codec has failed outside the worker's calls. Without
    /// effect if the run has ended already.
    pub fn fail(&self, error: CodecError) {
        self.host.fail(error);
    }

    /// Names the part of the codec that the worker's call in flight has reached, for
    /// messages: the call keeps its age. To be called on the worker, within its call.
    pub fn call_reached(&self, name: impl Into<Name>) {
        self.host.call_moved(0, name.into());
    }

    /// Waits for something that the codec cannot influence, such as an answer of the
    /// pipeline around it: as [`Lane::wait_for_others`](crate::Lane::wait_for_others).
    pub fn wait_for_others<R>(&self, wait: impl FnOnce() -> R) -> R {
        crate::lane::wait_for_others(self.host.as_ref(), wait)
    }
}

// SPDX-License-Identifier: MPL-2.0
//! What the threads of a chain share: the worker, those that its elements start, and
//! those on which it asks the pipeline around it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

use codecwatch_supervisor::{AdoptedThreads, CodecError, Outlet};

use crate::Outside;
use crate::device_memory::DevicePictures;
use crate::in_flight::InFlight;
use crate::io::{LostEvents, Output};

/// See the module's description.
pub(crate) struct Link {
    pub(crate) outlet: Outlet<Output>,
    pub(crate) outside: Arc<dyn Outside>,
    /// Threads that the chain's elements have announced.
    pub(crate) threads: Arc<AdoptedThreads>,
    worker: ThreadId,
    in_flight: Mutex<InFlight>,
    pub(crate) lost_events: Arc<LostEvents>,
    /// Pictures of the chain that are in a device's memory.
    pub(crate) device_pictures: DevicePictures,
    /// The first error that an element has posted.
    failure: Mutex<Option<CodecError>>,
    /// The worker measures the chain's own latency: upstream adds none.
    pub(crate) measuring: AtomicBool,
    /// What the chain's elements say to whom they are connected is told.
    pub(crate) listens: AtomicBool,
    /// The chain closes: what its elements report now concerns nobody.
    closing: AtomicBool,
}

impl Link {
    /// To be called on the worker.
    pub(crate) fn new(
        outlet: Outlet<Output>,
        outside: Arc<dyn Outside>,
        in_flight: InFlight,
    ) -> Self {
        Self {
            outlet,
            outside,
            threads: Arc::new(AdoptedThreads::new()),
            worker: std::thread::current().id(),
            in_flight: Mutex::new(in_flight),
            lost_events: Arc::default(),
            device_pictures: DevicePictures::default(),
            failure: Mutex::new(None),
            measuring: AtomicBool::new(false),
            listens: AtomicBool::new(false),
            closing: AtomicBool::new(false),
        }
    }

    pub(crate) fn in_flight(&self) -> MutexGuard<'_, InFlight> {
        self.in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this is the worker.
    pub(crate) fn on_worker(&self) -> bool {
        std::thread::current().id() == self.worker
    }

    /// Keeps the first error of an element. On the worker, the call in flight returns
    /// and finds it; on another thread nobody would look, so the run ends here.
    pub(crate) fn fail(&self, error: CodecError) {
        if self.closing.load(Ordering::Acquire) {
            return;
        }
        {
            let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            if failure.is_some() {
                return;
            }
            *failure = Some(error.clone());
        }
        if !self.on_worker() {
            self.outlet.fail(error);
        }
    }

    /// The error that an element has posted.
    pub(crate) fn failure(&self) -> Option<CodecError> {
        let failure = self.failure.lock();
        failure.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the worker, and this is it, asks the chain for its own latency.
    pub(crate) fn is_measuring(&self) -> bool {
        self.measuring.load(Ordering::Acquire) && self.on_worker()
    }

    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }
}

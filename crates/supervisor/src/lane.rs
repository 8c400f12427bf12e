// SPDX-License-Identifier: MPL-2.0
//! A lane: one thread of a session, and the record of its native call in flight.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, mpsc};
use std::time::Duration;

use crate::kill_hook::KillHook;
use crate::machine::CallKind;
use crate::opening::Opening;
use crate::remote_supervisor::{Proxy, RemoteSupervisor};
use crate::sync::{Condvar, Mutex, thread};
use crate::telling::Facts;
use crate::{Amount, CodecError, Name, Outlet, RemoteCalls, Witness};

/// Outputs are discarded: the session closes, flushes, or has failed or been abandoned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discarded;

/// Why a lane failed.
#[derive(Debug)]
pub(crate) enum LaneFault {
    /// The codec returned an error.
    Failed(CodecError),
    /// Rust code panicked.
    Panicked(String),
}

impl From<CodecError> for LaneFault {
    fn from(error: CodecError) -> Self {
        LaneFault::Failed(error)
    }
}

/// Runs a part of a session and turns its panic into a value.
pub(crate) fn guarded<T, E: Into<LaneFault>>(
    part: impl FnOnce() -> Result<T, E>,
) -> Result<T, LaneFault> {
    // After a panic a session must still support `close` (see `Session`), and nothing
    // else of it is used again.
    match catch_unwind(AssertUnwindSafe(part)) {
        Ok(ended) => ended.map_err(Into::into),
        Err(payload) => Err(LaneFault::Panicked(panic_message(payload.as_ref()))),
    }
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

/// See [`Lane::wait_for_others`].
pub(crate) fn wait_for_others<O, R>(host: &dyn Host<O>, wait: impl FnOnce() -> R) -> R {
    struct Done<'a, O>(&'a dyn Host<O>);
    impl<O> Drop for Done<'_, O> {
        fn drop(&mut self) {
            self.0.others_done();
        }
    }
    host.others_awaited();
    let _done = Done(host);
    wait()
}

/// The supervisor's side of a lane.
pub(crate) trait Host<O>: Send + Sync {
    fn call_began(&self, lane: usize, name: Name, kind: CallKind);
    fn call_moved(&self, lane: usize, name: Name);
    /// `took`: how long the call took, if it was measured elsewhere.
    fn call_ended(&self, lane: usize, took: Option<Duration>);
    fn emit(&self, output: O, amount: Amount) -> Result<(), Discarded>;
    /// The session has room for an input again.
    fn made_room(&self);
    fn signal(&self);
    fn wait_for_signal(&self) -> Result<(), Discarded>;
    fn fail(&self, error: CodecError);
    fn tell(&self, told: O);
    fn publish(&self, facts: Facts);
    fn set_delay(&self, delay: Option<usize>);
    fn set_kill_hook(&self, hook: KillHook);
    fn discarding(&self) -> bool;
    fn others_awaited(&self);
    fn others_done(&self);
    fn begin_opening(&self) -> Result<Opening, CodecError>;
    fn set_witness(&self, witness: Arc<dyn Witness>);
    fn extend_witness(&self, witness: Arc<dyn Witness>);
    /// Announces one more lane: its index and the name for its thread.
    fn lane_begins(&self, name: &str) -> (usize, String);
    fn lane_ended(&self, lane: usize, ended: Result<(), LaneFault>);
}

/// One thread of a session. The main lane is the worker; a session may
/// [`spawn`](Self::spawn) siblings.
pub struct Lane<O> {
    host: Arc<dyn Host<O>>,
    index: usize,
}

impl<O> std::fmt::Debug for Lane<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

impl<O: Send + 'static> Lane<O> {
    pub(crate) fn new(host: Arc<dyn Host<O>>, index: usize) -> Self {
        Self { host, index }
    }

    /// A lane without a supervisor, and the outputs that it emits; for the tests of a
    /// codec crate.
    pub fn detached() -> (Self, mpsc::Receiver<O>) {
        let (outputs, receiver) = mpsc::channel();
        (
            Self::new(
                Arc::new(Detached {
                    outputs: Mutex::new(outputs),
                    signalled: (Mutex::new(false), Condvar::new()),
                }),
                0,
            ),
            receiver,
        )
    }

    /// Makes a native call that should return. The closure holds just the call;
    /// `name` is the C function's. Static names cost no allocation.
    pub fn call<R>(&self, name: impl Into<Name>, native: impl FnOnce() -> R) -> R {
        self.watched(name.into(), CallKind::Owed, native)
    }

    /// Makes a native call that may wait for more input, such as a blocking get.
    pub fn wait<R>(&self, name: impl Into<Name>, native: impl FnOnce() -> R) -> R {
        self.watched(name.into(), CallKind::Waits, native)
    }

    fn watched<R>(&self, name: Name, kind: CallKind, native: impl FnOnce() -> R) -> R {
        struct Returned<'a, O>(&'a dyn Host<O>, usize);
        impl<O> Drop for Returned<'_, O> {
            fn drop(&mut self) {
                self.0.call_ended(self.1, None);
            }
        }
        #[cfg(feature = "rehearse")]
        crate::rehearse::before(&name);
        self.host.call_began(self.index, name, kind);
        let _returned = Returned(self.host.as_ref(), self.index);
        native()
    }

    /// What threads of the codec may use that are not lanes.
    pub fn outlet(&self) -> Outlet<O> {
        Outlet::new(self.host.clone())
    }

    /// Waits for [`Outlet::signal`], or returns at once if it has come since the last
    /// wait. The phase's budget bounds this wait, so it is for drains.
    ///
    /// # Errors
    /// [`Discarded`] once outputs are discarded.
    pub fn wait_for_signal(&self) -> Result<(), Discarded> {
        self.host.wait_for_signal()
    }

    /// Passes one output to the output task. `settles`: the amount of input that it
    /// accounts for (a number means frames). Blocks, outside any native call, while
    /// downstream is behind.
    ///
    /// # Errors
    /// [`Discarded`] once outputs are discarded: go on draining, and drop what comes.
    pub fn emit(&self, output: O, settles: impl Into<Amount>) -> Result<(), Discarded> {
        self.host.emit(output, settles.into())
    }

    /// Sends something besides the output to the run's [`Listener`](crate::Listener), such
    /// as a warning: at once, whatever downstream does, and ahead of the outputs that
    /// follow it. What must not overtake earlier outputs goes to [`emit`](Self::emit)
    /// instead.
    ///
    /// Blocks while 64 wait for the listener, but not for longer than a second for one
    /// of them: then the oldest are dropped and counted. What an abandoned session tells
    /// is dropped. It is no output: it settles nothing and is no progress.
    pub fn tell(&self, told: O) {
        self.host.tell(told);
    }

    /// Publishes facts about the session, which replace the previous ones: information
    /// that others can read without entering the codec. Possible at any time, without
    /// an order relative to outputs; the output task is notified before it gets more
    /// output. Never blocks.
    ///
    /// [`Run::facts`](crate::Run::facts) reads them, as this type.
    pub fn publish<F: Any + Send + Sync>(&self, facts: F) {
        self.host.publish(Arc::new(facts));
    }

    /// Sets how many frames the session may keep from now on. Replaces the value of
    /// [`Session::delay`](crate::Session::delay).
    pub fn set_delay(&self, delay: Option<usize>) {
        self.host.set_delay(delay);
    }

    /// Sets the hook that ends the codec from outside, such as by killing the process
    /// that it runs in; replaces the previous one. Must be called before the native
    /// open. The thread that abandons the session runs the hook, once, without a lock:
    /// it must return soon. If the session has been abandoned already, it is run here.
    pub fn set_kill_hook(&self, hook: impl FnOnce() + Send + 'static) {
        self.host.set_kill_hook(Box::new(hook));
    }
    /// The calls of a thread in another process that works for this lane.
    pub fn remote_calls(&self) -> RemoteCalls<O> {
        RemoteCalls::of_lane(self.host.clone(), self.index)
    }

    /// The calls of a further thread of the session, in another process. The session is
    /// closed when this is dropped, too.
    pub fn remote_lane(&self, name: &str) -> RemoteCalls<O> {
        RemoteCalls::of_remote_lane(self.host.clone(), name)
    }

    /// A lane of a session that another process supervises.
    pub fn supervised_by(supervisor: Arc<dyn RemoteSupervisor<O>>) -> Self {
        Self::new(Arc::new(Proxy::new(supervisor)), 0)
    }

    /// Whether outputs are discarded.
    pub fn discarding(&self) -> bool {
        self.host.discarding()
    }

    /// Waits for other sessions of the library, which this one cannot influence: until
    /// one has closed, for instance. The session owes nothing meanwhile but its close.
    /// The wait must have its own time limit, and end soon once outputs are
    /// [discarded](Self::discarding).
    pub fn wait_for_others<R>(&self, wait: impl FnOnce() -> R) -> R {
        wait_for_others(self.host.as_ref(), wait)
    }

    /// Makes a native open inside a running session, or another call during which the
    /// library starts threads that it names itself: they count as the session's from
    /// then on. `open` must make its native calls through a lane, as always.
    ///
    /// Opens of one library run one at a time, so this waits for the others. The
    /// session owes nothing meanwhile; the wait ends with the session, and has the
    /// limit of a first open (`open-timeout` or `slow-limit`, whichever is longer), or
    /// that of [`Codec::opens_beside_after`](crate::Codec::opens_beside_after).
    ///
    /// # Errors
    /// [`CodecError::Resource`] when the wait took too long or the session has to
    /// close. Then `open` was not called.
    pub fn opening<R>(&self, open: impl FnOnce() -> R) -> Result<R, CodecError> {
        let _opening = self.host.begin_opening()?;
        Ok(open())
    }

    /// Sets the witness of the session's work, which replaces its threads and any
    /// previous witness.
    pub fn set_witness(&self, witness: Arc<dyn Witness>) {
        self.host.set_witness(witness);
    }

    /// Adds a witness of the session's work to the present ones.
    pub fn extend_witness(&self, witness: Arc<dyn Witness>) {
        self.host.extend_witness(witness);
    }

    /// Starts a second supervised thread of the session. Its calls are watched,
    /// its panic or error ends the run, and abandonment covers it.
    ///
    /// # Errors
    /// [`CodecError::Resource`] when the system cannot start a thread.
    pub fn spawn(
        &self,
        name: impl Into<Name>,
        body: impl FnOnce(&Lane<O>) -> Result<(), CodecError> + Send + 'static,
    ) -> Result<Sibling, CodecError> {
        let name = name.into();
        let (index, thread_name) = self.host.lane_begins(&name);
        let sibling = Sibling {
            finished: Arc::default(),
        };
        let finished = Finish(sibling.clone());
        let lane = Lane {
            host: self.host.clone(),
            index,
        };
        let spawned = thread::Builder::new().name(thread_name).spawn(move || {
            let ended = guarded(|| body(&lane));
            // First the fault, then the end: a thread that waits for this lane must not
            // take a stream that failed here for a complete one.
            lane.host.lane_ended(index, ended);
            drop(finished);
        });
        match spawned {
            Ok(_detached) => Ok(sibling),
            Err(error) => {
                self.host.lane_ended(index, Ok(()));
                Err(CodecError::Resource(format!(
                    "no thread for {name}: {error}"
                )))
            }
        }
    }
}

/// A thread that a session started with [`Lane::spawn`].
#[derive(Debug, Clone)]
pub struct Sibling {
    finished: Arc<(Mutex<bool>, Condvar)>,
}

impl Sibling {
    /// Waits until the thread has ended. For the session's own lanes only: the budget
    /// of the phase bounds this wait.
    pub fn finished(&self) {
        let (finished, changed) = &*self.finished;
        let mut guard = finished.lock().unwrap_or_else(PoisonError::into_inner);
        while !*guard {
            guard = changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether the thread has ended.
    pub fn is_finished(&self) -> bool {
        *self
            .finished
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks a sibling as finished when dropped, also by a panic.
struct Finish(Sibling);

impl Drop for Finish {
    fn drop(&mut self) {
        let (finished, changed) = &*self.0.finished;
        *finished.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }
}

struct Detached<O> {
    outputs: Mutex<mpsc::Sender<O>>,
    signalled: (Mutex<bool>, Condvar),
}

impl<O: Send> Host<O> for Detached<O> {
    fn call_began(&self, _lane: usize, _name: Name, _kind: CallKind) {}

    fn call_moved(&self, _lane: usize, _name: Name) {}

    fn call_ended(&self, _lane: usize, _took: Option<Duration>) {}

    fn emit(&self, output: O, _amount: Amount) -> Result<(), Discarded> {
        let outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        outputs.send(output).map_err(|_| Discarded)
    }

    fn made_room(&self) {}

    fn signal(&self) {
        let (signalled, changed) = &self.signalled;
        *signalled.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }

    fn wait_for_signal(&self) -> Result<(), Discarded> {
        let (signalled, changed) = &self.signalled;
        let mut guard = signalled.lock().unwrap_or_else(PoisonError::into_inner);
        while !std::mem::take(&mut *guard) {
            guard = changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    fn fail(&self, _error: CodecError) {}

    fn discarding(&self) -> bool {
        false
    }

    fn others_awaited(&self) {}

    fn others_done(&self) {}

    fn begin_opening(&self) -> Result<Opening, CodecError> {
        Ok(Opening::unsupervised())
    }

    /// As an output: there is no other receiver.
    fn tell(&self, told: O) {
        let _ = self.emit(told, Amount::NONE);
    }

    fn publish(&self, _facts: Facts) {}

    fn set_delay(&self, _delay: Option<usize>) {}

    fn set_kill_hook(&self, _hook: KillHook) {}

    fn set_witness(&self, _witness: Arc<dyn Witness>) {}

    fn extend_witness(&self, _witness: Arc<dyn Witness>) {}

    fn lane_begins(&self, name: &str) -> (usize, String) {
        (1, name.to_owned())
    }

    fn lane_ended(&self, _lane: usize, _ended: Result<(), LaneFault>) {}
}

// SPDX-License-Identifier: MPL-2.0
//! Sessions that another process supervises: what their lanes do is passed on to it.

use std::any::Any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::kill_hook::KillHook;
use crate::lane::{Discarded, Host, LaneFault};
use crate::machine::CallKind;
use crate::opening::Opening;
use crate::sync::{Condvar, Mutex};
use crate::telling::Facts;
use crate::{Amount, CodecError, Name, Witness};

/// Passes on what the lanes of a session do. Called on their threads.
pub trait RemoteSupervisor<O>: Send + Sync + 'static {
    /// A call has begun on a lane.
    fn call_began(&self, lane: usize, name: Name, kind: CallKind);
    /// The lane's call in flight has reached another part of the codec.
    fn call_moved(&self, lane: usize, name: Name);
    /// The lane's call has returned.
    fn call_ended(&self, lane: usize);
    /// An output. May block while downstream is behind.
    ///
    /// # Errors
    /// [`Discarded`] once outputs are discarded.
    fn emit(&self, output: O, settles: Amount) -> Result<(), Discarded>;
    /// Something besides the output.
    fn tell(&self, told: O);
    /// The session's facts.
    fn publish(&self, facts: Arc<dyn Any + Send + Sync>);
    /// The session may keep so many frames from now on.
    fn set_delay(&self, delay: Option<usize>);
    /// Whether outputs are discarded, as far as it is known here.
    fn discarding(&self) -> bool;
    /// The codec has failed outside the calls of a lane.
    fn fail(&self, error: CodecError);
    /// A lane has begun, under this index.
    fn lane_began(&self, lane: usize, name: &str);
    /// A lane has ended.
    fn lane_ended(&self, lane: usize, error: Option<CodecError>);
    /// A lane begins or ends a wait for something that the codec cannot influence.
    fn others_awaited(&self, begins: bool);
}

/// The host of the lanes of such a session.
pub(crate) struct Proxy<O> {
    supervisor: Arc<dyn RemoteSupervisor<O>>,
    /// Lanes so far; the main lane is 0.
    lanes: AtomicUsize,
    signalled: (Mutex<bool>, Condvar),
}

impl<O> Proxy<O> {
    pub(crate) fn new(supervisor: Arc<dyn RemoteSupervisor<O>>) -> Self {
        Self {
            supervisor,
            lanes: AtomicUsize::new(1),
            signalled: (Mutex::new(false), Condvar::new()),
        }
    }
}

impl<O: Send + 'static> Host<O> for Proxy<O> {
    fn call_began(&self, lane: usize, name: Name, kind: CallKind) {
        self.supervisor.call_began(lane, name, kind);
    }

    fn call_moved(&self, lane: usize, name: Name) {
        self.supervisor.call_moved(lane, name);
    }

    /// How long it took, the supervisor of this session measures.
    fn call_ended(&self, lane: usize, _took: Option<Duration>) {
        self.supervisor.call_ended(lane);
    }

    fn emit(&self, output: O, amount: Amount) -> Result<(), Discarded> {
        self.supervisor.emit(output, amount)
    }

    /// Its inputs are asked for by the other process.
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
            if self.supervisor.discarding() {
                return Err(Discarded);
            }
            guard = changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    fn fail(&self, error: CodecError) {
        self.supervisor.fail(error);
    }

    fn tell(&self, told: O) {
        self.supervisor.tell(told);
    }

    fn publish(&self, facts: Facts) {
        self.supervisor.publish(facts);
    }

    fn set_delay(&self, delay: Option<usize>) {
        self.supervisor.set_delay(delay);
    }

    /// The other process ends this one from outside.
    fn set_kill_hook(&self, _hook: KillHook) {}

    fn discarding(&self) -> bool {
        self.supervisor.discarding()
    }

    fn others_awaited(&self) {
        self.supervisor.others_awaited(true);
    }

    fn others_done(&self) {
        self.supervisor.others_awaited(false);
    }

    /// No other session opens in this process.
    fn begin_opening(&self) -> Result<Opening, CodecError> {
        Ok(Opening::unsupervised())
    }

    /// The other process looks at all threads of this one.
    fn set_witness(&self, _witness: Arc<dyn Witness>) {}

    fn extend_witness(&self, _witness: Arc<dyn Witness>) {}

    fn lane_begins(&self, name: &str) -> (usize, String) {
        let index = self.lanes.fetch_add(1, Ordering::Relaxed);
        self.supervisor.lane_began(index, name);
        (index, name.to_owned())
    }

    fn lane_ended(&self, lane: usize, ended: Result<(), LaneFault>) {
        let error = ended.err().map(|fault| match fault {
            LaneFault::Failed(error) => error,
            LaneFault::Panicked(message) => CodecError::Panicked(message),
        });
        self.supervisor.lane_ended(lane, error);
    }
}

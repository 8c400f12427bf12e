// SPDX-License-Identifier: MPL-2.0
//! Calls that a thread in another process makes for a session: whoever learns of them
//! reports them here, and they are watched like those of a lane.

use std::sync::Arc;
use std::time::Duration;

use crate::lane::Host;
use crate::machine::CallKind;
use crate::{CodecError, Name};

/// The calls of one thread; one at a time is in flight.
pub struct RemoteCalls<O> {
    host: Arc<dyn Host<O>>,
    index: usize,
    /// It is a lane of its own, which ends with this.
    is_lane: bool,
}

impl<O> std::fmt::Debug for RemoteCalls<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteCalls")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

impl<O> RemoteCalls<O> {
    pub(crate) fn of_lane(host: Arc<dyn Host<O>>, index: usize) -> Self {
        Self {
            host,
            index,
            is_lane: false,
        }
    }

    pub(crate) fn of_remote_lane(host: Arc<dyn Host<O>>, name: &str) -> Self {
        let (index, _thread_name) = host.lane_begins(name);
        Self {
            host,
            index,
            is_lane: true,
        }
    }

    /// A call has begun; one that was in flight is forgotten.
    pub fn began(&self, name: Name, kind: CallKind) {
        self.host.call_began(self.index, name, kind);
    }

    /// The call in flight has reached another part of the codec.
    pub fn moved(&self, name: Name) {
        self.host.call_moved(self.index, name);
    }

    /// The call in flight has returned.
    pub fn ended(&self) {
        self.host.call_ended(self.index, None);
    }

    /// The call in flight has returned, and took so long: it may be heard of later.
    pub fn ended_after(&self, took: Duration) {
        self.host.call_ended(self.index, Some(took));
    }

    /// The session has [room](crate::Session::has_room) for an input again.
    pub fn made_room(&self) {
        self.host.made_room();
    }

    /// The thread begins or ends a wait for something that the codec cannot influence,
    /// as in [`Lane::wait_for_others`](crate::Lane::wait_for_others).
    pub fn others_awaited(&self, begins: bool) {
        if begins {
            self.host.others_awaited();
        } else {
            self.host.others_done();
        }
    }

    /// The thread has failed; ends the run.
    pub fn failed(&self, error: CodecError) {
        self.host.fail(error);
    }
}

impl<O> Drop for RemoteCalls<O> {
    fn drop(&mut self) {
        if self.is_lane {
            self.host.call_ended(self.index, None);
            self.host.lane_ended(self.index, Ok(()));
        }
    }
}

// SPDX-License-Identifier: MPL-2.0
//! Closes the session of a run, while a thread waits or in the background.

use std::sync::atomic::Ordering;

use super::{CloseResult, Run};
use crate::clock::now;
use crate::machine::Event;
use crate::outcome::Fault;
use crate::state::State;
use crate::{open_permit, retirement};

impl<I: Send + 'static, O: Send + 'static> Run<I, O> {
    /// Requests the close of the session, whatever it is doing, and starts the clock of
    /// the close. Does not wait.
    pub fn request_close(&self) {
        let shared = &*self.shared;
        let mut state = shared.lock();
        if state.closing {
            return;
        }
        if state.closed() {
            if !(state.flowed() && state.inbox.is_empty()) {
                // Outputs from before its end are dropped, or nobody says any more that the
                // last one has been pushed: waits for their delivery must end.
                state.closing = true;
                let left = state.take_queues(now());
                shared.wake_all();
                drop(state);
                drop(left);
            }
            return;
        }
        state.closing = true;
        shared.told_to_close.store(true, Ordering::Release);
        let left = state.take_queues(now());
        let predecessor = state.predecessor.take();
        shared.note(&mut state, Event::CloseBegan);
        shared.wake_all();
        drop(state);
        // The worker may wait for a permit to open, or for the predecessor.
        open_permit::wake();
        if let Some(predecessor) = &predecessor {
            let _state = predecessor.lock();
            predecessor.wake_element();
        }
        drop((predecessor, left));
    }

    /// Closes the session, whatever it is doing, and waits for the end of its threads:
    /// for the close budget at most, counted from the request to close.
    pub fn close(&self) -> CloseResult {
        self.request_close();
        self.wait_closed()
    }

    /// Waits until the session is closed and its threads have ended: for its close
    /// budget at most, once it closes. Then its threads are sampled: a session that
    /// demonstrably works is [`CloseResult::Retiring`], and must be passed to
    /// [`retire`](Self::retire); any other is abandoned. Until the close begins, the
    /// output task drives the session.
    pub fn wait_closed(&self) -> CloseResult {
        self.wait_closed_unless(|_| false)
    }

    /// The same, but [`cancel`](Self::cancel) ends the wait: a session that is still
    /// closing then is [`CloseResult::Retiring`], too.
    pub fn wait_closed_until_cancelled(&self) -> CloseResult {
        self.wait_closed_unless(|state| state.cancelled)
    }

    fn wait_closed_unless(&self, stop_waiting: impl Fn(&State<I, O>) -> bool) -> CloseResult {
        let state = self.shared.wait_closed(&stop_waiting);
        let mut state = self.shared.wait_reported(state, &stop_waiting);
        match state.stuck_close.take() {
            Some(fault) => CloseResult::Abandoned(Some(fault)),
            None if state.closed() => CloseResult::Closed,
            None if state.abandoned => CloseResult::Abandoned(None),
            None => CloseResult::Retiring,
        }
    }

    /// Closes the session in the background. Returns at once. From now on the
    /// retirement thread drives the session, and abandons it when its threads are
    /// asleep, or at the end of `slow-limit`. Until it ends, the ledger counts it as
    /// retiring.
    ///
    /// `on_wedge` is called if the session is abandoned and that fault has not been
    /// reported otherwise; on the retirement thread, without any lock. It should not
    /// block: the other sessions wait meanwhile. If it is not called, it is dropped,
    /// there or here.
    pub fn retire(&self, on_wedge: impl FnOnce(&Fault) + Send + 'static) {
        self.request_close();
        {
            let mut state = self.shared.lock();
            if state.closed() && state.stuck_close.is_none() {
                return;
            }
            // The retirement thread drives it already.
            if state.in_retirement && !state.closed() && !state.abandoned {
                return;
            }
            self.shared.count_as_retiring(&mut state);
            state.in_retirement = true;
        }
        retirement::hold(self.shared.clone(), Box::new(on_wedge));
    }
}

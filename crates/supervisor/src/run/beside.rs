// SPDX-License-Identifier: MPL-2.0
//! Enters the codec of a run beside its worker.

use super::Run;
use crate::host::host;
use crate::lane::{Host, Lane, LaneFault, guarded};
use crate::state::{Shared, State};
use crate::sync::thread;
use crate::{CodecError, Phase};

/// Lanes beside the worker that a session may have at once. Callers wait for them, so
/// more than one or two means that they hang.
const SIDE_LANES: usize = 4;

impl<I: Send + 'static, O: Send + 'static> Run<I, O> {
    /// Runs `body` on a further thread of the session, a lane as those that it
    /// [spawns](Lane::spawn) itself: for what a codec takes on any thread, also while
    /// its worker waits for downstream. Does not wait for it.
    ///
    /// Its calls are watched, but owe nothing while downstream blocks the session. A
    /// panic ends the run. The session counts as closed when the thread has ended, too.
    ///
    /// False if the session does not run, if four such threads do already, or if the
    /// system cannot start one. Then `body` was not called.
    pub fn beside(&self, name: &str, body: impl FnOnce(&Lane<O>) + Send + 'static) -> bool {
        let shared = self.shared.clone();
        let index = {
            let mut state = shared.lock();
            if !may_begin(&state) {
                return false;
            }
            state.side_lanes_busy += 1;
            state.lanes += 1;
            state.side_lanes_free.pop().unwrap_or_else(|| {
                state.lanes_begun += 1;
                state.lanes_begun - 1
            })
        };
        let lane = Lane::new(host(&shared), index);
        let thread_name = format!("{}:{name}", shared.name);
        let spawned = thread::Builder::new().name(thread_name).spawn(move || {
            let ended = guarded(|| {
                body(&lane);
                Ok::<_, CodecError>(())
            });
            end(&shared, index, ended);
        });
        if spawned.is_err() {
            end(&self.shared, index, Ok(()));
        }
        spawned.is_ok()
    }
}

/// Whether a lane may begin: not after the session has ended.
fn may_begin<I, O>(state: &State<I, O>) -> bool {
    let phase = state.machine.phase();
    let runs = matches!(phase, Phase::Running | Phase::Draining);
    let ends = state.spent || state.closing || state.abandoned;
    runs && !ends && state.side_lanes_busy < SIDE_LANES
}

fn end<I, O>(shared: &Shared<I, O>, index: usize, ended: Result<(), LaneFault>)
where
    I: Send + 'static,
    O: Send + 'static,
{
    {
        let mut state = shared.lock();
        state.side_lanes_busy -= 1;
        state.side_lanes_free.push(index);
    }
    shared.lane_ended(index, ended);
}

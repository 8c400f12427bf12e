// SPDX-License-Identifier: MPL-2.0
//! The shared part of a run, as the host of its session's lanes.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::now;
use crate::kill_hook::{KillHook, run_kill_hook};
use crate::lane::{Discarded, Host, LaneFault};
use crate::machine::{CallKind, Event};
use crate::opening::Opening;
use crate::state::{Shared, Waiting};
use crate::telling::Facts;
use crate::witness::Joined;
use crate::{Amount, Change, CodecError, Name, Witness, ledger, open_permit, retirement};

/// Outputs that may wait for downstream before the codec's lanes block. A few, so that
/// the codec works on while one is pushed; not many, since each may hold a picture.
pub(crate) const OUTBOX: usize = 4;

impl<I: Send + 'static, O: Send + 'static> Host<O> for Shared<I, O> {
    fn call_began(&self, lane: usize, name: Name, kind: CallKind) {
        let mut state = self.lock();
        self.note(&mut state, Event::CallBegan { lane, name, kind });
    }

    fn call_moved(&self, lane: usize, name: Name) {
        let mut state = self.lock();
        self.note(&mut state, Event::CallMoved { lane, name });
    }

    fn call_ended(&self, lane: usize, took: Option<Duration>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        if let Some((name, since)) = state.machine.call_in_flight(lane) {
            let took = took.unwrap_or_else(|| now().saturating_duration_since(since));
            state.call_times.observe(&self.meter, name, took);
        }
        self.note(state, Event::CallEnded { lane, took });
    }

    fn emit(&self, output: O, amount: Amount) -> Result<(), Discarded> {
        if let Some(trace) = &self.trace {
            (trace.emitted)(self.id, &output);
        }
        let mut state = self.lock();
        while state.outbox.len() >= OUTBOX && !state.discarding() {
            state = self.wait(&self.outlet, state);
        }
        if state.discarding() {
            state.machine.handle(now(), Event::Discarded { amount });
            drop(state);
            drop(output);
            return Err(Discarded);
        }
        let told = state.telling.told();
        state.outbox.push_back(Waiting {
            output,
            amount,
            told,
        });
        state.machine.handle(now(), Event::Output { amount });
        self.output.notify_all();
        Ok(())
    }

    fn made_room(&self) {
        // Not while the worker is between its question and its wait.
        let state = self.lock();
        self.command.notify_all();
        drop(state);
    }

    fn signal(&self) {
        self.lock().signalled = true;
        self.outlet.notify_all();
    }

    fn wait_for_signal(&self) -> Result<(), Discarded> {
        let mut state = self.lock();
        loop {
            if state.discarding() {
                return Err(Discarded);
            }
            if std::mem::take(&mut state.signalled) {
                return Ok(());
            }
            state = self.wait(&self.outlet, state);
        }
    }

    fn fail(&self, error: CodecError) {
        self.fail(&mut self.lock(), LaneFault::Failed(error).into());
    }

    fn discarding(&self) -> bool {
        self.lock().discarding()
    }

    fn begin_opening(&self) -> Result<Opening, CodecError> {
        Opening::again(self)
    }

    fn set_witness(&self, witness: Arc<dyn Witness>) {
        let replaced = self.lock().witness.replace(witness);
        drop(replaced);
    }

    fn extend_witness(&self, witness: Arc<dyn Witness>) {
        let mut state = self.lock();
        state.witness = Some(match state.witness.take() {
            Some(present) => Arc::new(Joined([present, witness])),
            None => witness,
        });
    }

    fn others_awaited(&self) {
        self.note(&mut self.lock(), Event::OthersAwaited);
    }

    fn others_done(&self) {
        self.note(&mut self.lock(), Event::OthersDone);
    }

    fn tell(&self, told: O) {
        self.tell_listener(told);
    }

    fn publish(&self, facts: Facts) {
        let mut state = self.lock();
        let replaced = state.telling.publish(facts);
        self.output.notify_all();
        drop(state);
        drop(replaced);
    }

    fn set_delay(&self, delay: Option<usize>) {
        self.note(&mut self.lock(), Event::DelayChanged { delay });
    }

    fn set_kill_hook(&self, hook: KillHook) {
        let mut state = self.lock();
        if state.abandoned {
            // There was no hook when it was abandoned.
            drop(state);
            return run_kill_hook(Some(hook));
        }
        let replaced = state.kill_hook.replace(hook);
        drop(state);
        drop(replaced);
    }

    fn lane_begins(&self, name: &str) -> (usize, String) {
        let mut state = self.lock();
        let index = state.lanes_begun;
        state.lanes_begun += 1;
        state.lanes += 1;
        (index, format!("{}:{name}", self.name))
    }

    fn lane_ended(&self, _lane: usize, ended: Result<(), LaneFault>) {
        let mut state = self.lock();
        let mut unused = None;
        let mut made_room = false;
        state.lanes -= 1;
        if let Err(fault) = ended {
            self.fail(&mut state, fault.into());
        }
        if state.closed() {
            state.machine.handle(now(), Event::Closed);
            if state.abandoned && state.holds_codec() {
                ledger().change(&self.library.name, Change::Reclaimed);
                made_room = true;
            } else if std::mem::take(&mut state.retiring) {
                ledger().change(&self.library.name, Change::RetirementEnded);
                made_room = true;
            }
            self.wake_all();
            if state.in_retirement {
                retirement::wake();
            }
            unused = state.kill_hook.take();
        }
        drop(state);
        drop(unused);
        if made_room {
            // A session may be waiting for the number of such workers to fall.
            open_permit::wake();
        }
    }
}

/// The shared part of a run, as its lanes use it.
pub(crate) fn host<I, O>(shared: &Arc<Shared<I, O>>) -> Arc<dyn Host<O>>
where
    I: Send + 'static,
    O: Send + 'static,
{
    shared.clone()
}

// SPDX-License-Identifier: MPL-2.0
//! Fetches the output of a run, and drives its machine meanwhile.

use super::{Next, Run, Slow};
use crate::clock::now;
use crate::driver::Obeyed;
use crate::machine::Event;
use crate::state::Waiting;

impl<I: Send + 'static, O: Send + 'static> Run<I, O> {
    /// Waits for the next thing that the output task has to do, and drives the machine
    /// meanwhile. A call means that downstream has taken the previous output. The next
    /// one comes when the listener has handled what the session told before it, or takes
    /// too long.
    pub fn next(&self) -> Next<O> {
        let shared = &*self.shared;
        let mut state = shared.lock();
        if state.machine.downstream().1 {
            state.machine.handle(now(), Event::PushEnded);
            // Not for every output: a thread that waits for a drain waits for the last one.
            if state.flowed() {
                shared.element.notify_all();
            }
        }
        loop {
            // First the machine's decisions: they hold only now.
            let obeyed;
            (state, obeyed) = shared.obey(state);
            match obeyed {
                Obeyed::Nothing => {}
                Obeyed::Something => continue,
                Obeyed::Slow(evidence) => {
                    return Next::Slow(Box::new(Slow {
                        id: shared.id,
                        evidence,
                        at: state.machine.snapshot(now()),
                    }));
                }
            }
            if state.cancelled {
                return Next::Cancelled;
            }
            if state.telling.take_facts_changed() {
                return Next::FactsChanged;
            }
            let now = now();
            let waits = state.output_waits_until(now);
            if waits.is_none() {
                if let Some(Waiting { output, amount, .. }) = state.outbox.pop_front() {
                    state.machine.handle(now, Event::OutputTaken { amount });
                    shared.outlet.notify_all();
                    return Next::Output(output);
                }
                if state.outcome.is_some() || state.spent || state.closing {
                    return Next::Ended;
                }
            }
            let until = match state.machine.deadline() {
                Some((at, _)) if at <= now => {
                    state.machine.handle(now, Event::Tick);
                    continue;
                }
                Some((at, _)) => Some(at),
                // With nothing owed, the task first sleeps until the soonest deadline
                // that a new debt could have, so that in a steady flow no input has to
                // wake it. In an idle pipeline it then sleeps without a deadline.
                None => state.machine.soonest(now),
            };
            let until = [until, waits].into_iter().flatten().min();
            state.sleeping = Some(until);
            state = shared.wait_until(&shared.output, state, until);
            state.sleeping = None;
        }
    }
}

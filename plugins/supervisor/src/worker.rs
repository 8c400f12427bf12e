// SPDX-License-Identifier: MPL-2.0
//! The worker: the thread that opens, uses and closes a session. It never looks
//! at the clock; who watches it does.

use std::sync::Arc;

use crate::lane::{Host, Lane, LaneFault, guarded};
use crate::machine::Event;
use crate::open_lane::Turn;
use crate::outcome::{FaultCause, Outcome};
use crate::procfs::ThreadSet;
use crate::run::Run;
use crate::session::{Codec, CodecError, Drained, Flush, Session};
use crate::state::{Command, Shared, host};

type Input<C> = <<C as Codec>::Session as Session>::Input;
type Output<C> = <<C as Codec>::Session as Session>::Output;

/// The body of the worker's thread.
pub(crate) fn work<C: Codec>(
    codec: C,
    shared: &Arc<Shared<Input<C>, Output<C>>>,
    predecessor: Option<Run<Input<C>, Output<C>>>,
) {
    let lane = Lane::new(host(shared), 0);
    if let Some(predecessor) = predecessor {
        // Bounded by the predecessor's own budgets; how it ends is its own
        // affair and counted there.
        let _ = predecessor.wait_closed();
    }
    let ended = match open(codec, shared, &lane) {
        Ok(Some(mut session)) => {
            let worked = serve(&mut session, shared, &lane);
            if let Err(fault) = worked {
                report(shared, fault);
            }
            close(session, shared, &lane)
        }
        Ok(None) => Ok(()),
        Err(fault) => Err(fault),
    };
    shared.lane_ended(ended);
}

/// Waits for a turn and opens. `None`: the run was closed before its turn came.
fn open<C: Codec>(
    codec: C,
    shared: &Arc<Shared<Input<C>, Output<C>>>,
    lane: &Lane<Output<C>>,
) -> Result<Option<C::Session>, LaneFault> {
    let budgets = *shared.lock().machine.budgets();
    let bound = if budgets.open.is_zero() {
        budgets.slow_limit
    } else {
        budgets.open
    };
    let library = shared.library;
    let turn = Turn::take(library.name, shared.id, bound, || shared.lock().closing);
    let Some(turn) = turn else {
        if shared.lock().closing {
            return Ok(None);
        }
        return Err(LaneFault::Failed(CodecError::Resource(format!(
            "another session of {} has been opening for more than {bound:.1?}",
            library.name
        ))));
    };
    // Lists threads by the worker's own name and by what the open adds.
    let mut threads = ThreadSet::before_open(&shared.name, library.thread_names);
    {
        let mut state = shared.lock();
        state.threads = Some(threads.clone());
        shared.note(&mut state, Event::OpenBegan);
    }
    let session = guarded(|| codec.open(lane))?;
    threads.opened();
    let delay = session.delay();
    {
        let mut state = shared.lock();
        state.threads = Some(threads);
        shared.note(&mut state, Event::Opened { delay });
    }
    drop(turn);
    Ok(Some(session))
}

/// Does what the inbox says until the session is to be closed.
fn serve<S: Session>(
    session: &mut S,
    shared: &Arc<Shared<S::Input, S::Output>>,
    lane: &Lane<S::Output>,
) -> Result<(), LaneFault> {
    while let Some(command) = next_command(shared) {
        match command {
            Command::Input(input) => guarded(|| session.send(lane, input))?,
            Command::Flush => {
                let flushed = guarded(|| session.flush(lane))?;
                let mut state = shared.lock();
                state.flushing = false;
                state.spent |= flushed == Flush::NeedsNewSession;
                shared.note(&mut state, Event::Flushed);
                shared.element.notify_all();
            }
            Command::Drain { last } => {
                {
                    let mut state = shared.lock();
                    shared.note(&mut state, Event::DrainBegan);
                }
                let drained = guarded(|| session.drain(lane))?;
                let mut state = shared.lock();
                // What was dropped on the way cannot be complete.
                let whole = !state.discarding();
                shared.note(&mut state, Event::Drained);
                state.drains += 1;
                if last || drained == Drained::Spent {
                    state.spent = true;
                    if whole {
                        state.outcome = Some(Outcome::Completed);
                    }
                }
                shared.element.notify_all();
                shared.output.notify_all();
            }
        }
    }
    Ok(())
}

fn next_command<I: Send, O: Send>(shared: &Shared<I, O>) -> Option<Command<I>> {
    let mut state = shared.lock();
    loop {
        if state.closing || state.spent || state.abandoned {
            return None;
        }
        if let Some(command) = state.inbox.pop_front() {
            shared.note(
                &mut state,
                Event::Taken {
                    frames: command.frames(),
                },
            );
            shared.element.notify_all();
            return Some(command);
        }
        state = shared.wait(&shared.command, state);
    }
}

fn close<S: Session>(
    session: S,
    shared: &Arc<Shared<S::Input, S::Output>>,
    lane: &Lane<S::Output>,
) -> Result<(), LaneFault> {
    {
        let mut state = shared.lock();
        shared.note(&mut state, Event::CloseBegan);
        // Whoever waits for the close has a deadline from now on.
        shared.element.notify_all();
    }
    guarded(|| session.close(lane))
}

fn report<I: Send, O: Send>(shared: &Shared<I, O>, fault: LaneFault) {
    let mut state = shared.lock();
    let cause = match fault {
        LaneFault::Failed(error) => FaultCause::Failed(error),
        LaneFault::Panicked(message) => FaultCause::Panicked(message),
    };
    shared.fail(&mut state, cause);
}

// SPDX-License-Identifier: MPL-2.0
//! The worker: the thread that opens, uses and closes a session. It never reads the
//! clock; its watchdog does.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::clock::now;
use crate::host::host;
use crate::lane::{Host, Lane, LaneFault, guarded};
use crate::machine::Event;
use crate::opening::Opening;
use crate::outcome::Outcome;
use crate::question::Question;
use crate::session::{Codec, CodecError, Drained, Flush, Session};
use crate::state::{Command, Shared, Work};
use crate::{Change, ledger};

type Input<C> = <<C as Codec>::Session as Session>::Input;
type Output<C> = <<C as Codec>::Session as Session>::Output;

/// The body of the worker's thread.
pub(crate) fn work<C: Codec>(
    codec: C,
    shared: &Arc<Shared<Input<C>, Output<C>>>,
    max_abandoned: usize,
) {
    let lane = Lane::new(host(shared), 0);
    // Guarded as a whole: foreign code also runs in `delay` and in drops, and this lane
    // must end in any case.
    let ended = guarded(|| live(codec, shared, &lane, max_abandoned));
    shared.lane_ended(0, ended);
    // Drops unprocessed commands, such as a flush that came during the last drain. No
    // more follow.
    let left = shared.lock().release_inbox(now());
    drop(left);
    shared.tell_undelivered();
}

fn live<C: Codec>(
    codec: C,
    shared: &Arc<Shared<Input<C>, Output<C>>>,
    lane: &Lane<Output<C>>,
    max_abandoned: usize,
) -> Result<(), LaneFault> {
    let predecessor = shared.lock().predecessor.clone();
    if let Some(predecessor) = predecessor {
        // Bounded by the predecessor's own budgets; its end is counted there.
        predecessor.wait_over(|| shared.told_to_close.load(Ordering::Acquire));
        let same = shared.lock().predecessor.take();
        drop((predecessor, same));
    }
    let mut codec = codec;
    guarded(|| codec.wait_for_turn(lane))?;
    let Some(mut session) = open(codec, shared, lane, max_abandoned)? else {
        return Ok(());
    };
    if let Err(fault) = serve(&mut session, shared, lane) {
        shared.fail(&mut shared.lock(), fault.into());
    }
    // Its close may take long.
    shared.tell_undelivered();
    guarded(|| session.close(lane))
}

/// Waits for a permit and opens. `None`: the run was closed before its permit came.
fn open<C: Codec>(
    codec: C,
    shared: &Arc<Shared<Input<C>, Output<C>>>,
    lane: &Lane<Output<C>>,
    max_abandoned: usize,
) -> Result<Option<C::Session>, LaneFault> {
    let Some(permit) = Opening::first(shared, max_abandoned)? else {
        return Ok(None);
    };
    let opening = Opening::under(Some(permit), &shared.threads);
    {
        let mut state = shared.lock();
        if state.closing {
            return Ok(None);
        }
        state.witness = Some(shared.threads.clone());
        shared.note(&mut state, Event::OpenBegan);
    }
    let session = guarded(|| codec.open(lane))?;
    let delay = session.delay();
    drop(opening);
    ledger().change(&shared.library.name, Change::Opened);
    shared.note(&mut shared.lock(), Event::Opened { delay });
    Ok(Some(session))
}

/// Executes the commands of the inbox until the session has to close.
fn serve<S: Session>(
    session: &mut S,
    shared: &Arc<Shared<S::Input, S::Output>>,
    lane: &Lane<S::Output>,
) -> Result<(), LaneFault> {
    let mut answered = false;
    while let Some(work) = next_work(session, shared, answered) {
        answered = matches!(work, Work::Question(_));
        let command = match work {
            Work::Command(command) => command,
            Work::Question(question) => {
                answer(session, shared, lane, question)?;
                continue;
            }
        };
        match command {
            Command::Input(input, _) => {
                if let Some(trace) = &shared.trace {
                    (trace.taken)(shared.id, &input);
                }
                guarded(|| session.send(lane, input))?;
            }
            Command::Ask(question) => {
                shared.note(&mut shared.lock(), Event::QuestionBegan);
                answer(session, shared, lane, question)?;
            }
            Command::Flush => {
                {
                    let mut state = shared.lock();
                    shared.note(&mut state, Event::FlushBegan);
                }
                let flushed = guarded(|| session.flush(lane))?;
                let mut state = shared.lock();
                shared.note(&mut state, Event::Flushed);
                match flushed {
                    // Another flush may have been requested meanwhile.
                    Flush::Done => state.flushing = state.inbox.iter().any(Command::is_flush),
                    // Output that still comes is what the flush was to drop.
                    Flush::NeedsNewSession => shared.spend(&mut state),
                }
                shared.wake_element();
            }
            Command::Drain { ticket, last } => {
                {
                    let mut state = shared.lock();
                    shared.note(&mut state, Event::DrainBegan);
                }
                let drained = guarded(|| session.drain(lane))?;
                let mut state = shared.lock();
                // If outputs were discarded meanwhile, the drain is not complete.
                let whole = !state.discarding();
                shared.note(&mut state, Event::Drained);
                state.drains_done = ticket;
                if last || drained == Drained::Spent {
                    if whole {
                        shared.conclude(&mut state, Outcome::Completed);
                    }
                    shared.spend(&mut state);
                }
                shared.wake_element();
            }
        }
    }
    Ok(())
}

fn answer<S: Session>(
    session: &mut S,
    shared: &Shared<S::Input, S::Output>,
    lane: &Lane<S::Output>,
    question: Question<S::Output>,
) -> Result<(), LaneFault> {
    let answered = guarded(|| {
        question.put_to(session, lane);
        Ok::<_, CodecError>(())
    });
    shared.note(&mut shared.lock(), Event::QuestionEnded);
    shared.element.notify_all();
    answered
}

/// `answered`: the last was a question; a waiting command goes before another one.
fn next_work<S: Session>(
    session: &S,
    shared: &Shared<S::Input, S::Output>,
    answered: bool,
) -> Option<Work<S::Input, S::Output>> {
    let can_be_taken =
        |command: &Command<_, _>| !matches!(command, Command::Input(..)) || session.has_room();
    let mut state = shared.lock();
    loop {
        if state.closing || state.spent {
            return None;
        }
        let is_ready = state.inbox.front().is_some_and(can_be_taken);
        let is_commands_turn = answered && is_ready;
        if !is_commands_turn && let Some(question) = state.questions.pop() {
            shared.note(&mut state, Event::QuestionBegan);
            return Some(Work::Question(question));
        }
        if is_ready && let Some(command) = state.inbox.pop_front() {
            shared.note(
                &mut state,
                Event::Taken {
                    amount: command.amount(),
                },
            );
            if state.runs_low() {
                shared.room.notify_all();
            }
            return Some(Work::Command(command));
        }
        state.awaits_room = !state.inbox.is_empty();
        state = shared.wait(&shared.command, state);
        state.awaits_room = false;
    }
}

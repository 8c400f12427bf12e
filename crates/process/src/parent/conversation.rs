// SPDX-License-Identifier: MPL-2.0
//! Requests to a child and its answers: the worker asks, the reader answers for the child.
//!
//! While a request is unanswered, a call is in flight: that of the codec which the child
//! reports, otherwise one that has the program's name. So a child that does nothing owes
//! progress, too.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use codecwatch_supervisor::{CallKind, CodecError, Name, RemoteCalls};

use crate::message::Reply;
use crate::wire::Broken;

/// The call in flight while the child is in none of the codec's.
pub(crate) const CALL: Name = Name::from_static("codecwatch-worker");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    Open,
    Input,
    Ask,
    Drain,
    Flush,
    Close,
}

pub(crate) struct Conversation<O> {
    calls: RemoteCalls<O>,
    /// The most inputs that are unanswered.
    inputs: usize,
    /// One more may be sent. Outside of the state, so that it can be read under any lock.
    has_room: AtomicBool,
    state: Mutex<State>,
    outside: Mutex<Outside>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Unanswered requests, oldest first.
    pending: VecDeque<Request>,
    /// The answer to the latest request that is no input.
    answer: Option<Result<Reply, CodecError>>,
    /// An input has failed.
    failure: Option<CodecError>,
    /// The child is gone.
    end: Option<CodecError>,
    /// The child has closed its session.
    closed: bool,
}

impl State {
    /// The answer to the latest request that is no input, if there is one; or what has come
    /// instead.
    fn take_answer(&mut self) -> Option<Result<Reply, CodecError>> {
        match self.answer.take() {
            Some(answer) => Some(self.failure.take().map_or(answer, Err)),
            None => self.end.clone().map(Err),
        }
    }
}

/// Waits of the child for the pipeline around it.
#[derive(Debug, Default)]
struct Outside {
    /// Waits that it says it is in.
    claimed: u32,
    /// What it has asked of the pipeline and has no answer to.
    asked: u32,
    /// Whether the time is not the codec's.
    excused: bool,
}

impl<O> Conversation<O> {
    /// `calls`: those of the child's main lane. `inputs`: how many may be unanswered.
    pub(crate) fn new(calls: RemoteCalls<O>, inputs: usize) -> Self {
        Self {
            calls,
            inputs,
            has_room: AtomicBool::new(true),
            state: Mutex::default(),
            outside: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an input may be sent.
    pub(crate) fn has_room(&self) -> bool {
        self.has_room.load(Ordering::Acquire)
    }

    fn make_room(&self) {
        if !self.has_room.swap(true, Ordering::AcqRel) {
            self.calls.made_room();
        }
    }

    /// To be called before a request is sent; before an input, if there is room for it.
    ///
    /// # Errors
    /// The child is gone, or has failed at an earlier input.
    pub(crate) fn begin(&self, request: Request) -> Result<(), CodecError> {
        let mut state = self.lock();
        // The session is closed after a failure, too.
        if request != Request::Close {
            state.failure.take().map_or(Ok(()), Err)?;
        }
        state.end.clone().map_or(Ok(()), Err)?;
        if state.pending.is_empty() {
            self.calls.began(CALL, CallKind::StandsIn);
        }
        state.pending.push_back(request);
        if state.pending.len() >= self.inputs {
            self.has_room.store(false, Ordering::Release);
        }
        Ok(())
    }

    /// A codec's delay, as the parent sees it: the inputs on their way are inside, too. With
    /// less, a wait of the codec for more input would be taken for a call that should return,
    /// and named instead of the one that hangs.
    pub(crate) fn delay_of(&self, delay: Option<u32>) -> Option<usize> {
        delay.map(|delay| (delay as usize).saturating_add(self.inputs))
    }

    /// Waits for the answer to the latest request, which is no input.
    ///
    /// # Errors
    /// The request has failed, or the child is gone.
    pub(crate) fn answer(&self) -> Result<Reply, CodecError> {
        let mut state = self.lock();
        loop {
            if let Some(answer) = state.take_answer() {
                return answer;
            }
            state = self.wait(state);
        }
    }

    /// Waits for the answer to a close, for so long at most. `None`: there is none, and the
    /// end of the child is its close.
    pub(crate) fn close_within(&self, limit: Duration) -> Option<Result<Reply, CodecError>> {
        let begin = Instant::now();
        let mut state = self.lock();
        loop {
            if let Some(answer) = state.take_answer() {
                return Some(answer);
            }
            let left = limit.saturating_sub(begin.elapsed());
            if left.is_zero() {
                state.closed = true;
                return None;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether the child has closed its session.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The child has answered the oldest request. Returns the error of an input, which
    /// nobody may be waiting for.
    ///
    /// # Errors
    /// There is no request, or it is the answer to another one.
    pub(crate) fn answered(
        &self,
        answer: Result<Reply, CodecError>,
    ) -> Result<Option<CodecError>, Broken> {
        let mut state = self.lock();
        let request = state.pending.pop_front();
        let request = request.ok_or_else(|| Broken::new("an answer to no request"))?;
        if let Ok(reply) = &answer
            && !request.is_answered_by(reply)
        {
            return Err(Broken::new(format!(
                "{reply:?} is no answer to {request:?}"
            )));
        }
        if state.pending.is_empty() {
            self.calls.ended();
        }
        state.closed |= request == Request::Close;
        let mut failed = None;
        match (request, answer) {
            (Request::Input, Ok(_)) => {}
            (Request::Input, Err(error)) => {
                state.failure.get_or_insert_with(|| error.clone());
                failed = Some(error);
            }
            (_, answer) => state.answer = Some(answer),
        }
        // After a failure the session ends, and what is in line stays there.
        if state.failure.is_none() {
            self.make_room();
        }
        self.changed.notify_all();
        Ok(failed)
    }

    /// A call of the codec has begun on the child's main lane.
    pub(crate) fn call_began(&self, name: Name, kind: CallKind) {
        self.calls.began(name, kind);
    }

    pub(crate) fn call_moved(&self, name: Name) {
        self.calls.moved(name);
    }

    pub(crate) fn call_ended(&self, took: Duration) {
        self.calls.ended_after(took);
        let state = self.lock();
        if !state.pending.is_empty() {
            self.calls.began(CALL, CallKind::StandsIn);
        }
    }

    /// The child says that it begins or ends a wait for the pipeline around it.
    ///
    /// # Errors
    /// It ends more of them than it has begun.
    pub(crate) fn others_awaited(&self, begins: bool) -> Result<(), Broken> {
        let claims = |outside: &mut Outside| {
            let claimed = if begins {
                outside.claimed.checked_add(1)
            } else {
                outside.claimed.checked_sub(1)
            };
            claimed.map(|claimed| outside.claimed = claimed)
        };
        let done = self.note_outside(claims);
        done.ok_or_else(|| Broken::new("the end of a wait that has not begun"))
    }

    /// The child has asked something of the pipeline around it, until this is dropped.
    pub(crate) fn asked(self: &Arc<Self>) -> Asked<O> {
        self.note_outside(|outside| outside.asked += 1);
        Asked(self.clone())
    }

    /// The time is not the codec's while the child waits for an answer that it is owed: that
    /// it waits it alone knows, and that it is owed one it could make up.
    fn note_outside<R>(&self, change: impl FnOnce(&mut Outside) -> R) -> R {
        let outside = self.outside.lock();
        let mut outside = outside.unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut outside);
        let excused = outside.claimed > 0 && outside.asked > 0;
        if excused != outside.excused {
            outside.excused = excused;
            self.calls.others_awaited(excused);
        }
        result
    }

    /// The child is gone. Returns whether it had closed its session.
    pub(crate) fn ended(&self, error: CodecError) -> bool {
        let mut state = self.lock();
        state.end = Some(error);
        self.calls.ended();
        self.make_room();
        self.changed.notify_all();
        state.closed
    }
}

/// A question of the child to the pipeline around it.
pub(crate) struct Asked<O>(Arc<Conversation<O>>);

impl<O> Drop for Asked<O> {
    fn drop(&mut self) {
        self.0
            .note_outside(|outside| outside.asked = outside.asked.saturating_sub(1));
    }
}

impl Request {
    fn is_answered_by(self, reply: &Reply) -> bool {
        matches!(
            (self, reply),
            (Self::Open, Reply::Opened { .. })
                | (Self::Input, Reply::Sent)
                | (Self::Ask, Reply::Answered)
                | (Self::Drain, Reply::Drained { .. })
                | (Self::Flush, Reply::Flushed { .. })
                | (Self::Close, Reply::Closed)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use codecwatch_supervisor::Lane;

    #[test]
    fn so_many_inputs_are_unanswered_and_no_more() {
        let (lane, _outputs) = Lane::<()>::detached();
        let conversation = Conversation::new(lane.remote_calls(), 3);
        for _ in 0..3 {
            assert!(conversation.has_room());
            conversation.begin(Request::Input).unwrap();
        }
        assert!(!conversation.has_room());
        assert_eq!(conversation.answered(Ok(Reply::Sent)), Ok(None));
        assert!(conversation.has_room());
        conversation.begin(Request::Input).unwrap();
        assert!(!conversation.has_room());
        let failed = CodecError::Settings("it fails".to_owned());
        assert_eq!(conversation.answered(Err(failed.clone())), Ok(Some(failed)));
        assert!(!conversation.has_room(), "the session ends");
        conversation.ended(CodecError::Settings("it ends".to_owned()));
        assert!(
            conversation.has_room(),
            "whoever sends one hears of the end"
        );
        assert!(conversation.begin(Request::Input).is_err());
        assert_eq!(conversation.delay_of(Some(4)), Some(7));
        assert_eq!(conversation.delay_of(None), None);
    }
}

// SPDX-License-Identifier: MPL-2.0
//! Takes each thing that a child says to where it belongs, and trusts none of it.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use codecwatch_supervisor::{Amount, CallKind, CodecError, Lane, Name};

use super::LONGEST_TEXT;
use super::codec::Log;
use super::context::ParentContext;
use super::lanes::Lanes;
use super::sandboxed::Sandboxed;
use super::shared::Shared;
use crate::child::Sandbox;
use crate::launch::printable;
use crate::memory::{NewBlock, Returns};
use crate::message::{FromChild, FromChildOf, LONGEST_NAME, LaneEvent, Reply, ToChild};
use crate::remote::{OutputOf, Remote};
use crate::sandbox::Report;
use crate::wire::{Broken, Decoder};

/// The level of a warning in a child's log.
const WARNING: u8 = 2;
/// The most messages without an output or an answer. A codec reports a call or two for
/// each input, a chain a few for each of its elements.
const MOST_MESSAGES: u32 = 100_000;
/// A codec that gets no memory says so at once. If it has found some meanwhile, an error much
/// later has another reason.
const REFUSAL_EXPLAINS: Duration = Duration::from_secs(5);

/// `waits`: it may wait for more input.
fn kind(waits: bool) -> CallKind {
    if waits {
        CallKind::Waits
    } else {
        CallKind::Owed
    }
}

/// An error whose texts can be shown to a user.
fn shown(error: CodecError) -> CodecError {
    let text = |text: String| printable(text.as_bytes(), LONGEST_TEXT, false);
    let name = |name: Name| printable(name.as_bytes(), LONGEST_NAME, false).into();
    match error {
        CodecError::Native { call, code, reason } => CodecError::Native {
            call: name(call),
            code,
            reason: text(reason),
        },
        CodecError::Reported { part, text: said } => CodecError::Reported {
            part: name(part),
            text: text(said),
        },
        CodecError::Settings(why) => CodecError::Settings(text(why)),
        CodecError::Resource(why) => CodecError::Resource(text(why)),
        CodecError::Crashed { what } => CodecError::Crashed { what: text(what) },
        CodecError::Panicked(why) => CodecError::Panicked(text(why)),
    }
}

pub(super) struct Dispatcher<'a, R: Remote> {
    lane: &'a Lane<OutputOf<R>>,
    shared: Arc<Shared<R>>,
    context: ParentContext<R>,
    log: Option<Log>,
    /// The child's lanes but the main one.
    lanes: Lanes<OutputOf<R>>,
    /// Messages and events since the last progress.
    messages: u32,
    begun: Instant,
    greeted: bool,
    sandboxed: Sandboxed,
    /// Why it got no memory when it asked for some: then an error of the codec is one of
    /// this.
    refusal: Option<(Instant, String)>,
    /// The program is not the one that belongs to this plugin.
    mismatch: Option<String>,
}

impl<'a, R: Remote> Dispatcher<'a, R> {
    pub(super) fn new(
        lane: &'a Lane<OutputOf<R>>,
        context: ParentContext<R>,
        sandbox: Sandbox,
        log: Option<Log>,
    ) -> Self {
        Self {
            lane,
            shared: context.shared.clone(),
            context,
            log,
            lanes: Lanes::default(),
            messages: 0,
            begun: Instant::now(),
            greeted: false,
            sandboxed: Sandboxed::new(sandbox),
            refusal: None,
            mismatch: None,
        }
    }

    /// Why the program is the wrong one, if it is.
    pub(super) fn take_mismatch(&mut self) -> Option<String> {
        self.mismatch.take()
    }

    fn count_message(&mut self) -> Result<(), Broken> {
        self.messages += 1;
        if self.messages > MOST_MESSAGES {
            return Err(Broken::new(format!(
                "{MOST_MESSAGES} messages without an output or an answer"
            )));
        }
        Ok(())
    }

    /// What was read of the ring.
    ///
    /// # Errors
    /// No correct child writes it.
    pub(super) fn note_events(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let mut decoder = Decoder::default();
        decoder.push(bytes);
        while let Some(event) = decoder.take()? {
            self.count_message()?;
            self.note_event(event)?;
        }
        match decoder.is_empty() {
            true => Ok(()),
            false => Err(Broken::new("half of an event")),
        }
    }

    fn note_event(&mut self, event: LaneEvent) -> Result<(), Broken> {
        let conversation = &self.shared.conversation;
        match event {
            LaneEvent::Began { lane, name } => self.lanes.begin(lane, &name, self.lane)?,
            LaneEvent::CallBegan { lane, name, waits } => {
                let (name, kind) = (self.lanes.name(name)?, kind(waits));
                match lane {
                    0 => conversation.call_began(name, kind),
                    lane => self.lanes.calls(lane)?.began(name, kind),
                }
            }
            LaneEvent::CallMoved { lane, name } => {
                let name = self.lanes.name(name)?;
                match lane {
                    0 => conversation.call_moved(name),
                    lane => self.lanes.calls(lane)?.moved(name),
                }
            }
            LaneEvent::CallEnded { lane, took } => {
                let took = self.lanes.took(lane, took, self.begun.elapsed());
                match lane {
                    0 => conversation.call_ended(took),
                    lane => self.lanes.calls(lane)?.ended_after(took),
                }
            }
        }
        Ok(())
    }

    /// What was read of the socket.
    ///
    /// # Errors
    /// No correct child sends it.
    pub(super) fn handle(&mut self, message: FromChildOf<R>) -> Result<(), Broken> {
        self.count_message()?;
        if !self.greeted {
            return self.greet(message);
        }
        match message {
            FromChild::Ready(_) => return Err(Broken::new("it is ready twice")),
            FromChild::Sandboxed(report) => {
                let report = self.sandboxed.told(report)?;
                self.note_sandbox(report);
            }
            FromChild::Done(answer) => {
                if let Ok(Reply::Opened { .. }) = answer {
                    self.sandboxed.opened()?;
                }
                self.messages = 0;
                let answer = answer.map_err(|error| self.explained(shown(error)));
                if let Some(error) = self.shared.conversation.answered(answer)? {
                    self.lane.outlet().fail(error);
                }
            }
            // They are read whenever the socket is.
            FromChild::LaneEvents => {}
            FromChild::LaneEnded { lane, error } => {
                let calls = self.lanes.end(lane)?;
                if let Some(error) = error {
                    calls.failed(self.explained(shown(error)));
                }
            }
            FromChild::Output(output, settles) => {
                if settles != Amount::NONE || R::is_data(&output) {
                    self.messages = 0;
                }
                let output = R::unpack_output(output, &self.context)?;
                // If outputs are discarded, the child learns of it by its next request.
                let _ = self.lane.emit(output, settles);
                self.shared.taken();
            }
            FromChild::Told(told) => {
                if !R::is_told(&told) {
                    return Err(Broken::new("it tells what has its place among the outputs"));
                }
                let told = R::unpack_output(told, &self.context)?;
                self.lane.tell(told);
            }
            FromChild::Facts(facts) => {
                R::check_facts(&facts)?;
                self.lane.publish(facts);
            }
            FromChild::Delay(delay) => {
                self.lane
                    .set_delay(self.shared.conversation.delay_of(delay));
            }
            FromChild::Failed(error) => {
                let error = self.explained(shown(error));
                self.lane.outlet().fail(error);
            }
            FromChild::OthersAwaited(begins) => self.shared.conversation.others_awaited(begins)?,
            FromChild::NeedsBlock { len } => self.give(len),
            FromChild::GivesUp(block) => self.context.given.take_back(block)?,
            FromChild::Returned { lent } => drop(Returns::returned(&self.shared.returns, lent)?),
            FromChild::Answer(answer) => {
                let slot = self.shared.answer.lock();
                *slot.unwrap_or_else(PoisonError::into_inner) = Some(answer);
            }
            FromChild::BesideAnswer { number, answer } => {
                if !self.shared.besides.answered(number, answer) {
                    return Err(Broken::new(format!("an answer to no question, {number}")));
                }
            }
            FromChild::Inquires { number, inquiry } => self.context.answer(number, inquiry)?,
            FromChild::Log { level, line } => {
                if let Some(log) = &self.log {
                    log(level, &printable(line.as_bytes(), LONGEST_TEXT, false));
                }
            }
        }
        Ok(())
    }

    /// The first message.
    fn greet(&mut self, message: FromChildOf<R>) -> Result<(), Broken> {
        let FromChild::Ready(hello) = message else {
            return Err(Broken::new("it does not begin by saying that it is ready"));
        };
        let (version, kind) = (crate::VERSION, R::KIND);
        if hello.version != version || hello.kind != kind {
            let [its_version, its_kind] = [hello.version, hello.kind]
                .map(|text| printable(text.as_bytes(), LONGEST_NAME, false));
            self.mismatch = Some(format!(
                "codecwatch-worker is version {its_version} for {its_kind:?}, and version \
                 {version} for {kind:?} is needed: install it and the plugins together, or set \
                 isolate=false"
            ));
            return Err(Broken::new("it is another program"));
        }
        self.greeted = true;
        Ok(())
    }

    fn note_sandbox(&self, report: Report) {
        let process = self.shared.process;
        let missing = report.missing().join("; ");
        if let (false, Some(log)) = (missing.is_empty(), &self.log) {
            let text = format!("the sandbox of process {process} is not whole: {missing}");
            log(WARNING, &text);
        }
        self.shared.status.note_sandbox(process, report);
    }

    fn give(&mut self, len: u64) {
        let NewBlock { id, offset, arena } = match self.context.given.give(len) {
            Ok(block) => block,
            Err(why) => {
                self.refusal = Some((Instant::now(), why.clone()));
                return self.shared.send(&ToChild::NoMemory(why));
            }
        };
        if let Some(fd) = arena
            && let Err(error) = self.shared.send_with(&ToChild::Arena, Some(fd))
        {
            return self.lane.outlet().fail(error);
        }
        self.shared.send(&ToChild::OutputBlock { id, offset, len });
    }

    /// An error of the codec, with the reason that it cannot know.
    fn explained(&mut self, error: CodecError) -> CodecError {
        let refusal = self.refusal.take();
        match refusal.filter(|(at, _)| at.elapsed() < REFUSAL_EXPLAINS) {
            Some((_, why)) => CodecError::Resource(format!("{error}: {why}")),
            None => error,
        }
    }
}

// SPDX-License-Identifier: MPL-2.0
//! The lane that reads what a child says, until the child is gone. It trusts none of it.

use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use codecwatch_supervisor::{Amount, CallKind, CodecError, Lane, Name};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::LONGEST_TEXT;
use super::beside::Besides;
use super::codec::Log;
use super::context::ParentContext;
use super::conversation::Conversation;
use super::lanes::Lanes;
use super::sandboxed::Sandboxed;
use super::status::ChildStatus;
use crate::child::Sandbox;
use crate::launch::{Child, Tail, printable};
use crate::link::{self, Outgoing, SendError};
use crate::memory::{BlockId, NewBlock, Returns, RingReader};
use crate::message::{FromChild, FromChildOf, LONGEST_NAME, LaneEvent, Reply, ToChild, ToChildOf};
use crate::remote::{AnswerOf, OutputOf, Remote};
use crate::sandbox::Report;
use crate::wire::{Broken, Decoder};

/// Bytes that are read at a time.
const PIECE: usize = 1 << 16;
/// The level of a warning in a child's log.
const WARNING: u8 = 2;
/// Lines of its stderr that an error quotes, and their longest.
const LINES: usize = 10;
const LONGEST_LINE: usize = 200;
/// How long a child that has closed its session or its socket may take to end.
const LAST_STEPS: Duration = Duration::from_secs(1);
/// Bytes of its stderr that are read after its socket was closed.
const LAST_BYTES: usize = 1 << 20;
/// The most messages without an output or an answer. A codec reports a call or two for
/// each input, a chain a few for each of its elements.
const MOST_MESSAGES: u32 = 100_000;
/// The most threads. Those of SVT-AV1 and of chains grow with the processors, to a few
/// hundred.
const MOST_THREADS: u32 = codecwatch_supervisor::MOST_THREADS as u32;
/// A codec that gets no memory says so at once. If it has found some meanwhile, an error much
/// later has another reason.
const REFUSAL_EXPLAINS: Duration = Duration::from_secs(5);
/// How often it is looked at what the lanes do, as long as anything happens. A hang is found
/// so much later at most.
const EVENTS_EVERY: Duration = Duration::from_millis(20);
/// How often they are counted: too many keep the whole application from starting any.
const COUNTS_EVERY: Duration = Duration::from_secs(1);

/// `waits`: it may wait for more input.
fn kind(waits: bool) -> CallKind {
    if waits {
        CallKind::Waits
    } else {
        CallKind::Owed
    }
}

fn check_threads(threads: Option<u32>) -> Result<(), Broken> {
    match threads {
        Some(threads) if threads > MOST_THREADS => Err(Broken::new(format!(
            "it has {threads} threads, more than {MOST_THREADS}"
        ))),
        _ => Ok(()),
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

/// What the reader and the session share.
pub(super) struct Shared<R: Remote> {
    pub(super) conversation: Arc<Conversation<OutputOf<R>>>,
    pub(super) outgoing: Mutex<Outgoing>,
    pub(super) returns: Arc<Mutex<Returns>>,
    pub(super) released: Arc<Mutex<Vec<BlockId>>>,
    pub(super) besides: Besides<AnswerOf<R>>,
    /// The answer to the latest question.
    pub(super) answer: Mutex<Option<AnswerOf<R>>>,
    pub(super) process: u32,
    pub(super) status: Arc<ChildStatus>,
}

impl<R: Remote> Shared<R> {
    /// Sends a message; a child that is gone is the reader's to notice.
    pub(super) fn send(&self, message: &ToChildOf<R>) {
        let _ = self.send_with(message, None);
    }

    /// Sends a message, with a descriptor if one is given.
    ///
    /// # Errors
    /// What the session fails with: the message is too large, or the descriptor one too
    /// many.
    pub(super) fn send_with(
        &self,
        message: &ToChildOf<R>,
        fd: Option<BorrowedFd<'_>>,
    ) -> Result<(), CodecError> {
        let outgoing = self.outgoing.lock();
        let mut outgoing = outgoing.unwrap_or_else(PoisonError::into_inner);
        outgoing.send(message, fd).or_else(SendError::into_failure)
    }

    /// Tells the child that an output was taken: with the next message, or at once if that
    /// is the second. So it never waits for room while there is some.
    fn taken(&self) {
        let released = {
            let released = self.released.lock();
            std::mem::take(&mut *released.unwrap_or_else(PoisonError::into_inner))
        };
        let message: ToChildOf<R> = ToChild::Taken {
            outputs: 1,
            released,
        };
        let outgoing = self.outgoing.lock();
        let mut outgoing = outgoing.unwrap_or_else(PoisonError::into_inner);
        if outgoing.send_later(&message) != Ok(1) {
            let _ = outgoing.flush();
        }
    }
}

pub(super) struct Reader<'a, R: Remote> {
    lane: &'a Lane<OutputOf<R>>,
    shared: Arc<Shared<R>>,
    context: ParentContext<R>,
    log: Option<Log>,
    /// The child's lanes but the main one.
    lanes: Lanes<OutputOf<R>>,
    /// Messages and events since the last progress.
    messages: u32,
    begun: Instant,
    event_bytes: Vec<u8>,
    greeted: bool,
    sandboxed: Sandboxed,
    /// Why it got no memory when it asked for some: then an error of the codec is one of
    /// this.
    refusal: Option<(Instant, String)>,
    /// The program is not the one that belongs to this plugin.
    mismatch: Option<String>,
}

impl<'a, R: Remote> Reader<'a, R> {
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
            event_bytes: Vec::new(),
            greeted: false,
            sandboxed: Sandboxed::new(sandbox),
            refusal: None,
            mismatch: None,
        }
    }

    /// Reads until the child is gone.
    ///
    /// # Errors
    /// Unless it had closed its session: [`CodecError::Crashed`], or
    /// [`CodecError::Settings`] if it is not the program of this plugin.
    pub(super) fn run(mut self, child: Child, mut events: RingReader) -> Result<(), CodecError> {
        let killer = child.process.killer();
        let id = child.process.id();
        let mut tail = Tail::new(LINES, LONGEST_LINE);
        let mut broken = self.read(&child, &mut events, &mut tail).err();
        // Where it was when it ended. What a crash has written there is none of its reasons.
        let _ = self.read_events(&mut events);
        if broken.is_none() && child.process.wait_for(LAST_STEPS).is_none() {
            broken = Some(Broken::new("it has closed its socket and does not end"));
        }
        if broken.is_some() && killer.try_kill().is_err() {
            // This process has changed its user. At least the child hears no more.
            let _ = child.socket.shutdown(std::net::Shutdown::Both);
        }
        // The kernel ends a wait for a process that cannot end with it, and nobody else
        // waits for this lane then: the session has been abandoned.
        let how = child.process.wait();
        let mut what = match broken {
            Some(Broken(why)) => format!("process {id} broke the protocol: {why}"),
            None => format!("process {id} {how}"),
        };
        let lines = tail.lines();
        if !lines.is_empty() {
            what = format!("{what}; its last lines: {}", lines.join(" | "));
        }
        let error = match self.mismatch {
            Some(mismatch) => CodecError::Settings(mismatch),
            None => CodecError::Crashed { what },
        };
        self.shared.besides.end();
        if !self.shared.conversation.is_closed() {
            // Before the calls that were in flight end here: the fault names them.
            self.lane.outlet().fail(error.clone());
        }
        if self.shared.conversation.ended(error.clone()) {
            return Ok(());
        }
        Err(error)
    }

    /// Reads what the lanes have done.
    fn read_events(&mut self, events: &mut RingReader) -> Result<(), Broken> {
        let mut bytes = std::mem::take(&mut self.event_bytes);
        bytes.clear();
        let read = events.read(&mut bytes);
        let noted = read.and_then(|()| self.note_events(&bytes));
        self.event_bytes = bytes;
        noted
    }

    fn read(
        &mut self,
        child: &Child,
        events: &mut RingReader,
        tail: &mut Tail,
    ) -> Result<(), Broken> {
        let mut decoder = Decoder::default();
        let mut bytes = vec![0; PIECE];
        let (socket, stderr) = (&child.socket, &child.stderr);
        let mut stderr_open = true;
        let mut counted = Instant::now();
        let mut closed = None;
        // Nothing has come lately.
        let mut quiet = true;
        let [soon, late] = [EVENTS_EVERY, COUNTS_EVERY].map(|limit| {
            let limit = Timespec::try_from(limit);
            limit.unwrap_or_default()
        });
        loop {
            if self.shared.conversation.is_closed()
                && closed.get_or_insert_with(Instant::now).elapsed() >= LAST_STEPS
            {
                return Err(Broken::new("it has closed its session and does not end"));
            }
            if counted.elapsed() >= COUNTS_EVERY {
                check_threads(child.process.threads())?;
                counted = Instant::now();
            }
            let mut fds = vec![PollFd::new(socket, PollFlags::IN)];
            if stderr_open {
                fds.push(PollFd::new(stderr, PollFlags::IN));
            }
            // Whoever sleeps long is woken by the next event.
            let sleeps = quiet && events.sleep();
            let limit = if sleeps { &late } else { &soon };
            match poll(&mut fds, Some(limit)) {
                Ok(ready) => quiet = ready == 0,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(Broken::new(format!("poll: {error}"))),
            }
            if sleeps {
                events.wake();
            }
            let ready: Vec<_> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            if stderr_open && ready.get(1) == Some(&true) {
                match rustix::io::read(stderr, &mut bytes) {
                    Ok(0) => stderr_open = false,
                    Ok(len) => tail.push(&bytes[..len]),
                    Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                    Err(_) => stderr_open = false,
                }
            }
            if ready.first() != Some(&true) {
                self.read_events(events)?;
                continue;
            }
            let received = link::receive(socket, &mut bytes);
            let len = received.map_err(|error| Broken::new(format!("recv: {error}")))?;
            if len == 0 {
                // What it wrote last. One that lives may write on.
                for _ in 0..LAST_BYTES / PIECE {
                    match rustix::io::read(stderr, &mut bytes) {
                        Ok(len @ 1..) => tail.push(&bytes[..len]),
                        _ => break,
                    }
                }
                return Ok(());
            }
            // Before the messages, which may say that a lane has ended.
            self.read_events(events)?;
            decoder.push(&bytes[..len]);
            while let Some(message) = decoder.take()? {
                self.handle(message)?;
            }
        }
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

    /// What was read of the ring: whole events.
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

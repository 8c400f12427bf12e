// SPDX-License-Identifier: MPL-2.0
//! A session whose codec is in a child.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use codecwatch_evidence::LastLook;
use codecwatch_supervisor::{
    Amount, ChildProcess, CodecError, Drained, Flush, Lane, Session, Sibling,
};

use super::beside::{Beside, Besides};
use super::codec::{Isolation, Log};
use super::context::ParentContext;
use super::conversation::{Conversation, Request};
use super::dispatcher::Dispatcher;
use super::kill::{ChildAtEnd, Kill, kill_or_hang_up};
use super::reader::Reader;
use super::shared::Shared;
use crate::child::Sandbox;
use crate::launch::{Child, Killer};
use crate::link::Outgoing;
use crate::memory::{Announced, Given, Lender, RingReader};
use crate::message::{Reply, ToChild, ToChildOf};
use crate::remote::{AnswerOf, InputOf, OutputOf, ParentOf, QuestionOf, Remote, SessionOf};
use crate::talk::Talk;

/// An open session in a child. If it is dropped without a close, the child ends when it
/// notices.
pub struct ProcessSession<R: Remote> {
    shared: Arc<Shared<R>>,
    parent: ParentOf<R>,
    lender: Lender,
    delay: Option<usize>,
    reader: Sibling,
    victim: ChildAtEnd,
    close_limit: Duration,
}

/// What a session is opened with.
pub(super) struct Begin<R: Remote> {
    /// It has just been started.
    pub(super) child: Child,
    pub(super) config: R::Config,
    pub(super) isolation: Isolation,
    /// What the child was asked to close behind itself.
    pub(super) sandbox: Sandbox,
    pub(super) parent: ParentOf<R>,
    pub(super) log: Option<Log>,
}

/// How much longer than `close-timeout` a close may take: so that whoever watches it finds
/// out whether it sleeps, which is an error, or works, which is none.
const GRACE: Duration = Duration::from_millis(500);

impl<R: Remote> std::fmt::Debug for ProcessSession<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProcessSession").finish_non_exhaustive()
    }
}

impl<R: Remote> ProcessSession<R> {
    /// Opens a session in a child.
    pub(super) fn open(lane: &Lane<OutputOf<R>>, begin: Begin<R>) -> Result<Self, CodecError> {
        let Begin {
            child,
            config,
            isolation,
            sandbox,
            parent,
            log,
        } = begin;
        let process = child.process.id();
        isolation.status.begin(process);
        lane.set_witness(Arc::new(ChildProcess::new(process)));
        let socket = child.socket.try_clone().map_err(|error| {
            CodecError::Resource(format!("the socket of codecwatch-worker: {error}"))
        })?;
        let socket = Arc::new(OwnedFd::from(socket));
        let victim = ChildAtEnd {
            killer: child.process.killer(),
            socket: socket.clone(),
        };
        let kill = Kill {
            victim: victim.clone(),
            look: look(isolation.last_look, child.process.killer()),
            survived: isolation.survived,
        };
        lane.set_kill_hook(move || kill.begin());
        let given = Given::new(isolation.max_memory);
        let shared = Arc::new(Shared {
            conversation: Arc::new(Conversation::new(lane.remote_calls(), R::inputs(&config))),
            outgoing: Mutex::new(Outgoing::new(socket)),
            returns: Arc::default(),
            released: given.released(),
            besides: Besides::default(),
            answer: Mutex::default(),
            process,
            status: isolation.status,
        });
        let lender = Lender::new(shared.returns.clone(), R::most_lent(&config));
        let (events, ring) = RingReader::create()?;
        shared.conversation.begin(Request::Open)?;
        let reader = lane.spawn("child", {
            let shared = shared.clone();
            let context = ParentContext::new(given, parent.clone(), shared.clone());
            move |lane| {
                let dispatcher = Dispatcher::new(lane, context, sandbox, log);
                Reader::new(lane, shared, dispatcher).run(child, events)
            }
        })?;
        let mut session = Self {
            shared,
            parent,
            lender,
            delay: None,
            reader,
            victim,
            close_limit: isolation.close_limit.saturating_add(GRACE),
        };
        let open = ToChild::Open(config);
        let sent = session.shared.send_with(&open, Some(ring.as_fd()));
        if let Err(error) = &sent {
            // Before the child ends, which does not know why.
            lane.outlet().fail(error.clone());
        }
        let opened = sent.and_then(|()| session.shared.conversation.answer());
        match opened {
            Ok(Reply::Opened { delay }) => {
                session.delay = session.shared.conversation.delay_of(delay);
                R::Talk::opened(&session.parent, Beside::new(session.shared.clone()));
                Ok(session)
            }
            Ok(_) => Err(no_answer()),
            Err(error) => {
                // Nothing is open in the child: it ends.
                let _ = session.close(lane);
                Err(error)
            }
        }
    }

    /// What the element has lent.
    pub fn parent(&self) -> &ParentOf<R> {
        &self.parent
    }

    /// Asks the session, and waits for its answer. `None` if it has failed.
    pub fn question(&mut self, question: QuestionOf<R>) -> Option<AnswerOf<R>> {
        let reply = self.ask(Request::Ask, &ToChild::Ask(question)).ok()?;
        let answer = self.shared.answer.lock();
        let answer = answer.unwrap_or_else(PoisonError::into_inner).take();
        answer.filter(|_| reply == Reply::Answered)
    }

    fn ask(&self, request: Request, message: &ToChildOf<R>) -> Result<Reply, CodecError> {
        self.shared.conversation.begin(request)?;
        self.shared.send(message);
        self.shared.conversation.answer()
    }
}

/// Looks at a child, if that is wanted.
fn look(last_look: Option<Arc<LastLook>>, killer: Killer) -> Box<dyn Fn() + Send + Sync> {
    Box::new(move || {
        if let Some(last_look) = &last_look {
            let killer = killer.clone();
            last_look.take(killer.id(), move || {
                !killer.has_ended_within(Duration::ZERO)
            });
        }
    })
}

fn no_answer() -> CodecError {
    CodecError::Crashed {
        what: "it gave an answer to another question".to_owned(),
    }
}

impl<R: Remote> Session for ProcessSession<R> {
    type Input = InputOf<R>;
    type Output = OutputOf<R>;

    const QUEUE: usize = SessionOf::<R>::QUEUE;

    fn weigh(input: &InputOf<R>) -> Amount {
        SessionOf::<R>::weigh(input)
    }

    fn delay(&self) -> Option<usize> {
        self.delay
    }

    fn has_room(&self) -> bool {
        self.shared.conversation.has_room()
    }

    fn send(&mut self, lane: &Lane<OutputOf<R>>, input: InputOf<R>) -> Result<(), CodecError> {
        R::Talk::before_input(&self.parent, lane);
        let before = self.lender.copies();
        let input = R::pack_input(input, &self.parent, &mut self.lender)?;
        let (status, process) = (&self.shared.status, self.shared.process);
        status.note_copies(process, self.lender.copies() - before);
        self.shared.conversation.begin(Request::Input)?;
        for Announced { id, len, fd } in self.lender.take_new() {
            let message = ToChild::Block { id, len };
            self.shared.send_with(&message, Some(fd.as_fd()))?;
        }
        let gone = self.lender.take_gone();
        if !gone.is_empty() {
            self.shared.send(&ToChild::Forget(gone));
        }
        self.shared.send_with(&ToChild::Input(input), None)
    }

    fn drain(&mut self, _lane: &Lane<OutputOf<R>>) -> Result<Drained, CodecError> {
        match self.ask(Request::Drain, &ToChild::Drain)? {
            Reply::Drained { reusable: true } => Ok(Drained::Reusable),
            Reply::Drained { reusable: false } => Ok(Drained::Spent),
            _ => Err(no_answer()),
        }
    }

    fn flush(&mut self, _lane: &Lane<OutputOf<R>>) -> Result<Flush, CodecError> {
        match self.ask(Request::Flush, &ToChild::Flush)? {
            Reply::Flushed { done: true } => Ok(Flush::Done),
            Reply::Flushed { done: false } => Ok(Flush::NeedsNewSession),
            _ => Err(no_answer()),
        }
    }

    fn close(self, _lane: &Lane<OutputOf<R>>) -> Result<(), CodecError> {
        let closed = self.shared.conversation.begin(Request::Close).map(|()| {
            self.shared.send(&ToChild::Close);
            let answer = self.shared.conversation.close_within(self.close_limit);
            if answer.is_none() {
                // It works, and nobody needs what it does. A kill loses nothing.
                let _ = kill_or_hang_up(&self.victim);
            }
            answer
        });
        // The child has ended, and its memory is back.
        self.reader.finished();
        match closed? {
            Some(answer) => answer.map(drop),
            None => Ok(()),
        }
    }
}

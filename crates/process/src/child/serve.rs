// SPDX-License-Identifier: MPL-2.0
//! The life of a child.

use std::any::Any;
use std::ffi::OsString;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};

use rustix::process::Signal;

use codecwatch_supervisor::{Codec, CodecError, Drained, Flush, Lane, Session};

use super::context::ChildContext;
use super::reader::{Incoming, read};
use super::supervisor::{Supervisor, ToParent};
use crate::launch::Entered;
use crate::link::Outgoing;
use crate::memory::{Received, RingWriter};
use crate::message::{FromChild, Hello, Reply, ToChild, ToChildOf, VERSION};
use crate::remote::{OutputOf, Remote, SessionOf};
use crate::sandbox::{self, Policy};
use crate::talk::Talk;
use crate::wire::Broken;

/// The sandbox of a child, as its command line says.
#[derive(Debug, Clone, Copy)]
pub struct Sandbox {
    /// What it is kept from.
    pub policy: Policy,
    /// It refuses to work where that is not whole.
    pub strictly: bool,
}

impl Sandbox {
    /// From the arguments of a child.
    ///
    /// # Errors
    /// Names what is none of them.
    pub fn from_arguments(
        mut arguments: impl Iterator<Item = String>,
    ) -> Result<Self, UnknownPolicy> {
        let name = arguments.next().unwrap_or_default();
        let policies = [Policy::Strict, Policy::Devices, Policy::Open];
        let policy = policies
            .into_iter()
            .find(|policy| policy.to_string() == name);
        Ok(Self {
            policy: policy.ok_or(UnknownPolicy(name))?,
            strictly: arguments.next().as_deref() == Some(STRICTLY),
        })
    }

    pub(crate) fn arguments(self) -> Vec<OsString> {
        let mut arguments = vec![self.policy.to_string().into()];
        if self.strictly {
            arguments.push(STRICTLY.into());
        }
        arguments
    }
}

const STRICTLY: &str = "strictly";

/// No policy has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no sandbox is called {0:?}")]
pub struct UnknownPolicy(pub String);

/// Serves one session to the parent at the other end of `socket`. Returns when the
/// session is closed; ends the process when the parent closes its end.
///
/// # Errors
/// The parent has broken the protocol.
pub fn serve<R: Remote>(entered: Entered, sandbox: Sandbox) -> Result<(), Broken> {
    let socket = OwnedFd::from(entered.socket);
    let outgoing = socket.try_clone().map(Outgoing::new);
    let outgoing = outgoing.map_err(|error| Broken::new(format!("socket: {error}")))?;
    let parent = Arc::new(ToParent::new(outgoing));
    parent.say(&FromChild::Ready(Hello {
        version: VERSION.to_owned(),
        kind: R::KIND.to_owned(),
    }));
    let mut incoming = Incoming::new(socket);
    let config = match incoming.next::<R>()? {
        None => return Ok(()),
        Some(ToChild::Open(config)) => config,
        Some(ToChild::Close) => return Ok(()),
        Some(_) => return Err(Broken::new("it does not begin with an open")),
    };
    let ring = RingWriter::new(&incoming.descriptor()?)
        .map_err(|error| Broken::new(format!("the ring cannot be mapped: {error}")))?;
    let prepared = R::prepare(&config);
    // Before any thread begins: those that exist would stay outside.
    let report = sandbox::close_door(sandbox.policy, R::SANDBOXED_AS);
    let lacks = report.missing().join("; ");
    parent.say(&FromChild::Sandboxed(report));
    let refusal = prepared.err().or_else(|| {
        (sandbox.strictly && !lacks.is_empty()).then(|| {
            CodecError::Settings(format!(
                "isolate-policy={} cannot be had here: {lacks}",
                sandbox.policy
            ))
        })
    });
    let memory = Arc::new(Received::new(parent.clone()));
    let context = ChildContext::<R>::new(memory, parent.clone());
    let requests = begin_reading(incoming, &context, &parent)?;
    let supervisor = Supervisor::new(parent.clone(), context.clone(), ring);
    let lane = Lane::supervised_by(Arc::new(supervisor));
    let child = Child {
        lane,
        context,
        parent,
        requests,
    };
    child.live(config, refusal)
}

/// Starts the thread that reads.
fn begin_reading<R: Remote>(
    incoming: Incoming,
    context: &ChildContext<R>,
    parent: &Arc<ToParent>,
) -> Result<mpsc::Receiver<ToChildOf<R>>, Broken> {
    let (sender, requests) = mpsc::channel();
    let (context, parent) = (context.clone(), parent.clone());
    let thread = std::thread::Builder::new().name("parent".to_owned());
    let begun = thread.spawn(move || {
        let ended = read(incoming, &context, &parent, &sender);
        if let Err(broken) = ended {
            // A parent that does not read loses this line; `eprintln` would panic.
            let _ = writeln!(std::io::stderr(), "codecwatch-worker: {broken}");
        }
        // Nobody is left to work for. The exit handlers of libraries might hang.
        let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::KILL);
    });
    begun
        .map(|_detached| requests)
        .map_err(|error| Broken::new(format!("no thread: {error}")))
}

struct Child<R: Remote> {
    lane: Lane<OutputOf<R>>,
    context: ChildContext<R>,
    parent: Arc<ToParent>,
    requests: mpsc::Receiver<ToChildOf<R>>,
}

impl<R: Remote> Child<R> {
    fn live(self, config: R::Config, refusal: Option<CodecError>) -> Result<(), Broken> {
        let mut session = None;
        let opened = refusal.map_or(Ok(()), Err).and_then(|()| {
            guarded(|| {
                let mut codec = R::codec(config, &self.context);
                codec.wait_for_turn(&self.lane)?;
                let opened = codec.open(&self.lane)?;
                let delay = opened.delay();
                session = Some(opened);
                Ok(Reply::Opened {
                    delay: delay.map(|delay| u32::try_from(delay).unwrap_or(u32::MAX)),
                })
            })
        });
        self.answer(opened);
        let mut failed = false;
        while let Ok(request) = self.requests.recv() {
            let Some(open) = &mut session else {
                // The parent has seen that the open has failed.
                self.answer(Ok(Reply::Closed));
                return Ok(());
            };
            match request {
                ToChild::Close => break,
                // What was at hand. Such a session can only be closed.
                _ if failed => self.answer(Err(CodecError::Resource(
                    "codecwatch-worker: the session has failed".to_owned(),
                ))),
                request => {
                    let answer = guarded(|| self.serve(open, request));
                    failed = answer.is_err();
                    self.answer(answer);
                }
            }
        }
        let closed = guarded(|| {
            session.map_or(Ok(()), |session| session.close(&self.lane))?;
            Ok(Reply::Closed)
        });
        self.answer(closed);
        Ok(())
    }

    fn serve(
        &self,
        session: &mut SessionOf<R>,
        request: ToChildOf<R>,
    ) -> Result<Reply, CodecError> {
        match request {
            ToChild::Input(input) => {
                let input = R::unpack_input(input, &self.context).map_err(|broken| {
                    CodecError::Resource(format!("codecwatch-worker: {broken}"))
                })?;
                session.send(&self.lane, input)?;
                Ok(Reply::Sent)
            }
            ToChild::Ask(question) => {
                let answer = R::Talk::answer(&self.context.child, session, &self.lane, question);
                self.parent
                    .send(&FromChild::<(), (), _, ()>::Answer(answer));
                Ok(Reply::Answered)
            }
            ToChild::Drain => {
                let drained = session.drain(&self.lane)?;
                Ok(Reply::Drained {
                    reusable: drained == Drained::Reusable,
                })
            }
            ToChild::Flush => {
                let flushed = session.flush(&self.lane)?;
                Ok(Reply::Flushed {
                    done: flushed == Flush::Done,
                })
            }
            _ => Err(CodecError::Resource(
                "codecwatch-worker: a request that cannot be here".to_owned(),
            )),
        }
    }

    fn answer(&self, answer: Result<Reply, CodecError>) {
        self.parent.say(&FromChild::Done(answer));
    }
}

/// A panic as an error. A session supports its close after one.
fn guarded<T>(part: impl FnOnce() -> Result<T, CodecError>) -> Result<T, CodecError> {
    catch_unwind(AssertUnwindSafe(part))
        .unwrap_or_else(|payload| Err(CodecError::Panicked(message_of(payload.as_ref()))))
}

fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

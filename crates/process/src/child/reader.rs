// SPDX-License-Identifier: MPL-2.0
//! The thread that reads what the parent says. It never waits for the session, so that
//! memory goes back, and an end is noticed, whatever the codec does.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, mpsc};

use super::context::ChildContext;
use super::supervisor::ToParent;
use crate::link;
use crate::message::{FromChild, ToChild, ToChildOf};
use crate::remote::{QuestionOf, Remote};
use crate::talk::Talk;
use crate::wire::{Broken, Decoder};

/// Bytes that are read at a time.
const PIECE: usize = 1 << 16;

/// Messages of the parent, with the descriptors that come with them.
pub(super) struct Incoming {
    socket: OwnedFd,
    decoder: Decoder,
    fds: VecDeque<OwnedFd>,
    bytes: Vec<u8>,
}

impl Incoming {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            decoder: Decoder::default(),
            fds: VecDeque::new(),
            bytes: vec![0; PIECE],
        }
    }

    /// The descriptor that comes with the latest message.
    pub(super) fn descriptor(&mut self) -> Result<OwnedFd, Broken> {
        let fd = self.fds.pop_front();
        fd.ok_or_else(|| Broken::new("a message without its descriptor"))
    }

    /// The next message; `None` if the parent is gone.
    pub(super) fn next<R: Remote>(&mut self) -> Result<Option<ToChildOf<R>>, Broken> {
        loop {
            if let Some(message) = self.decoder.take()? {
                return Ok(Some(message));
            }
            let socket = self.socket.as_fd();
            let received = link::receive_with_fds(socket, &mut self.bytes, &mut self.fds);
            let len = received.map_err(|error| Broken::new(format!("recvmsg: {error}")))?;
            if len == 0 {
                return Ok(None);
            }
            self.decoder.push(&self.bytes[..len]);
        }
    }
}

/// Reads until the parent is gone. Requests go to the session's thread.
pub(super) fn read<R: Remote>(
    mut incoming: Incoming,
    context: &ChildContext<R>,
    parent: &Arc<ToParent>,
    requests: &mpsc::Sender<ToChildOf<R>>,
) -> Result<(), Broken> {
    let memory = &context.memory;
    while let Some(message) = incoming.next::<R>()? {
        match message {
            ToChild::Block { id, len } => memory.add(id, &incoming.descriptor()?, len)?,
            ToChild::Arena => memory.add_arena(incoming.descriptor()?),
            ToChild::OutputBlock { id, offset, len } => memory.add_output(id, offset, len)?,
            ToChild::Forget(ids) => memory.forget(&ids),
            ToChild::Taken { outputs, released } => {
                memory.released(&released);
                parent.taken(outputs);
            }
            ToChild::NoMemory(why) => memory.refuse(why),
            ToChild::Found { number, finding } => context.found(number, finding),
            ToChild::Beside { number, question } => beside(context, parent, number, question),
            request => {
                if requests.send(request).is_err() {
                    // The session has ended.
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Answers a question on a thread of its own. Without a thread there is no answer: the
/// lane that waits for it is the session's, and watched.
fn beside<R: Remote>(
    context: &ChildContext<R>,
    parent: &Arc<ToParent>,
    number: u32,
    question: QuestionOf<R>,
) {
    let (child, parent) = (context.child.clone(), parent.clone());
    let thread = std::thread::Builder::new().name("beside".to_owned());
    let _ = thread.spawn(move || {
        let answer = R::Talk::answer_beside(&child, question);
        parent.send(&FromChild::<(), (), _, ()>::BesideAnswer { number, answer });
    });
}

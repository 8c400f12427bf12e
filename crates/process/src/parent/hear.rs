// SPDX-License-Identifier: MPL-2.0
//! For tests: the parent's side, fed with bytes that nobody has checked.

use std::sync::{Arc, Mutex};

use codecwatch_supervisor::{CodecError, Lane};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::beside::Besides;
use super::context::ParentContext;
use super::conversation::{Conversation, Request};
use super::dispatcher::Dispatcher;
use super::shared::Shared;
use super::status::ChildStatus;
use crate::child::Sandbox;
use crate::link::Outgoing;
use crate::memory::{Given, Lender};
use crate::message::INPUTS;
use crate::remote::{InputOf, OutputOf, ParentOf, Remote};
use crate::sandbox::Policy;
use crate::wire::{Broken, Decoder};

/// Bytes of shared memory that what is heard can have.
const MEMORY: u64 = 1 << 20;

/// What came of it.
pub struct Heard<R: Remote> {
    /// The outputs before the first mistake.
    pub outputs: Vec<OutputOf<R>>,
    /// What was not as it had to be.
    pub mistake: Option<Broken>,
}

/// Hears bytes as if a child had sent them, which has been asked to open, has these
/// inputs, and has to drain. `events`: what lies in the ring when half of the bytes have
/// come.
///
/// # Errors
/// The parent's, if it cannot even begin.
pub fn hear<R: Remote>(
    parent: ParentOf<R>,
    inputs: impl IntoIterator<Item = InputOf<R>>,
    bytes: &[u8],
    events: &[u8],
) -> Result<Heard<R>, CodecError> {
    let (lane, outputs) = Lane::<OutputOf<R>>::detached();
    let resource = |error: rustix::io::Errno| CodecError::Resource(error.to_string());
    // Nobody hears what the parent says.
    let (ours, _) = socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(resource)?;
    let given = Given::new(MEMORY);
    let shared = Arc::new(Shared::<R> {
        conversation: Arc::new(Conversation::new(lane.remote_calls(), INPUTS)),
        outgoing: Mutex::new(Outgoing::new(ours)),
        returns: Arc::default(),
        released: given.released(),
        besides: Besides::default(),
        answer: Mutex::default(),
        process: 0,
        status: Arc::new(ChildStatus::default()),
    });
    shared.conversation.begin(Request::Open)?;
    let mut lender = Lender::new(shared.returns.clone(), usize::MAX);
    let packed: Result<Vec<_>, _> = inputs
        .into_iter()
        .map(|input| R::pack_input(input, &parent, &mut lender))
        .collect();
    drop(packed?);
    shared.conversation.begin(Request::Drain)?;

    let context = ParentContext::new(given, parent, shared);
    let log: super::Log = Arc::new(|_level, _line| {});
    let mut dispatcher = Dispatcher::new(&lane, context, SANDBOX, Some(log));
    let mut decoder = Decoder::default();
    let (before, after) = bytes.split_at(bytes.len() / 2);
    let mut hear = |dispatcher: &mut Dispatcher<'_, R>, bytes: &[u8]| {
        bytes.chunks(PIECE).try_for_each(|piece| {
            decoder.push(piece);
            while let Some(message) = decoder.take()? {
                dispatcher.handle(message)?;
            }
            Ok(())
        })
    };
    let heard = hear(&mut dispatcher, before)
        .and_then(|()| dispatcher.note_events(events))
        .and_then(|()| hear(&mut dispatcher, after));
    drop(dispatcher);
    drop(lane);
    Ok(Heard {
        outputs: outputs.try_iter().collect(),
        mistake: heard.err(),
    })
}

/// What the child was asked to close behind itself.
const SANDBOX: Sandbox = Sandbox {
    policy: Policy::Strict,
    strictly: false,
};

/// Bytes that come at a time.
const PIECE: usize = 1000;

// SPDX-License-Identifier: MPL-2.0
//! The protocol between an element's process, the parent, and the process of a session,
//! its child. Version: the package's; both come from one build.
//!
//! The child first says that it is [ready](FromChild::Ready). Then requests of the parent
//! are answered one by one, in their order, each by one [`FromChild::Done`]; what happens
//! meanwhile is reported as it happens.

use std::time::Duration;

use codecwatch_supervisor::{Amount, CodecError, Name};
use serde::{Deserialize, Serialize};

use crate::memory::BlockId;
use crate::remote::{AnswerOf, FindingOf, InquiryOf, QuestionOf, Remote};
use crate::sandbox::Report;

/// From the parent.
#[derive(Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "fields are explained with their message")]
pub enum ToChild<C, I, Q, F> {
    /// Request: open a session. The ring for its [`LaneEvent`]s comes with the message, as
    /// a descriptor.
    Open(C),
    /// Request: send an input to the codec.
    Input(I),
    /// Request: answer a question.
    Ask(Q),
    /// Request.
    Drain,
    /// Request.
    Flush,
    /// Request: close the session, and end.
    Close,
    /// A block for inputs; its descriptor comes with the message.
    Block { id: BlockId, len: u64 },
    /// The memory in which all blocks for outputs lie; its descriptor comes with the
    /// message. Once, before the first of them.
    Arena,
    /// A block for outputs: the child may write to these bytes of the arena.
    OutputBlock { id: BlockId, offset: u64, len: u64 },
    /// The parent has dropped a block that was for input.
    Forget(Vec<BlockId>),
    /// The parent has taken an output, and needs these outputs' blocks no longer (each
    /// once for each output).
    Taken {
        outputs: u32,
        released: Vec<BlockId>,
    },
    /// There is no memory for the block that was asked for.
    NoMemory(String),
    /// A question beside the requests.
    Beside { number: u32, question: Q },
    /// The answer to an inquiry; `None` if there is none.
    Found { number: u32, finding: Option<F> },
}

/// From the child.
#[derive(Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "fields are explained with their message")]
pub enum FromChild<O, F, A = (), N = ()> {
    /// It has started.
    Ready(Hello),
    /// Its sandbox is closed: what is in force. Comes before a session is open.
    Sandboxed(Report),
    /// The answer to the oldest request.
    Done(Result<Reply, CodecError>),
    /// The ring has events, and the parent has said there that it sleeps.
    LaneEvents,
    /// A lane has ended.
    LaneEnded { lane: u8, error: Option<CodecError> },
    /// An output, and how much of the input it settles.
    Output(O, Amount),
    /// Something besides the output.
    Told(O),
    /// The session's facts.
    Facts(F),
    /// How many frames it may keep.
    Delay(Option<u32>),
    /// The codec has failed outside the calls of a lane.
    Failed(CodecError),
    /// A lane begins or ends a wait for something that the codec cannot influence.
    OthersAwaited(bool),
    /// It needs a block of so many bytes for outputs, and waits for it.
    NeedsBlock { len: u64 },
    /// It needs this block for outputs no longer.
    GivesUp(BlockId),
    /// It needs this input's memory no longer.
    Returned { lent: u32 },
    /// The answer to [`ToChild::Ask`], before its [`Done`](Self::Done).
    Answer(A),
    /// The answer to [`ToChild::Beside`].
    BesideAnswer { number: u32, answer: A },
    /// A question to the pipeline around the element.
    Inquires { number: u32, inquiry: N },
    /// A line of the codec's log, and how serious it is (0 = most).
    Log { level: u8, line: String },
}

/// What the lanes of a child do. It lies in a ring of shared memory, not on the socket: it
/// happens several times for each frame, the parent need not be woken for it, and it tells
/// where a child was that has crashed.
#[derive(Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "fields are explained with their message")]
pub enum LaneEvent {
    /// A lane besides the main one has begun.
    Began { lane: u8, name: String },
    /// A call of a lane has begun.
    CallBegan { lane: u8, name: Name, waits: bool },
    /// It has reached another part of the codec.
    CallMoved { lane: u8, name: Name },
    /// It has returned, after so long.
    CallEnded { lane: u8, took: Duration },
}

/// What a child says of itself when it has started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The version of its package.
    pub version: String,
    /// Kind of session.
    pub kind: String,
}

/// Answers to requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "fields are explained with their message")]
pub enum Reply {
    /// To [`ToChild::Open`]: how many frames the session may keep.
    Opened { delay: Option<u32> },
    /// To [`ToChild::Input`].
    Sent,
    /// To [`ToChild::Ask`].
    Answered,
    /// To [`ToChild::Drain`].
    Drained { reusable: bool },
    /// To [`ToChild::Flush`].
    Flushed { done: bool },
    /// To [`ToChild::Close`].
    Closed,
}

/// The version that both must have.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How many inputs may be on their way to the child's codec: one in its call, one that
/// is at hand when that returns. Those at hand are lost with the child, too.
pub const INPUTS: usize = 2;

/// The same of a decoder's packets. Every second one of AV1 may only show a picture that was
/// decoded before. That takes some microseconds, much less than the next packet needs to get
/// there, so there is another at hand. One that is lost rarely costs a picture: after a
/// restart a decoder begins at a key frame.
pub const PACKETS: usize = INPUTS + 1;

/// How many outputs may be on their way to the parent's outbox.
pub(crate) const OUTPUTS: u32 = 4;

/// The most lanes of a session.
pub(crate) const LANES: u8 = 16;

/// Longest name of a call or a lane, in bytes.
pub(crate) const LONGEST_NAME: usize = 200;

/// Whether a call or a lane can have this name.
pub(crate) fn is_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME && !name.chars().any(char::is_control)
}

/// The messages to a child of this kind.
pub type ToChildOf<R> =
    ToChild<<R as Remote>::Config, <R as Remote>::PackedInput, QuestionOf<R>, FindingOf<R>>;
/// The messages from a child of this kind.
pub type FromChildOf<R> =
    FromChild<<R as Remote>::PackedOutput, <R as Remote>::Facts, AnswerOf<R>, InquiryOf<R>>;

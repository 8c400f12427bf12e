// SPDX-License-Identifier: MPL-2.0
//! What a codec crate implements so that its sessions can run in a child process.

use std::any::Any;
use std::fmt::Debug;

use codecwatch_supervisor::{Codec, CodecError, Session};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::child::ChildContext;
use crate::memory::Lender;
use crate::message::INPUTS;
use crate::parent::ParentContext;
use crate::sandbox::{Policy, SessionKind};
use crate::talk::Talk;
use crate::wire::Broken;

/// The session, where it is.
pub type SessionOf<R> = <<R as Remote>::Codec as Codec>::Session;
/// The input of a codec's sessions.
pub type InputOf<R> = <SessionOf<R> as Session>::Input;
/// The output of a codec's sessions.
pub type OutputOf<R> = <SessionOf<R> as Session>::Output;

/// What the element lends to a session in a child.
pub type ParentOf<R> = <<R as Remote>::Talk as Talk<R>>::Parent;
/// What the threads of a child share.
pub type ChildOf<R> = <<R as Remote>::Talk as Talk<R>>::Child;
/// A question to a session in a child.
pub type QuestionOf<R> = <<R as Remote>::Talk as Talk<R>>::Question;
/// Its answer.
pub type AnswerOf<R> = <<R as Remote>::Talk as Talk<R>>::Answer;
/// A question of a child to the pipeline.
pub type InquiryOf<R> = <<R as Remote>::Talk as Talk<R>>::Inquiry;
/// Its answer.
pub type FindingOf<R> = <<R as Remote>::Talk as Talk<R>>::Finding;

/// A kind of session that can run in a child process. Never made: its functions run in
/// the parent or in the child, as each says.
///
/// What comes from the child may have been made by whoever wrote the stream that it
/// decodes: [`unpack_output`](Self::unpack_output) must check all of it, and must not
/// panic.
pub trait Remote: Sized + 'static {
    /// Its name on the child's command line.
    const KIND: &'static str;
    /// Variables of the child's environment that differ from the parent's.
    const VARIABLES: &[(&str, &str)] = &[];
    /// What the child's sandbox has to leave it.
    const SANDBOXED_AS: SessionKind = SessionKind::Native;

    /// The codec, in the child.
    type Codec: Codec;
    /// Everything that opens a session.
    type Config: Serialize + DeserializeOwned + Clone + Debug + Send + 'static;
    /// An input on its way to the child.
    type PackedInput: Serialize + DeserializeOwned + Send + 'static;
    /// An output on its way to the parent.
    type PackedOutput: Serialize + DeserializeOwned + Send + 'static;
    /// What a session publishes; `()` if nothing.
    type Facts: Any + Clone + Serialize + DeserializeOwned + Send + Sync;
    /// What they ask each other; [`NoTalk`](crate::NoTalk) if nothing.
    type Talk: Talk<Self>;

    /// What the child is kept from, unless the user says otherwise.
    fn policy(_config: &Self::Config) -> Policy {
        Policy::Strict
    }

    /// Parent: the most inputs whose memory the child may have at a time. One more is an
    /// error of the session.
    fn most_lent(config: &Self::Config) -> usize;

    /// Parent: how many inputs may be on their way to the child's codec, 1 at least.
    fn inputs(_config: &Self::Config) -> usize {
        INPUTS
    }

    /// Child: loads what the session needs of the file system. Afterwards the sandbox is
    /// closed.
    ///
    /// # Errors
    /// Why it cannot.
    fn prepare(_config: &Self::Config) -> Result<(), CodecError> {
        Ok(())
    }

    /// Child: the factory of the session.
    fn codec(config: Self::Config, context: &ChildContext<Self>) -> Self::Codec;

    /// Parent: an input in a form that can be sent.
    ///
    /// # Errors
    /// There is no memory for it.
    fn pack_input(
        input: InputOf<Self>,
        parent: &ParentOf<Self>,
        lender: &mut Lender,
    ) -> Result<Self::PackedInput, CodecError>;

    /// Child: the input.
    ///
    /// # Errors
    /// It is not as [`pack_input`](Self::pack_input) makes it.
    fn unpack_input(
        packed: Self::PackedInput,
        context: &ChildContext<Self>,
    ) -> Result<InputOf<Self>, Broken>;

    /// Child: an output in a form that can be sent.
    fn pack_output(output: OutputOf<Self>, context: &ChildContext<Self>) -> Self::PackedOutput;

    /// Parent: whether a session can publish these facts.
    ///
    /// # Errors
    /// No correct child sends them.
    fn check_facts(_facts: &Self::Facts) -> Result<(), Broken> {
        Ok(())
    }

    /// Parent: whether an output is one that is told besides the others.
    fn is_told(_output: &Self::PackedOutput) -> bool {
        false
    }

    /// Parent: whether an output carries data, so that it is progress even if it settles no
    /// input: one picture may become a stream.
    fn is_data(_output: &Self::PackedOutput) -> bool {
        false
    }

    /// Child: why there is no memory for an output.
    fn lacks_memory(_output: &Self::PackedOutput) -> Option<&str> {
        None
    }

    /// Parent: the output.
    ///
    /// # Errors
    /// No correct child sends it.
    fn unpack_output(
        packed: Self::PackedOutput,
        context: &ParentContext<Self>,
    ) -> Result<OutputOf<Self>, Broken>;
}

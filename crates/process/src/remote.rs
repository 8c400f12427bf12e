// SPDX-License-Identifier: MPL-2.0
//! What a codec crate implements so that its sessions can run in a child process.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use codecwatch_supervisor::{Codec, CodecError, Session};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::child::ChildLog;
use crate::memory::{Given, Lender, Received};
use crate::sandbox::{Code, Policy};
use crate::wire::Broken;

/// The input of a codec's sessions.
pub type InputOf<R> = <<<R as Remote>::Codec as Codec>::Session as Session>::Input;
/// The output of a codec's sessions.
pub type OutputOf<R> = <<<R as Remote>::Codec as Codec>::Session as Session>::Output;

/// A kind of session that can run in a child process. Never made: its functions run in
/// the parent or in the child, as each says.
///
/// What comes from the child may have been made by whoever wrote the stream that it
/// decodes: [`unpack_output`](Self::unpack_output) must check all of it, and must not
/// panic.
pub trait Remote: 'static {
    /// Its name on the child's command line.
    const KIND: &'static str;
    /// The most inputs whose memory the child may have at a time.
    const MOST_LENT: usize;

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

    /// What the child is kept from, unless the user says otherwise.
    fn policy(_config: &Self::Config) -> Policy {
        Policy::Strict
    }

    /// Whether the child makes code while it runs.
    const CODE: Code = Code::Loaded;

    /// Child: loads what the session needs of the file system. Afterwards the sandbox is
    /// closed.
    fn prepare(_config: &Self::Config) {}

    /// Child: the factory of the session.
    fn codec(config: Self::Config, memory: &Arc<Received>, log: ChildLog) -> Self::Codec;

    /// Parent: an input in a form that can be sent.
    ///
    /// # Errors
    /// There is no memory for it.
    fn pack_input(
        input: InputOf<Self>,
        lender: &mut Lender,
    ) -> Result<Self::PackedInput, CodecError>;

    /// Child: the input.
    ///
    /// # Errors
    /// It is not as [`pack_input`](Self::pack_input) makes it.
    fn unpack_input(
        packed: Self::PackedInput,
        memory: &Arc<Received>,
    ) -> Result<InputOf<Self>, Broken>;

    /// Child: an output in a form that can be sent.
    fn pack_output(output: OutputOf<Self>, memory: &Arc<Received>) -> Self::PackedOutput;

    /// Parent: the output.
    ///
    /// # Errors
    /// No correct child sends it.
    fn unpack_output(packed: Self::PackedOutput, given: &Given) -> Result<OutputOf<Self>, Broken>;
}

// SPDX-License-Identifier: MPL-2.0
//! What an element has to say about itself to be supervised.

use codecwatch_supervisor::{Codec, Session};
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::Supervision;

/// Which way the codec works; decides error codes and what events wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Faults are STREAM/ENCODE.
    Encoder,
    /// Faults are STREAM/DECODE.
    Decoder,
}

/// An element whose codec runs under supervision. Its source pad is called
/// `src`, its sink pad `sink`.
pub trait Supervised: ElementImpl + ObjectSubclass<Type: IsA<gst::Element> + Send + Sync> {
    /// What the codec takes.
    type Input: Send + 'static;
    /// What it gives.
    type Output: Send + 'static;
    /// What opens a session on the worker.
    type Codec: Codec<Session: Session<Input = Self::Input, Output = Self::Output>>;

    /// Which way the codec works.
    const ROLE: Role;

    /// The element's supervision, a field of its implementation struct.
    fn supervision(&self) -> &Supervision<Self::Input, Self::Output>;

    /// What opens a session with the settings and the format of this moment; `None`
    /// before there is a format.
    fn codec(&self) -> Option<Self::Codec>;

    /// The frame that an output settles: the id that it was submitted with.
    fn frame_of(output: &Self::Output) -> Option<u32>;

    /// Pushes one output downstream. Called by the output task. Returns what downstream
    /// answered; `None` where nothing had to be pushed.
    fn deliver(&self, output: Self::Output) -> Option<Result<gst::FlowSuccess, gst::FlowError>>;

    /// The session that gives output has published facts;
    /// [`Supervision::facts`] has the latest. Called by the output task before more
    /// output is delivered.
    fn facts_changed(&self) {}

    /// The session has told something beside its output, and `missed` things before it
    /// that nobody hears any more. Called by the output task ahead of outputs that wait.
    /// By default it is dropped: a session that tells nothing needs no more.
    fn told(&self, _told: Self::Output, _missed: u64) {}

    /// Takes note of frames that will not come out, because their session has been
    /// given up, so that the base class can be told with the next output or at the
    /// end. Another thread may wait for this with the base class's stream lock held:
    /// the base class must not be called here.
    fn let_go(&self, frames: &[u32]);

    /// A session has been given up, and another takes over with the next frame. For
    /// what upstream can do about it.
    fn restarted(&self) {}
}

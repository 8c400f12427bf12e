// SPDX-License-Identifier: MPL-2.0
//! What an element has to say about itself to be supervised.

use codecwatch_supervisor::{Codec, Session};
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::Supervision;

/// Which way the codec works; decides the error code.
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

    /// What opens a session with the settings of this moment.
    ///
    /// # Errors
    /// Settings or a format that no session can be opened with.
    fn codec(&self) -> Result<Self::Codec, gst::ErrorMessage>;

    /// Pushes one output downstream. Called by the output task.
    ///
    /// # Errors
    /// What downstream answered.
    fn deliver(&self, output: Self::Output) -> Result<gst::FlowSuccess, gst::FlowError>;

    /// Lets go of every frame that was handed to the codec and will not come
    /// out any more, because its session was given up and another takes over;
    /// the next output is marked DISCONT. Returns the presentation times of the
    /// first and the last frame lost.
    fn forget_frames(&self) -> Option<(gst::ClockTime, gst::ClockTime)>;
}

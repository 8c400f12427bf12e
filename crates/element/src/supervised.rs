// SPDX-License-Identifier: MPL-2.0
//! What an element has to say about itself to be supervised.

use codecwatch_supervisor::{Codec, Session};
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::Supervision;
use crate::properties::{ElementSettings, Stored};

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
///
/// The wiring of a base class ([`video_encoder!`](crate::video_encoder!),
/// [`video_decoder!`](crate::video_decoder!)) needs nothing else of an element but the
/// trait of that base class.
pub trait Supervised: ElementImpl + ObjectSubclass<Type: IsA<gst::Element> + Send + Sync> {
    /// What the codec takes.
    type Input: Send + 'static;
    /// What it gives.
    type Output: Send + 'static;
    /// What opens a session on the worker.
    type Codec: Codec<Session: Session<Input = Self::Input, Output = Self::Output>>;
    /// The element's own properties.
    type Settings: ElementSettings;

    /// Which way the codec works.
    const ROLE: Role;

    /// What `gst-inspect-1.0` says of the element.
    fn describe() -> gst::subclass::ElementMetadata;

    /// What the sink pad takes and the source pad gives.
    fn pad_caps() -> PadCaps;

    /// The element's supervision, a field of its implementation struct.
    fn supervision(&self) -> &Supervision<Self::Input, Self::Output>;

    /// The values of its own properties, another field.
    fn settings(&self) -> &Stored<Self::Settings>;

    /// One of its own properties was set.
    fn property_set(&self, _name: &str) {}

    /// What the element has to add to the `stats` property. Must not wait.
    fn add_stats(&self, _stats: &mut gst::Structure) {}

    /// What opens a session with the settings and the format of this moment; `None`
    /// before there is a format.
    fn codec(&self) -> Option<Self::Codec>;

    /// The frame that an input is: the id that it is submitted with.
    fn frame_in(input: &Self::Input) -> u32;

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

    /// A session has been given up, and another takes over with the next frame. For
    /// what upstream can do about it.
    fn restarted(&self) {}
}

/// The caps of the pad templates.
#[derive(Debug)]
pub struct PadCaps {
    /// What the sink pad takes.
    pub sink: gst::Caps,
    /// What the source pad gives.
    pub src: gst::Caps,
}

impl PadCaps {
    /// The templates of both pads.
    #[doc(hidden)]
    pub fn templates(&self) -> Vec<gst::PadTemplate> {
        [
            ("sink", gst::PadDirection::Sink, &self.sink),
            ("src", gst::PadDirection::Src, &self.src),
        ]
        .into_iter()
        .filter_map(|(name, direction, caps)| {
            gst::PadTemplate::new(name, direction, gst::PadPresence::Always, caps).ok()
        })
        .collect()
    }
}

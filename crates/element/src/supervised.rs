// SPDX-License-Identifier: MPL-2.0
//! What an element implements to be supervised.

use codecwatch_supervisor::{Codec, Session};
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::properties::{ElementSettings, Stored};
use crate::{SampleForm, Supervision};

/// What the codec does; decides the code of its errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Faults are STREAM/ENCODE.
    Encoder,
    /// Faults are STREAM/DECODE.
    Decoder,
    /// Neither: faults are STREAM/FAILED.
    Other,
}

/// The class that an element is derived from; decides what events wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BaseClass {
    /// `GstVideoEncoder`.
    VideoEncoder,
    /// `GstVideoDecoder`.
    VideoDecoder,
    /// `GstElement`: the codec gets the events itself.
    Element,
}

/// What the wiring of a base class supplies: [`video_encoder!`](crate::video_encoder!) and
/// [`video_decoder!`](crate::video_decoder!) implement it. An element that is derived from
/// `GstElement` itself does so by hand.
pub trait Wired<Output> {
    /// The class that the element is derived from.
    const BASE: BaseClass;

    /// Pushes one output downstream. Called by the output task. Returns the flow return
    /// of downstream; `None` if nothing had to be pushed.
    fn deliver(&self, output: Output) -> Option<Result<gst::FlowSuccess, gst::FlowError>>;
}

/// An element whose codec runs under supervision. Its source pad is called
/// `src`, its sink pad `sink`.
///
/// The wiring of a base class ([`video_encoder!`](crate::video_encoder!),
/// [`video_decoder!`](crate::video_decoder!)) needs only this trait and the one for
/// that base class.
pub trait Supervised:
    ElementImpl
    + ObjectSubclass<Type: IsA<gst::Element> + Send + Sync>
    + Wired<<Self as Supervised>::Output>
{
    /// The codec's input.
    type Input: Send + 'static;
    /// The codec's output.
    type Output: Send + 'static;
    /// The factory that opens a session on the worker.
    type Codec: Codec<Session: Session<Input = Self::Input, Output = Self::Output>>;
    /// The element's own properties.
    type Settings: ElementSettings;

    /// What the codec does.
    fn role(&self) -> Role {
        match Self::BASE {
            BaseClass::VideoEncoder => Role::Encoder,
            BaseClass::VideoDecoder => Role::Decoder,
            BaseClass::Element => Role::Other,
        }
    }

    /// The metadata that `gst-inspect-1.0` shows.
    fn describe() -> gst::subclass::ElementMetadata;

    /// The caps of the pad templates.
    fn pad_caps() -> PadCaps;

    /// The element's supervision, a field of its implementation struct.
    fn supervision(&self) -> &Supervision<Self::Input, Self::Output>;

    /// The values of the element's own properties, another field.
    fn settings(&self) -> &Stored<Self::Settings>;

    /// Called when one of the element's own properties was set.
    fn property_set(&self, _name: &str) {}

    /// Adds the element's own fields to the `stats` property. Must not wait.
    fn add_stats(&self, _stats: &mut gst::Structure) {}

    /// How the inputs that it [records](Supervision::record) are written. `None` for an
    /// element that records none, such as an encoder.
    fn sample_form(&self) -> Option<SampleForm> {
        None
    }

    /// The versions of what does its work: name and version.
    fn versions(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// The factory for a session with the current settings and format; `None` before
    /// there is a format.
    fn codec(&self) -> Option<Self::Codec>;

    /// The id of an input's frame, as submitted. `None` if it has none.
    fn frame_in(input: &Self::Input) -> Option<u32>;

    /// Whether an input that only waited for a session which was given up goes to the
    /// next one: what carries no frame, such as an event. Frames are lost, and reported.
    fn survives_restart(&self, input: &Self::Input) -> bool {
        Self::frame_in(input).is_none()
    }

    /// The ids of the frames that an output settles, as submitted; usually one.
    fn frames_of(output: &Self::Output) -> impl IntoIterator<Item = u32>;

    /// Called by the output task when the session that gives output has published
    /// facts, before more output is delivered. [`Supervision::facts`] returns the
    /// latest.
    fn facts_changed(&self) {}

    /// Called with what the session has told besides its output, on a thread of its own:
    /// before the outputs and the end that follow it, unless this takes more than a
    /// second. `missed`: how many things told before it were dropped. The default drops
    /// it, which suits a session that tells nothing.
    fn told(&self, _told: Self::Output, _missed: u64) {}

    /// Called when a session has been given up and another takes over with the next
    /// frame, so that the element can act, such as by a request to upstream.
    fn restarted(&self) {}
}

/// The caps of the pad templates.
#[derive(Debug)]
pub struct PadCaps {
    /// Caps of the sink pad.
    pub sink: gst::Caps,
    /// Caps of the source pad.
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

// SPDX-License-Identifier: MPL-2.0
//! Supervision of a video decoder: the code between `GstVideoDecoder` and any codec.
//! [`video_decoder!`](crate::video_decoder!) wires an element, which implements
//! [`SupervisedVideoDecoder`] for what is specific to it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_video::prelude::*;
use gst_video::subclass::prelude::*;

use crate::{CAT, Frame, SubmitError, Supervised, Supervision};

pub mod container_hdr;
mod events;
mod formats;
mod losses;
mod reverse;
mod trick_mode;
mod wiring;

pub use formats::{Format, InputState};
pub use losses::{release, release_lost};

use formats::Formats;

/// Default of `max-errors`. That of the base class is -1, with which a stream of errors
/// alone passes for a complete one. A damaged frame costs everything up to the next key
/// frame, and the output that follows resets the count; so ten errors in a row mean ten
/// missing key frames.
const MAX_ERRORS: i32 = 10;

/// What a decoder element holds besides its supervision. `O`: the codec's output; `B`:
/// what the caps say about the bitstream.
#[derive(Debug)]
pub struct DecoderStream<O, B>(Mutex<State<O, B>>);

#[derive(Debug)]
struct State<O, B> {
    formats: Formats<B>,
    /// Upstream is live.
    live: bool,
    /// Inputs are missing before the next one: they never reached the codec.
    loss: bool,
    /// In reverse playback: output whose frames are not finished yet.
    reverse: Option<Vec<O>>,
}

impl<O, B> Default for State<O, B> {
    fn default() -> Self {
        Self {
            formats: Formats::default(),
            live: false,
            loss: false,
            reverse: None,
        }
    }
}

impl<O, B> Default for DecoderStream<O, B> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<O, B: Clone> DecoderStream<O, B> {
    fn state(&self) -> MutexGuard<'_, State<O, B>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The format of the next input.
    pub fn format(&self) -> Option<Format<B>> {
        self.state().formats.next().cloned()
    }

    /// The format of input `id`. Everything before it is out.
    pub fn format_of(&self, id: u64) -> Option<Format<B>> {
        let mut state = self.state();
        let outdated = state.formats.outdated(id);
        let format = state.formats.oldest().cloned();
        drop(state);
        drop(outdated);
        format
    }

    /// Whether upstream is live, as it was when the last caps came.
    pub fn is_live(&self) -> bool {
        self.state().live
    }
}

/// An input on its way to the codec.
#[derive(Debug)]
pub struct Encoded<'a, B> {
    /// The base class's number for it.
    pub id: u32,
    /// Its bytes.
    pub buffer: gst::Buffer,
    /// What the caps say about it.
    pub bitstream: &'a B,
    /// Inputs are missing before it.
    pub follows_loss: bool,
}

/// A supervised element on top of `GstVideoDecoder`.
pub trait SupervisedVideoDecoder: Supervised + VideoDecoderImpl {
    /// What the caps say about the bitstream. A change of it requires a new session.
    type Bitstream: Clone + PartialEq + Send + 'static;

    /// What the wiring keeps, a field of the implementation struct.
    fn stream(&self) -> &DecoderStream<Self::Output, Self::Bitstream>;

    /// What caps say about the bitstream.
    fn bitstream(caps: &gst::CapsRef) -> Self::Bitstream;

    /// What the codec takes for an input that is not empty.
    fn input(&self, encoded: Encoded<'_, Self::Bitstream>) -> Self::Input;

    /// Passes one output on: finishes or [releases](release) its frame. A frame that is
    /// neither finished nor released makes the stream end with an error. Called by the
    /// output task; in reverse playback by the streaming thread, with the stream lock.
    /// Returns the flow return of downstream; `None` if nothing had to be pushed.
    fn finish_output(
        &self,
        output: Self::Output,
    ) -> Option<Result<gst::FlowSuccess, gst::FlowError>>;

    /// Whether the session depends on upstream being live: if so, a change begins a new
    /// session.
    fn depends_on_live(&self) -> bool {
        false
    }

    /// Whether the codec loses its references when it outputs what is inside (dav1d before
    /// 1.5.1, if it works on several frames): then a gap overtakes the pictures inside, as
    /// it does in the base class, because everything up to the next key frame would be the
    /// price of its order.
    fn holds_back(&self) -> bool {
        false
    }

    /// Called when the format of the next input has changed.
    fn format_changed(&self) {}

    /// Why a stream that ends here is incomplete although the codec returned no error.
    /// `reverse`: in reverse playback, the last output is not the end of the stream.
    fn why_cut_short(&self, _reverse: bool) -> Option<String> {
        None
    }

    /// Called after a flush: everything inside was dropped.
    fn flushed(&self) {}

    /// Called when the element has stopped. No state may carry over to the next stream.
    fn stopped(&self);
}

/// Installs the probes that see buffers and events before the base class takes its lock.
#[doc(hidden)]
pub fn constructed<T: SupervisedVideoDecoder>(imp: &T) {
    let element = decoder(imp);
    element.set_needs_format(true);
    // A codec recognises key frames from the bitstream, not from buffer flags.
    element.set_needs_sync_point(false);
    element.set_max_errors(MAX_ERRORS);
    Supervision::install_backpressure_probe(imp);
    Supervision::watch_links(imp);
    Supervision::publish(imp);
    container_hdr::install(element.sink_pad());
    trick_mode::install(imp);
}

#[doc(hidden)]
pub fn stop<T: SupervisedVideoDecoder>(imp: &T) {
    imp.supervision().stop(imp);
    let old = std::mem::take(&mut *imp.stream().state());
    drop(old);
    imp.stopped();
}

#[doc(hidden)]
pub fn set_format<T: SupervisedVideoDecoder>(imp: &T, input: &InputState) {
    let caps = input.caps_owned().unwrap_or_else(gst::Caps::new_empty);
    let bitstream = T::bitstream(&caps);
    let format = Format::new(input.clone(), caps, bitstream);
    let unused = imp.stream().state().formats.announce(format);
    drop(unused);
    imp.format_changed();
}

#[doc(hidden)]
pub fn handle_frame<T: SupervisedVideoDecoder>(
    imp: &T,
    frame: gst_video::VideoCodecFrame<'_>,
) -> Result<gst::FlowSuccess, gst::FlowError> {
    let (id, pts) = (frame.system_frame_number(), frame.pts());
    let buffer = frame.input_buffer_owned();
    // The frame holds the stream lock, and the base class keeps its own reference.
    drop(frame);
    let submitted = match buffer {
        Some(buffer) if !losses::is_empty(&buffer) => submit(imp, Frame { id, pts }, buffer),
        buffer => {
            losses::skip_empty(imp, buffer.as_deref());
            release(imp, id);
            Ok(gst::FlowSuccess::Ok)
        }
    };
    if let Err(SubmitError::NotTaken(_)) = submitted {
        release(imp, id);
        imp.stream().state().loss = true;
    }
    submitted.map_err(Into::into)
}

/// Submits an input to the codec. Its frame is in the base class's list.
fn submit<T: SupervisedVideoDecoder>(
    imp: &T,
    frame: Frame,
    buffer: gst::Buffer,
) -> Result<gst::FlowSuccess, SubmitError> {
    let id = frame.id;
    let bitstream = imp.stream().state().formats.take_up(id.into());
    let bitstream = bitstream.ok_or(SubmitError::NotTaken(gst::FlowError::NotNegotiated))?;
    let segment = decoder(imp).input_segment();
    let checked = imp.supervision().check_frame(imp, &segment, frame.pts);
    checked.map_err(SubmitError::NotTaken)?;
    let discont = buffer.flags().contains(gst::BufferFlags::DISCONT);
    let input = imp.input(Encoded {
        id,
        buffer,
        bitstream: &bitstream,
        follows_loss: losses::take(imp, discont),
    });
    imp.supervision().submit(imp, frame, input)
}

#[doc(hidden)]
pub use events::{sink_event, src_event};
#[doc(hidden)]
pub use reverse::{deliver, drain};

/// Asks upstream for a key frame: a new session can do nothing before one.
pub fn request_key_frame<T: SupervisedVideoDecoder>(imp: &T) {
    gst::debug!(CAT, imp = imp, "requesting a key frame");
    let request = gst_video::UpstreamForceKeyUnitEvent::builder()
        .all_headers(true)
        .build();
    decoder(imp).sink_pad().push_event(request);
}

/// The element as the base class that it is.
fn decoder<T: SupervisedVideoDecoder>(imp: &T) -> gst_video::VideoDecoder {
    imp.obj().clone().upcast()
}

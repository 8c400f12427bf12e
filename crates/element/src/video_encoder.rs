// SPDX-License-Identifier: MPL-2.0
//! Supervision of a video encoder: the code between `GstVideoEncoder` and any codec.
//! [`video_encoder!`](crate::video_encoder!) wires an element, which implements
//! [`SupervisedVideoEncoder`] for what is specific to it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use codecwatch_shared_memory::SharedAllocator;
use codecwatch_supervisor::{Codec, Session};
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_video::prelude::*;
use gst_video::subclass::prelude::*;
use gst_video::{VideoCodecFrameFlags, VideoInfo};

use crate::{CAT, Frame, SubmitError, Supervised, Supervision};

mod caps_change;
mod events;
mod format;
mod output;
mod packed;
mod pixels;
mod timestamps;
mod wiring;

use pixels::Pixels;
use timestamps::Timestamps;

/// A format as the base class keeps it.
pub type InputState = gst_video::VideoCodecState<'static, gst_video::video_codec_state::Readable>;

/// A mapped picture. Dropping it returns the buffer to upstream.
pub type MappedFrame = gst_video::VideoFrame<gst_video::video_frame::Readable>;

/// What an encoder element holds besides its supervision.
#[derive(Debug, Default)]
pub struct EncoderStream {
    pixels: Pixels,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The format that was accepted last.
    format: Option<InputState>,
    /// The base class knows the output caps.
    has_src_caps: bool,
    /// The times of the frames so far.
    times: Timestamps,
    /// A new stream begins with the next frame, and has to be decodable from there.
    stream_begins: bool,
    /// The caps event in progress only serves to make the base class forget the old caps.
    priming: bool,
}

impl EncoderStream {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A frame on its way to the codec.
#[derive(Debug, Clone, Copy)]
pub struct FrameRequest {
    /// The base class's number for it.
    pub id: u32,
    /// How long it is shown, if upstream sets it.
    pub duration: Option<gst::ClockTime>,
    /// It has to be a key frame.
    pub force_key: bool,
}

/// A supervised element on top of `GstVideoEncoder`.
pub trait SupervisedVideoEncoder: Supervised + VideoEncoderImpl {
    /// What the wiring keeps, a field of the implementation struct.
    fn stream(&self) -> &EncoderStream;

    /// Lower bound of the memory in bytes that a session of this format takes. If less
    /// is available, the guard refuses the format.
    fn least_memory(info: &VideoInfo) -> u64;

    /// Accepts a format for the frames that follow. The sessions of the previous format
    /// have ended; [`EncoderStream::format`] still returns the previous one.
    ///
    /// # Errors
    /// The format cannot be encoded. The element has posted the reason on the bus
    /// ([`Supervision::refuse_with`]).
    fn accept(&self, _format: &InputState) -> Result<(), gst::LoggableError> {
        Ok(())
    }

    /// Frames that the codec keeps with the current format and settings. Announced as
    /// latency when a format has been accepted; after a later change, call
    /// [`announce_latency`].
    fn latency_frames(&self) -> u32;

    /// The frame rate: gives the duration of a frame whose buffer has none, and of the
    /// frames that the codec keeps. `None` if unknown.
    fn frame_rate(&self) -> Option<gst::Fraction> {
        self.stream().frame_rate()
    }

    /// The output caps, if they follow from the format. `None` if the codec determines
    /// them with its first output: then the element must call [`negotiate`].
    fn src_caps(&self) -> Option<gst::Caps> {
        None
    }

    /// The codec's input for a frame. Drop the picture as soon as the codec has copied
    /// it.
    ///
    /// # Errors
    /// The flow return for the frame. The element has posted the reason on the bus.
    fn picture(
        &self,
        frame: FrameRequest,
        picture: MappedFrame,
    ) -> Result<Self::Input, gst::FlowError>;

    /// Passes one output on: finishes its frame ([`finish_packet`]). A frame that is not
    /// finished makes the stream end with an error. Called by the output task. Returns the
    /// flow return of downstream; `None` if nothing had to be pushed.
    fn finish_output(
        &self,
        output: Self::Output,
    ) -> Option<Result<gst::FlowSuccess, gst::FlowError>>;

    /// Whether a session can make any frame a key frame. If not, a frame that has to be
    /// one begins a new session.
    fn can_force_key(&self) -> bool {
        true
    }

    /// Called when the element has stopped. No state may carry over to the next stream.
    fn stopped(&self) {}
}

/// Installs the probes that see buffers before the base class takes its lock.
#[doc(hidden)]
pub fn constructed<T: SupervisedVideoEncoder>(imp: &T) {
    Supervision::install_backpressure_probe(imp);
    Supervision::watch_links(imp);
    Supervision::publish(imp);
    pixels::install_probes(imp);
}

#[doc(hidden)]
pub fn stop<T: SupervisedVideoEncoder>(imp: &T) {
    imp.supervision().stop(imp);
    imp.stream().pixels.release();
    let old = std::mem::take(&mut *imp.stream().state());
    drop(old);
    imp.stopped();
}

#[doc(hidden)]
pub fn handle_frame<T: SupervisedVideoEncoder>(
    imp: &T,
    frame: gst_video::VideoCodecFrame<'_>,
) -> Result<gst::FlowSuccess, gst::FlowError> {
    let supervision = imp.supervision();
    let (id, pts) = (frame.system_frame_number(), frame.pts());
    let segment = encoder(imp).input_segment();
    supervision.check_frame(imp, &segment, pts)?;
    let stream_begins = std::mem::take(&mut imp.stream().state().stream_begins);
    let request = FrameRequest {
        id,
        duration: frame.duration(),
        force_key: stream_begins || frame.flags().contains(VideoCodecFrameFlags::FORCE_KEYFRAME),
    };
    // The frame holds the stream lock.
    drop(frame);
    // None: a flush came in between.
    let buffer = imp.stream().pixels.take().ok_or(gst::FlowError::Flushing)?;
    let submitted = submit(imp, request, pts, buffer);
    if let Err(SubmitError::NotTaken(_)) = submitted {
        supervision.note_lost(&[id]);
    }
    submitted.map_err(Into::into)
}

fn submit<T: SupervisedVideoEncoder>(
    imp: &T,
    request: FrameRequest,
    pts: Option<gst::ClockTime>,
    buffer: gst::Buffer,
) -> Result<gst::FlowSuccess, SubmitError> {
    let id = request.id;
    let picture = format::map(imp, buffer)
        .and_then(|picture| imp.picture(request, picture))
        .map_err(SubmitError::NotTaken)?;
    if request.force_key && !imp.can_force_key() {
        gst::debug!(
            CAT,
            imp = imp,
            "frame {id} must be a key frame: starting a new session"
        );
        let handed_over = imp.supervision().hand_over(imp);
        handed_over.map_err(SubmitError::NotTaken)?;
    }
    imp.supervision().submit(imp, Frame { id, pts }, picture)
}

/// Makes upstream's pool hold as many pictures as this element holds at a time: those
/// that wait for the worker, the one that the codec copies, and the one that is being
/// submitted.
#[doc(hidden)]
pub fn propose_allocation<T: SupervisedVideoEncoder>(
    imp: &T,
    query: &mut gst::query::Allocation,
) -> Result<(), gst::LoggableError> {
    query.add_allocation_meta::<gst_video::VideoMeta>(None);
    if imp.supervision().settings().isolate {
        // The base class makes its pool of it.
        let allocator = SharedAllocator::default();
        query.add_allocation_param(Some(&allocator), gst::AllocationParams::default());
    }
    imp.parent_propose_allocation(query)?;
    let held = <<T::Codec as Codec>::Session as Session>::QUEUE as u32 + 2;
    let pools: Vec<_> = query.allocation_pools().collect();
    for (index, (pool, size, min, max)) in (0..).zip(pools) {
        query.set_nth_allocation_pool(index, pool.as_ref(), size, min.max(held), max);
    }
    Ok(())
}

#[doc(hidden)]
pub use events::{sink_event, src_event};
pub use format::announce_latency;
#[doc(hidden)]
pub use format::set_format;
pub use output::{finish_packet, negotiate};
pub use packed::{packed, packed_size};

/// The element as the base class that it is.
fn encoder<T: SupervisedVideoEncoder>(imp: &T) -> gst_video::VideoEncoder {
    imp.obj().clone().upcast()
}

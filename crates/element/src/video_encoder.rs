// SPDX-License-Identifier: MPL-2.0
//! Supervision of a video encoder: what lies between `GstVideoEncoder` and the codec,
//! the same for every one. [`video_encoder!`](crate::video_encoder!) wires an element;
//! what only the element can know it says as a [`SupervisedVideoEncoder`].

use std::sync::{Mutex, MutexGuard, PoisonError};

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

/// A picture, mapped. Its buffer goes back to upstream when this is dropped.
pub type MappedFrame = gst_video::VideoFrame<gst_video::video_frame::Readable>;

/// What an encoder element holds beside its supervision.
#[derive(Debug, Default)]
pub struct EncoderStream {
    pixels: Pixels,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The format that was taken over last.
    format: Option<InputState>,
    /// The base class knows the caps of what comes out of it.
    has_src_caps: bool,
    /// The times of the frames so far.
    times: Timestamps,
    /// A new stream begins with the next frame, and has to be decodable from there.
    stream_begins: bool,
    /// Caps are on their way that only serve to make the base class forget the old ones.
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
    /// How long it is shown, where upstream says so.
    pub duration: Option<gst::ClockTime>,
    /// It has to be a key frame.
    pub force_key: bool,
}

/// A supervised element on top of `GstVideoEncoder`.
pub trait SupervisedVideoEncoder: Supervised + VideoEncoderImpl {
    /// What the wiring keeps, a field of the implementation struct.
    fn stream(&self) -> &EncoderStream;

    /// Memory in bytes that a session of this format takes at the very least. Where
    /// there is less, the guard refuses the format.
    fn least_memory(info: &VideoInfo) -> u64;

    /// Takes a format over for the frames that follow. The sessions of the one before
    /// have ended; [`EncoderStream::format`] is still the old one.
    ///
    /// # Errors
    /// The format cannot be encoded. The element has said why on the bus
    /// ([`Supervision::refuse_with`]).
    fn accept(&self, _format: &InputState) -> Result<(), gst::LoggableError> {
        Ok(())
    }

    /// Frames that the codec keeps with the format and the settings of this moment.
    /// Announced as latency when a format has been accepted; where it changes later,
    /// [`announce_latency`] has to be called.
    fn latency_frames(&self) -> u32;

    /// How many frames there are in a second: what says how long a frame is shown whose
    /// buffer does not, and how long those are that the codec keeps. `None` where
    /// nobody knows.
    fn frame_rate(&self) -> Option<gst::Fraction> {
        self.stream().frame_rate()
    }

    /// The caps of what comes out, where they follow from the format. `None` where the
    /// codec says them with its first output: then [`negotiate`] has to be called.
    fn src_caps(&self) -> Option<gst::Caps> {
        None
    }

    /// What the codec takes for a frame. Drops the picture as soon as the codec has
    /// copied it.
    ///
    /// # Errors
    /// What the frame is answered with. The element has said why on the bus.
    fn picture(
        &self,
        frame: FrameRequest,
        picture: MappedFrame,
    ) -> Result<Self::Input, gst::FlowError>;

    /// Whether a session can make a key frame of any frame. Where it cannot, a frame
    /// that has to be one begins a new session.
    fn can_force_key(&self) -> bool {
        true
    }

    /// The element has stopped: the next stream knows nothing of this one.
    fn stopped(&self) {}
}

/// Installs what looks at buffers before the base class takes its lock.
#[doc(hidden)]
pub fn constructed<T: SupervisedVideoEncoder>(imp: &T) {
    Supervision::install_backpressure_probe(imp);
    Supervision::watch_links(imp);
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
            "frame {id} has to be a key frame: a new session"
        );
        let handed_over = imp.supervision().hand_over(imp);
        handed_over.map_err(SubmitError::NotTaken)?;
    }
    imp.supervision().submit(imp, Frame { id, pts }, picture)
}

/// Has upstream's pool hold as many pictures as are here at a time: those that wait
/// for the worker, the one that the codec copies, and the one that is handed over.
#[doc(hidden)]
pub fn propose_allocation<T: SupervisedVideoEncoder>(
    imp: &T,
    query: &mut gst::query::Allocation,
) -> Result<(), gst::LoggableError> {
    query.add_allocation_meta::<gst_video::VideoMeta>(None);
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

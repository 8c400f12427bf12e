// SPDX-License-Identifier: MPL-2.0
//! Delivers the codec's output downstream.

use codecwatch_dav1d as dav1d;
use codecwatch_element::video_decoder::release;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_video::VideoDecoderRequestSyncPointFlags;
use gst_video::prelude::*;

use super::caps::Description;
use super::imp::Dav1dWatchDec;
use super::t35;
use crate::CAT;

pub(super) type Flow = Result<gst::FlowSuccess, gst::FlowError>;

impl Dav1dWatchDec {
    /// Passes one output on.
    pub(super) fn finish(&self, output: dav1d::Decoded) -> Option<Flow> {
        match output {
            dav1d::Decoded::Picture(picture) => self.finish_picture(picture),
            dav1d::Decoded::NoPicture { id } => {
                release(self, frame_number(id));
                None
            }
            dav1d::Decoded::Damaged(damage) => self.note_damage(&damage).err().map(Err),
        }
    }

    /// `None` for a picture that belongs to no frame.
    fn finish_picture(&self, picture: Box<dav1d::Picture>) -> Option<Flow> {
        let element = self.obj();
        let lost = self.state().tally.note_picture();
        let discont = self.supervision.take_discont() || lost;
        let Some(mut frame) = element.frame(frame_number(picture.id).cast_signed()) else {
            self.note_surplus(picture.id);
            return None;
        };
        if element.is_qos() && element.max_decode_time(&frame) < 0 {
            // It was decoded, since others refer to it; downstream would drop it.
            self.state().tally.keep_discont(discont);
            let _ = element.drop_frame(frame);
            return None;
        }
        match self.show(picture, &mut frame, discont) {
            Ok(()) => Some(element.finish_frame(frame)),
            Err(error) => {
                // The base class would keep it.
                element.release_frame(frame);
                Some(Err(error))
            }
        }
    }

    /// Gives a frame its picture.
    fn show(
        &self,
        mut picture: Box<dav1d::Picture>,
        frame: &mut gst_video::VideoCodecFrame<'_>,
        discont: bool,
    ) -> Result<(), gst::FlowError> {
        let info = self.negotiated(picture.id, Description::of(&picture))?;
        let messages = std::mem::take(&mut picture.t35);
        let mut buffer = self.buffer(picture, &info)?;
        let shown = buffer.make_mut();
        let captioned = frame
            .input_buffer()
            .is_some_and(|input| input.meta::<gst_video::VideoCaptionMeta>().is_some());
        t35::attach(shown, &messages, captioned);
        if discont {
            shown.set_flags(gst::BufferFlags::DISCONT);
        }
        frame.set_output_buffer(buffer);
        Ok(())
    }

    /// A picture has no frame: its input had more than one to show, for which
    /// GStreamer has no frames, or a flush overtook it. Reported once.
    fn note_surplus(&self, id: u64) {
        gst::debug!(CAT, imp = self, "no frame {id} for a picture");
        let is_first = self.state().tally.note_surplus();
        if is_first {
            gst::element_imp_warning!(
                self,
                gst::StreamError::Decode,
                ("An input has more than one picture to show: only the first is shown")
            );
        }
    }

    /// Counts an input that could not be decoded; one above the limit ends the stream.
    fn note_damage(&self, damage: &dav1d::Damage) -> Flow {
        let dav1d::Damage { id, cause } = damage;
        let element = self.obj();
        let errors = self.state().tally.note_damage(cause);
        let mut pts = None;
        if let Some(frame) = element.frame(frame_number(*id).cast_signed()) {
            pts = frame.pts();
            // Nothing can be decoded before the next key frame.
            element.request_sync_point(&frame, VideoDecoderRequestSyncPointFlags::empty());
            element.release_frame(frame);
        }
        let Some(errors) = errors else {
            gst::debug!(CAT, imp = self, "input {id} at {}: {cause}", pts.display());
            return Ok(gst::FlowSuccess::Ok);
        };
        let allowed = element.max_errors();
        if u32::try_from(allowed).is_ok_and(|allowed| errors > allowed) {
            let text = format!(
                "{errors} errors in the stream without a picture in between, max-errors allows \
                 {allowed}; the last at {}: {cause}",
                pts.display()
            );
            return Err(self.supervision.fail(self, &text));
        }
        gst::element_imp_warning!(
            self,
            gst::StreamError::Decode,
            (
                "The frame at {} is dropped: {cause}; decoding continues at the next key frame",
                pts.display()
            )
        );
        Ok(gst::FlowSuccess::Ok)
    }
}

/// The base class's number for the frame of an input.
fn frame_number(id: u64) -> u32 {
    u32::try_from(id).unwrap_or(u32::MAX)
}

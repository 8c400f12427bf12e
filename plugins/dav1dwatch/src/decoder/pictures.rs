// SPDX-License-Identifier: MPL-2.0
//! The way of the codec's output downstream, and the account of what was lost.

use codecwatch_dav1d as dav1d;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_video::VideoDecoderRequestSyncPointFlags;
use gst_video::prelude::*;

use super::caps::Description;
use super::imp::{CAT, Dav1dWatchDec, State};
use super::t35;

type Flow = Result<gst::FlowSuccess, gst::FlowError>;

/// What became of the inputs.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Since the start or the last flush.
    pub(super) inputs: u64,
    /// Likewise.
    pub(super) pictures: u64,
    /// Inputs that could not be decoded.
    damaged: u64,
    /// Inputs that were left out because what they refer to was lost.
    unreferenced: u64,
    /// Pictures that had no frame to come out with.
    surplus: u64,
    /// Errors since the last picture.
    errors: u32,
    /// The last input led to a picture, or to none rightly.
    in_sync: bool,
    /// Something was lost since the last picture.
    discont: bool,
    /// Inputs that were lost since the last picture.
    lost: u64,
}

impl Tally {
    /// Adds to the `stats` structure.
    pub(super) fn add_to(&self, stats: &mut gst::Structure) {
        stats.set("damaged", self.damaged);
        stats.set("unreferenced", self.unreferenced);
    }

    /// What makes a stream that ends here an incomplete one, whatever the codec
    /// says. `allowed`: the errors that are tolerated; `None` for any number.
    ///
    /// An error costs everything up to the next key frame. When the stream ends
    /// before there is one, that is no gap: what came out is cut short.
    pub(super) fn why_cut_short(&self, allowed: Option<u32>) -> Option<String> {
        if self.inputs > 0 && self.pictures == 0 {
            return Some("No picture could be decoded before the end of the stream".to_owned());
        }
        let allowed = allowed.filter(|allowed| self.lost > u64::from(*allowed))?;
        Some(format!(
            "The stream is cut short: after an error its last {} frames could not be decoded, \
             max-errors allows {allowed}",
            self.lost
        ))
    }
}

impl State {
    /// Everything inside was dropped.
    pub(super) fn flushed(&mut self) {
        self.tally = Tally {
            damaged: self.tally.damaged,
            unreferenced: self.tally.unreferenced,
            ..Tally::default()
        };
        self.length.restart();
        self.loss = false;
        self.lost.clear();
        self.reverse = None;
        // No input of the earlier formats is inside any more.
        if let Some(format) = self.formats.pop_back() {
            self.formats = [format].into();
            self.latest = None;
        }
    }
}

impl Dav1dWatchDec {
    /// Passes one output on.
    pub(super) fn finish_output(&self, output: dav1d::Decoded) -> Option<Flow> {
        self.release_lost();
        match output {
            dav1d::Decoded::Picture(picture) => self.finish_picture(picture),
            dav1d::Decoded::NoPicture { id } => {
                self.release(id);
                None
            }
            dav1d::Decoded::Damaged(damage) => self.note_damage(damage).err().map(Err),
        }
    }

    /// `None` where a picture has no frame to come out with.
    fn finish_picture(&self, picture: Box<dav1d::Picture>) -> Option<Flow> {
        let element = self.obj();
        let lost = {
            let tally = &mut self.state().tally;
            tally.pictures += 1;
            tally.errors = 0;
            tally.in_sync = true;
            tally.lost = 0;
            std::mem::take(&mut tally.discont)
        };
        let discont = self.supervision.take_discont() || lost;
        let Some(mut frame) = element.frame(frame_number(picture.id)) else {
            self.note_surplus(picture.id);
            return None;
        };
        if element.is_qos() && element.max_decode_time(&frame) < 0 {
            // It was decoded, since others refer to it; downstream would throw it away.
            self.state().tally.discont |= discont;
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
    /// GStreamer has no frames, or a flush overtook it. The first is told once.
    fn note_surplus(&self, id: u64) {
        gst::debug!(CAT, imp = self, "no frame {id} for a picture");
        let is_first = {
            let tally = &mut self.state().tally;
            tally.surplus += 1;
            tally.surplus == 1
        };
        if is_first {
            gst::element_imp_warning!(
                self,
                gst::StreamError::Decode,
                ("An input has more than one picture to show: the first is shown, others are left out")
            );
        }
    }

    /// Counts an input that could not be decoded; one too many ends the stream.
    pub(super) fn note_damage(&self, damage: dav1d::Damage) -> Flow {
        let dav1d::Damage { id, cause } = damage;
        let element = self.obj();
        let (is_error, errors) = {
            let tally = &mut self.state().tally;
            let was_in_sync = std::mem::replace(&mut tally.in_sync, false);
            tally.discont = true;
            tally.lost += 1;
            match cause {
                dav1d::DamageCause::Unreferenced => tally.unreferenced += 1,
                _ => tally.damaged += 1,
            }
            // What follows an error is none by itself. But a picture that is lost
            // after one that was not is an error, whoever made it.
            let is_error = cause != dav1d::DamageCause::Unreferenced || was_in_sync;
            tally.errors = tally.errors.saturating_add(is_error.into());
            (is_error, tally.errors)
        };
        let mut pts = None;
        if let Some(frame) = element.frame(frame_number(id)) {
            pts = frame.pts();
            // Nothing can be decoded before the next key frame.
            element.request_sync_point(&frame, VideoDecoderRequestSyncPointFlags::empty());
            element.release_frame(frame);
        }
        if !is_error {
            gst::debug!(CAT, imp = self, "input {id} at {}: {cause}", pts.display());
            return Ok(gst::FlowSuccess::Ok);
        }
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
                "A frame at {} is left out: {cause}; decoding goes on at the next key frame",
                pts.display()
            )
        );
        Ok(gst::FlowSuccess::Ok)
    }

    /// Lets go of the frame of an input that leads to no picture. Its events go
    /// with the next one.
    pub(super) fn release(&self, id: u64) {
        let element = self.obj();
        if let Some(frame) = element.frame(frame_number(id)) {
            element.release_frame(frame);
        }
    }

    /// Lets go of the frames that were lost with a session.
    pub(super) fn release_lost(&self) {
        let lost = std::mem::take(&mut self.state().lost);
        for id in lost {
            self.release(id.into());
        }
    }

    /// Asks upstream for a key frame: a new session can do nothing before one.
    pub(super) fn ask_for_key_frame(&self) {
        let request = gst_video::UpstreamForceKeyUnitEvent::builder()
            .all_headers(true)
            .build();
        self.obj().sink_pad().push_event(request);
    }
}

/// The base class's name for a frame.
fn frame_number(id: u64) -> i32 {
    i32::try_from(id).unwrap_or(i32::MAX)
}

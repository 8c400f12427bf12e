// SPDX-License-Identifier: MPL-2.0
//! The way of the codec's output downstream. Runs on the output task.

use codecwatch_av1::SequenceHeader;
use codecwatch_svtav1 as svtav1;
use gst::subclass::prelude::*;
use gst_video::VideoCodecFrameFlags;
use gst_video::prelude::*;

use super::format;
use super::imp::{CAT, SvtAv1WatchEnc};

impl SvtAv1WatchEnc {
    pub(super) fn push(&self, output: svtav1::Output) -> Result<gst::FlowSuccess, gst::FlowError> {
        match output {
            svtav1::Output::Header(header) => self.push_header(&header),
            svtav1::Output::Packet(packet) => self.push_packet(packet),
        }
    }

    /// The sequence header comes first: it says what the caps have to say.
    fn push_header(&self, header: &SequenceHeader) -> Result<gst::FlowSuccess, gst::FlowError> {
        let element = self.obj();
        let Some(input) = self
            .state()
            .format
            .as_ref()
            .map(|format| format.input.clone())
        else {
            return Err(gst::FlowError::NotNegotiated);
        };
        element
            .set_output_state(format::src_caps(header), Some(&input))
            .and_then(|state| element.negotiate(state))
            .map_err(|_| gst::FlowError::NotNegotiated)?;
        self.release_lost();
        Ok(gst::FlowSuccess::Ok)
    }

    fn push_packet(&self, packet: svtav1::Packet) -> Result<gst::FlowSuccess, gst::FlowError> {
        let element = self.obj();
        let number = i32::try_from(packet.id).unwrap_or(i32::MAX);
        let Some(mut frame) = element.frame(number) else {
            gst::debug!(
                CAT,
                imp = self,
                "frame {number} is gone: a flush overtook it"
            );
            return Ok(gst::FlowSuccess::Ok);
        };
        // A forward key frame is none: it was sent earlier, and decoding cannot
        // begin where it is shown (AV1-ISOBMFF, 2.5).
        if packet.kind == svtav1::FrameKind::Key {
            frame.set_flags(VideoCodecFrameFlags::SYNC_POINT);
        }
        let mut buffer = gst::Buffer::from_mut_slice(packet.data);
        if self.supervision.take_discont()
            && let Some(buffer) = buffer.get_mut()
        {
            buffer.set_flags(gst::BufferFlags::DISCONT);
        }
        frame.set_output_buffer(buffer);
        element.finish_frame(frame)
    }

    /// Takes note of every frame that no session will give any more: all but the
    /// one that is on its way to the next session, whose header lets go of them.
    pub(super) fn note_lost(&self) -> Option<(gst::ClockTime, gst::ClockTime)> {
        let element = self.obj();
        let frames = element.frames();
        let mut state = self.state();
        let lost: Vec<_> = frames
            .iter()
            .filter(|frame| Some(frame.system_frame_number()) != state.submitting)
            .collect();
        state
            .lost
            .extend(lost.iter().map(|frame| frame.system_frame_number()));
        let first = lost.iter().filter_map(|frame| frame.pts()).min();
        let last = lost.iter().filter_map(|frame| frame.pts()).max();
        first.zip(last)
    }

    /// The base class can let go of a frame only when it knows the output caps.
    fn release_lost(&self) {
        let element = self.obj();
        let lost = std::mem::take(&mut self.state().lost);
        for number in lost {
            if let Some(frame) = element.frame(i32::try_from(number).unwrap_or(i32::MAX)) {
                // Without an output buffer it is dropped.
                let _ = element.finish_frame(frame);
            }
        }
    }
}

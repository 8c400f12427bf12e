// SPDX-License-Identifier: MPL-2.0
//! The way of the codec's output downstream. Runs on the output task.

use codecwatch_av1::SequenceHeader;
use codecwatch_svtav1 as svtav1;
use gst::subclass::prelude::*;
use gst_video::VideoCodecFrameFlags;
use gst_video::prelude::*;

use super::format;
use super::imp::{CAT, SvtAv1WatchEnc};

type Flow = Result<gst::FlowSuccess, gst::FlowError>;

impl SvtAv1WatchEnc {
    pub(super) fn push(&self, output: svtav1::Output) -> Option<Flow> {
        match output {
            svtav1::Output::Header(header) => match self.push_header(&header) {
                // Nothing has been pushed yet.
                Ok(_) => None,
                refused => Some(refused),
            },
            svtav1::Output::Packet(packet) => self.push_packet(packet),
        }
    }

    /// The sequence header comes first: it says what the caps have to say.
    fn push_header(&self, header: &SequenceHeader) -> Flow {
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

    fn push_packet(&self, packet: svtav1::Packet) -> Option<Flow> {
        let element = self.obj();
        let number = packet.id as u32;
        // The base class takes an `int` for its 32 bits.
        let Some(mut frame) = element.frame(number.cast_signed()) else {
            gst::debug!(
                CAT,
                imp = self,
                "frame {number} is gone: a flush overtook it"
            );
            return None;
        };
        // A forward key frame is none: it was sent earlier, and decoding cannot
        // begin where it is shown (AV1-ISOBMFF, 2.5).
        if packet.kind == svtav1::FrameKind::Key {
            frame.set_flags(VideoCodecFrameFlags::SYNC_POINT);
        }
        // Packets come in the order of presentation. The base class would guess, and
        // wrongly where time steps back: by the earliest frame inside.
        frame.set_dts(frame.pts());
        let stepped_back = frame
            .input_buffer()
            .is_some_and(|shell| shell.flags().contains(gst::BufferFlags::RESYNC));
        let mut buffer = gst::Buffer::from_mut_slice(packet.data);
        let discont = self.supervision.take_discont();
        if let Some(buffer) = buffer.get_mut() {
            if discont {
                buffer.set_flags(gst::BufferFlags::DISCONT);
            }
            if stepped_back {
                buffer.set_flags(gst::BufferFlags::RESYNC);
            }
        }
        frame.set_output_buffer(buffer);
        Some(element.finish_frame(frame))
    }

    /// Lets go of the frames that were lost, with the events that ride with them. The
    /// base class can do that only when it knows the output caps: with the header of
    /// a session, or at the end.
    pub(super) fn release_lost(&self) {
        let element = self.obj();
        if element.output_state().is_none() {
            return;
        }
        let lost = std::mem::take(&mut self.state().lost);
        for number in lost {
            if let Some(frame) = element.frame(number.cast_signed()) {
                // Without an output buffer it is dropped.
                let _ = element.finish_frame(frame);
            }
        }
    }
}

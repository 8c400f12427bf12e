// SPDX-License-Identifier: MPL-2.0
//! Delivers the codec's output downstream. Runs on the output task.

use codecwatch_element::video_encoder;
use codecwatch_svtav1 as svtav1;

use super::format;
use super::imp::SvtAv1WatchEnc;

impl SvtAv1WatchEnc {
    pub(super) fn push(
        &self,
        output: svtav1::Output,
    ) -> Option<Result<gst::FlowSuccess, gst::FlowError>> {
        match output {
            // The sequence header comes first: the caps are made from it.
            svtav1::Output::Header(header) => {
                let caps = format::src_caps(&header);
                video_encoder::negotiate(self, caps).err().map(Err)
            }
            svtav1::Output::Packet(packet) => {
                let is_sync_point = packet.kind.is_sync_point();
                let data = gst::Buffer::from_mut_slice(packet.data);
                video_encoder::finish_packet(self, packet.id as u32, data, is_sync_point)
            }
        }
    }
}

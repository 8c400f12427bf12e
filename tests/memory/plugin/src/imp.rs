// SPDX-License-Identifier: MPL-2.0
//! The element.

use codecwatch_element::video_encoder::{self, EncoderStream, FrameRequest, MappedFrame};
use codecwatch_element::video_encoder::{SupervisedVideoEncoder, packed, packed_size};
use codecwatch_element::{ElementSettings, PadCaps, Property, Stored, number_property};
use codecwatch_element::{Supervised, Supervision};
use codecwatch_memory::{Config, Memory, Packet, Picture};
use gst::subclass::{ElementMetadata, prelude::*};
use gst::{FlowError, glib};
use gst_video::{VideoCapsBuilder, VideoFormat, VideoInfo};

#[derive(Debug, Clone, Default)]
pub struct Settings {
    config: Config,
}

impl ElementSettings for Settings {
    fn properties() -> &'static [Property<Self>] {
        const TABLE: &[Property<Settings>] = &[
            number_property!("delay", config.delay, 0..=1000, "Frames held back"),
            number_property!("key-every", config.key_every, 1..=9999, "Frames per key"),
            number_property!("effort", config.effort, 0..=9999999, "Work per frame in us"),
        ];
        TABLE
    }
}

#[derive(Default)]
pub struct MemoryWatchEnc {
    settings: Stored<Settings>,
    stream: EncoderStream,
    supervision: Supervision<Picture, Packet>,
}

#[glib::object_subclass]
impl ObjectSubclass for MemoryWatchEnc {
    const NAME: &'static str = "GstMemoryWatchEnc";
    type Type = super::MemoryWatchEnc;
    type ParentType = gst_video::VideoEncoder;
}

codecwatch_element::video_encoder!(MemoryWatchEnc);

impl SupervisedVideoEncoder for MemoryWatchEnc {
    fn stream(&self) -> &EncoderStream {
        &self.stream
    }

    fn least_memory(info: &VideoInfo) -> u64 {
        packed_size(info) as u64
    }

    fn latency_frames(&self) -> u32 {
        self.settings.get().config.delay
    }

    fn src_caps(&self) -> Option<gst::Caps> {
        Some(Self::pad_caps().src)
    }

    fn picture(&self, frame: FrameRequest, picture: MappedFrame) -> Result<Picture, FlowError> {
        Ok(Picture {
            bytes: packed(&picture),
            id: frame.id,
            force_key: frame.force_key,
        })
    }

    fn finish_output(&self, packet: Packet) -> Option<Result<gst::FlowSuccess, FlowError>> {
        let data = gst::Buffer::from_mut_slice(packet.bytes);
        video_encoder::finish_packet(self, packet.id, data, packet.is_key)
    }
}

impl Supervised for MemoryWatchEnc {
    type Input = Picture;
    type Output = Packet;
    type Codec = Memory;
    type Settings = Settings;

    fn describe() -> ElementMetadata {
        let (name, what) = ("Encoder in memory", "For tests: what no element decodes");
        ElementMetadata::new(name, "Codec/Encoder/Video", what, env!("CARGO_PKG_AUTHORS"))
    }

    fn pad_caps() -> PadCaps {
        let formats = [VideoFormat::I420, VideoFormat::Gray8];
        PadCaps {
            sink: VideoCapsBuilder::new().format_list(formats).build(),
            src: gst::Caps::new_empty_simple("video/x-memory"),
        }
    }

    fn supervision(&self) -> &Supervision<Picture, Packet> {
        &self.supervision
    }

    fn settings(&self) -> &Stored<Settings> {
        &self.settings
    }

    fn codec(&self) -> Option<Memory> {
        let size = packed_size(self.stream.format()?.info());
        let config = self.settings.get().config;
        Some(Memory(Config { size, ..config }))
    }

    fn frame_in(picture: &Picture) -> Option<u32> {
        Some(picture.id)
    }

    fn frames_of(packet: &Packet) -> impl IntoIterator<Item = u32> {
        Some(packet.id)
    }
}

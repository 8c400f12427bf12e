// SPDX-License-Identifier: MPL-2.0
//! An encoder element that omits frames or its caps.

use codecwatch_memory::{Config, Memory, Packet, Picture};
use gst::glib;
use gst::prelude::*;
use support::pictures::{Downstream, Played, pipeline, play_pipeline};

use crate::error;

mod imp {
    use codecwatch_element::video_encoder::{
        self, EncoderStream, FrameRequest, MappedFrame, SupervisedVideoEncoder, packed, packed_size,
    };
    use codecwatch_element::{
        ElementSettings, PadCaps, Property, Stored, Supervised, Supervision, number_property,
    };
    use gst::subclass::prelude::*;

    use super::*;

    #[derive(Debug, Clone, Default)]
    pub struct Settings {
        /// One frame in so many is left out.
        forget_frame: u32,
        /// Whether the caps are.
        forget_caps: u32,
    }

    impl ElementSettings for Settings {
        fn properties() -> &'static [Property<Self>] {
            const TABLE: &[Property<Settings>] = &[
                number_property!("forget-frame", forget_frame, 0..=100, "One in so many"),
                number_property!("forget-caps", forget_caps, 0..=1, "Whether"),
            ];
            TABLE
        }
    }

    #[derive(Default)]
    pub struct Forgetful {
        settings: Stored<Settings>,
        stream: EncoderStream,
        supervision: Supervision<Picture, Packet>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Forgetful {
        const NAME: &'static str = "CodecwatchTestForgetfulEnc";
        type Type = super::Forgetful;
        type ParentType = gst_video::VideoEncoder;
    }

    codecwatch_element::video_encoder!(Forgetful);

    impl SupervisedVideoEncoder for Forgetful {
        fn stream(&self) -> &EncoderStream {
            &self.stream
        }

        fn least_memory(_info: &gst_video::VideoInfo) -> u64 {
            0
        }

        fn latency_frames(&self) -> u32 {
            Config::default().delay
        }

        fn src_caps(&self) -> Option<gst::Caps> {
            (self.settings.get().forget_caps == 0).then(|| Self::pad_caps().src)
        }

        fn picture(
            &self,
            frame: FrameRequest,
            picture: MappedFrame,
        ) -> Result<Picture, gst::FlowError> {
            Ok(Picture {
                bytes: packed(&picture),
                id: frame.id,
                force_key: frame.force_key,
            })
        }

        fn finish_output(
            &self,
            packet: Packet,
        ) -> Option<Result<gst::FlowSuccess, gst::FlowError>> {
            if packet.id.checked_rem(self.settings.get().forget_frame) == Some(1) {
                return None;
            }
            let data = gst::Buffer::from_mut_slice(packet.bytes);
            video_encoder::finish_packet(self, packet.id, data, packet.is_key)
        }
    }

    impl Supervised for Forgetful {
        type Input = Picture;
        type Output = Packet;
        type Codec = Memory;
        type Settings = Settings;

        fn describe() -> gst::subclass::ElementMetadata {
            gst::subclass::ElementMetadata::new(
                "Forgetful",
                "Codec/Encoder/Video",
                "Forgets",
                "nobody",
            )
        }

        fn pad_caps() -> PadCaps {
            PadCaps {
                sink: gst_video::VideoCapsBuilder::new().build(),
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
            Some(Memory(Config {
                size: packed_size(self.stream.format()?.info()),
                ..Config::default()
            }))
        }

        fn frame_in(picture: &Picture) -> Option<u32> {
            Some(picture.id)
        }

        fn frames_of(packet: &Packet) -> impl IntoIterator<Item = u32> {
            Some(packet.id)
        }
    }
}

glib::wrapper! {
    pub struct Forgetful(ObjectSubclass<imp::Forgetful>)
        @extends gst_video::VideoEncoder, gst::Element, gst::Object,
        @implements gst::Preset;
}

/// Plays ten frames through the element.
fn play(properties: &str) -> Played {
    support::init();
    let class = Forgetful::static_type();
    gst::Element::register(None, "forgetfulenc", gst::Rank::NONE, class).unwrap();
    let source = "videotestsrc num-buffers=10 ! video/x-raw,format=I420,width=64,height=48";
    let pipeline = pipeline(&format!("{source} ! forgetfulenc name=codec {properties}"));
    play_pipeline(&pipeline, Downstream::TakesPlain)
}

#[test]
fn an_encoder_that_finishes_every_frame_ends_its_stream_with_eos() {
    let played = play("");
    assert!(played.complete, "{:?}", played.complaints);
    assert_eq!(played.samples.len(), 10);
}

#[test]
fn an_encoder_that_does_not_finish_every_frame_ends_its_stream_with_an_error() {
    let played = play("forget-frame=5");
    assert!(error(&played).contains("did not finish all of its frames: 2 are left"));
    assert_eq!(played.samples.len(), 8);
}

#[test]
fn an_encoder_that_does_not_set_its_caps_ends_its_stream_with_an_error() {
    let played = play("forget-caps=1");
    assert!(error(&played).contains("before the element negotiated its caps"));
    assert_eq!(played.samples.len(), 0);
}

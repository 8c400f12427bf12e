// SPDX-License-Identifier: MPL-2.0
//! A decoder element that omits frames.

use codecwatch_memory::{Config, Memory, Packet, Picture};
use gst::glib;
use gst::prelude::*;
use gst_check::Harness;
use support::pictures::{Downstream, Played, pipeline, play_pipeline};

use crate::error;

mod imp {
    use codecwatch_element::video_decoder::{
        DecoderStream, Encoded, SupervisedVideoDecoder, release,
    };
    use codecwatch_element::{
        ElementSettings, PadCaps, Property, Stored, Supervised, Supervision, number_property,
    };
    use gst::subclass::prelude::*;
    use gst_video::prelude::*;

    use super::*;

    /// The pictures that come out: black, whatever goes in.
    const SIZE: (u32, u32) = (64, 48);
    /// What the codec gets of each input: it does not matter to it.
    const BYTES: usize = 16;

    #[derive(Debug, Clone, Default)]
    pub struct Settings {
        /// One frame in so many is neither finished nor released.
        forget_frame: u32,
        /// One frame in so many is released without a picture.
        release_frame: u32,
        /// The session fails at this frame.
        fail_frame: u32,
    }

    impl ElementSettings for Settings {
        fn properties() -> &'static [Property<Self>] {
            const TABLE: &[Property<Settings>] = &[
                number_property!("forget-frame", forget_frame, 0..=100, "One in so many"),
                number_property!("release-frame", release_frame, 0..=100, "One in so many"),
                number_property!("fail-frame", fail_frame, 0..=100, "Its number"),
            ];
            TABLE
        }
    }

    #[derive(Default)]
    pub struct Forgetful {
        settings: Stored<Settings>,
        stream: DecoderStream<Packet, ()>,
        supervision: Supervision<Picture, Packet>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Forgetful {
        const NAME: &'static str = "CodecwatchTestForgetfulDec";
        type Type = super::Forgetful;
        type ParentType = gst_video::VideoDecoder;
    }

    codecwatch_element::video_decoder!(Forgetful);

    impl SupervisedVideoDecoder for Forgetful {
        type Bitstream = ();

        fn stream(&self) -> &DecoderStream<Packet, ()> {
            &self.stream
        }

        fn bitstream(_caps: &gst::CapsRef) {}

        fn input(&self, encoded: Encoded<'_, ()>) -> Picture {
            let fails = encoded.id > 0 && encoded.id == self.settings.get().fail_frame;
            Picture {
                // The codec refuses any other number of bytes.
                bytes: vec![0; if fails { 0 } else { BYTES }],
                id: encoded.id,
                force_key: false,
            }
        }

        fn finish_output(
            &self,
            packet: Packet,
        ) -> Option<Result<gst::FlowSuccess, gst::FlowError>> {
            let settings = self.settings.get();
            if packet.id.checked_rem(settings.forget_frame) == Some(1) {
                return None;
            }
            if packet.id.checked_rem(settings.release_frame) == Some(1) {
                release(self, packet.id);
                return None;
            }
            let element = self.obj();
            let mut frame = element.frame(packet.id.cast_signed())?;
            let (width, height) = SIZE;
            if element.output_state().is_none() {
                let format = gst_video::VideoFormat::Gray8;
                let state = element.set_output_state(format, width, height, None);
                element.negotiate(state.unwrap()).unwrap();
            }
            let picture = vec![0_u8; (width * height) as usize];
            frame.set_output_buffer(gst::Buffer::from_mut_slice(picture));
            Some(element.finish_frame(frame))
        }

        fn stopped(&self) {}
    }

    impl Supervised for Forgetful {
        type Input = Picture;
        type Output = Packet;
        type Codec = Memory;
        type Settings = Settings;

        fn describe() -> gst::subclass::ElementMetadata {
            gst::subclass::ElementMetadata::new(
                "Forgetful",
                "Codec/Decoder/Video",
                "Forgets",
                "nobody",
            )
        }

        fn pad_caps() -> PadCaps {
            PadCaps {
                sink: gst::Caps::new_empty_simple("video/x-memory"),
                src: gst_video::VideoCapsBuilder::new().build(),
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
                size: BYTES,
                delay: 0,
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
        @extends gst_video::VideoDecoder, gst::Element, gst::Object;
}

fn register() {
    support::init();
    let class = Forgetful::static_type();
    gst::Element::register(None, "forgetfuldec", gst::Rank::NONE, class).unwrap();
}

/// Plays ten frames through the element.
fn play(properties: &str) -> Played {
    register();
    let source = "videotestsrc num-buffers=10 ! video/x-raw,format=GRAY8,width=64,height=48";
    let encoded = format!("{source} ! memorywatchenc");
    let pipeline = pipeline(&format!("{encoded} ! forgetfuldec {properties}"));
    play_pipeline(&pipeline, Downstream::TakesPlain)
}

/// The element in a harness, and its bus.
fn harness(properties: &str) -> (Harness, gst::Bus) {
    register();
    let mut harness = Harness::new_parse(&format!("forgetfuldec name=codec {properties}"));
    let bin = harness.element().unwrap().downcast::<gst::Bin>().unwrap();
    let bus = gst::Bus::new();
    bin.by_name("codec").unwrap().set_bus(Some(&bus));
    harness.set_src_caps_str("video/x-memory");
    (harness, bus)
}

fn push(harness: &mut Harness, number: u64) {
    let mut buffer = gst::Buffer::from_mut_slice([1_u8]);
    let writable = buffer.get_mut().unwrap();
    writable.set_pts(gst::ClockTime::from_mseconds(40 * number));
    writable.set_duration(gst::ClockTime::from_mseconds(40));
    // In reverse playback: a group of pictures begins.
    if number.is_multiple_of(2) {
        writable.set_flags(gst::BufferFlags::DISCONT);
    }
    assert_eq!(harness.push(buffer), Ok(gst::FlowSuccess::Ok), "{number}");
}

fn begin_segment(harness: &mut Harness, rate: f64) {
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_rate(rate);
    segment.set_stop(gst::ClockTime::from_seconds(1));
    assert!(harness.push_event(gst::event::Segment::new(&segment)));
}

/// Whether EOS has come out.
fn has_ended(harness: &mut Harness) -> bool {
    std::iter::from_fn(|| harness.try_pull_event())
        .any(|event| event.type_() == gst::EventType::Eos)
}

fn posted_error(bus: &gst::Bus) -> Option<String> {
    let message = bus.pop_filtered(&[gst::MessageType::Error])?;
    match message.view() {
        gst::MessageView::Error(error) => Some(error.error().to_string()),
        _ => None,
    }
}

#[test]
fn a_decoder_that_settles_every_frame_ends_its_stream_with_eos() {
    for (properties, pictures) in [("", 10), ("release-frame=5", 8)] {
        let played = play(properties);
        assert!(played.complete, "{properties}: {:?}", played.complaints);
        assert_eq!(played.samples.len(), pictures, "{properties}");
    }
}

#[test]
fn a_decoder_that_does_not_settle_every_frame_ends_its_stream_with_an_error() {
    let played = play("forget-frame=5 release-frame=4");
    let error = error(&played);
    assert!(error.contains("neither finished nor released"), "{error}");
    assert!(error.contains(": 2 are left"), "{error}");
    assert_eq!(played.samples.len(), 6);
}

/// Plays three groups of two pictures in reverse.
fn play_reverse(properties: &str) -> (bool, usize, Option<String>) {
    let (mut harness, bus) = harness(properties);
    begin_segment(&mut harness, -1.0);
    for number in [4, 5, 2, 3, 0, 1] {
        push(&mut harness, number);
    }
    assert!(harness.push_event(gst::event::Eos::new()));
    let pictures = std::iter::from_fn(|| harness.try_pull()).count();
    (has_ended(&mut harness), pictures, posted_error(&bus))
}

#[test]
fn in_reverse_playback_the_same_holds() {
    assert_eq!(play_reverse(""), (true, 6, None));
    assert_eq!(play_reverse("release-frame=4"), (true, 4, None));
    let (ended, pictures, error) = play_reverse("forget-frame=4");
    assert_eq!((ended, pictures), (false, 4));
    assert!(error.unwrap().contains("neither finished nor released"));
}

#[test]
fn frames_that_a_flush_has_dropped_are_not_missing() {
    let (mut harness, bus) = harness("forget-frame=5");
    for number in 0..5 {
        push(&mut harness, number);
    }
    for _ in 0..4 {
        harness.pull().unwrap();
    }
    assert!(harness.push_event(gst::event::FlushStart::new()));
    assert!(harness.push_event(gst::event::FlushStop::new(true)));
    begin_segment(&mut harness, 1.0);
    push(&mut harness, 5);
    assert!(harness.push_event(gst::event::Eos::new()));
    assert_eq!(posted_error(&bus), None);
    assert!(has_ended(&mut harness));
}

#[test]
fn frames_that_are_lost_with_a_restart_are_not_missing() {
    // No output follows by which the lost frame would be released.
    let played = play("fail-frame=9 restart-limit=1");
    assert!(played.complete, "{:?}", played.complaints);
    assert!(played.samples.len() < 10);
}

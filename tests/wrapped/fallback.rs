// SPDX-License-Identifier: MPL-2.0
//! A wrapped codec that cannot start leaves the stream to another one, as the bare one
//! does: decodebin and playbin try the next.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

/// Longer than anybody waits.
const HANGS: Duration = Duration::from_secs(20);

/// Where the decoder fails now.
static FAILS_AT: Mutex<&str> = Mutex::new("");

/// A decoder that does not start, as one whose device is busy.
mod imp {
    use super::*;

    #[derive(Default)]
    pub struct Busy;

    #[glib::object_subclass]
    impl ObjectSubclass for Busy {
        const NAME: &'static str = "GstTestBusyDecoder";
        type Type = super::Busy;
        type ParentType = gst::Element;
    }

    fn fails_at(place: &str) -> bool {
        *FAILS_AT.lock().unwrap() == place
    }

    impl ObjectImpl for Busy {
        fn properties() -> &'static [glib::ParamSpec] {
            static SPECS: std::sync::LazyLock<Vec<glib::ParamSpec>> =
                std::sync::LazyLock::new(|| {
                    let level = glib::ParamSpecUInt::builder("level").read_only();
                    vec![level.build()]
                });
            &SPECS
        }

        fn property(&self, _id: usize, _spec: &glib::ParamSpec) -> glib::Value {
            7_u32.to_value()
        }

        fn constructed(&self) {
            self.parent_constructed();
            if fails_at("create") {
                std::thread::sleep(Duration::from_secs(2));
            }
            let element = self.obj();
            for name in ["sink", "src"] {
                let template = element.pad_template(name).unwrap();
                let pad = gst::Pad::builder_from_template(&template)
                    .query_function(|pad, parent, query| match query.view_mut() {
                        // Known when the device is open.
                        gst::QueryViewMut::Caps(query)
                            if pad.direction() == gst::PadDirection::Sink && fails_at("caps") =>
                        {
                            let small = gst::Caps::builder("video/x-h264").field("width", 16);
                            query.set_result(&small.build());
                            true
                        }
                        _ => gst::Pad::query_default(pad, parent, query),
                    })
                    .build();
                element.add_pad(&pad).unwrap();
            }
        }
    }

    impl GstObjectImpl for Busy {}

    impl ElementImpl for Busy {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: std::sync::LazyLock<gst::subclass::ElementMetadata> =
                std::sync::LazyLock::new(|| {
                    let class = "Codec/Decoder/Video";
                    gst::subclass::ElementMetadata::new("Busy", class, "Is busy", "Test")
                });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: std::sync::LazyLock<Vec<gst::PadTemplate>> =
                std::sync::LazyLock::new(|| {
                    let template = |name, direction, media| {
                        let caps = gst::Caps::new_empty_simple(media);
                        let always = gst::PadPresence::Always;
                        gst::PadTemplate::new(name, direction, always, &caps).unwrap()
                    };
                    vec![
                        template("sink", gst::PadDirection::Sink, "video/x-h264"),
                        template("src", gst::PadDirection::Src, "video/x-raw"),
                    ]
                });
            &TEMPLATES
        }

        fn change_state(
            &self,
            transition: gst::StateChange,
        ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
            let place = match transition {
                gst::StateChange::NullToReady => "to-ready",
                gst::StateChange::ReadyToPaused => "to-paused",
                _ => "nowhere",
            };
            if fails_at("hangs") && transition == gst::StateChange::NullToReady {
                std::thread::sleep(HANGS);
            }
            if transition == gst::StateChange::ReadyToPaused {
                // As a driver does.
                std::thread::sleep(Duration::from_millis(300));
            }
            if fails_at(place) {
                gst::element_imp_error!(self, gst::ResourceError::Busy, ("the device is busy"));
                return Err(gst::StateChangeError);
            }
            self.parent_change_state(transition)
        }
    }
}

glib::wrapper! {
    pub struct Busy(ObjectSubclass<imp::Busy>)
        @extends gst::Element, gst::Object;
}

const BARE: &str = "busydec";
const WRAPPED: &str = "wrapped-busydec";

/// Registers the decoder, and the element that wraps it. One test uses them at a time.
fn register() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    support::init();
    if gst::ElementFactory::find(BARE).is_none() {
        gst::Element::register(None, BARE, gst::Rank::NONE, Busy::static_type()).unwrap();
        let factory = gst::ElementFactory::find(BARE).unwrap();
        gstcodecwatch::wrapped::register(None, &factory, WRAPPED, gst::Rank::NONE).unwrap();
    }
    guard
}

fn fail_at(place: &'static str) {
    *FAILS_AT.lock().unwrap() = place;
}

/// Plays a clip with a pipeline in which this decoder is the first choice; the elements that
/// decoded it, or the error.
fn play(pipeline: &str, first: &str) -> Result<Vec<String>, String> {
    let factory = gst::ElementFactory::find(first).unwrap();
    factory.set_rank(gst::Rank::PRIMARY + 1000);
    let pipeline = gst::parse::launch(pipeline).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
    let bus = pipeline.bus().unwrap();
    let end = bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &wanted);
    factory.set_rank(gst::Rank::NONE);
    let elements = pipeline.iterate_recurse().into_iter().flatten();
    let factories = elements.filter_map(|element| element.factory());
    let decoders = factories.filter(|of| of.has_type(gst::ElementFactoryType::DECODER));
    let decoders = decoders.map(|of| of.name().to_string()).collect();
    let _ = pipeline.set_state(gst::State::Null);
    let end = end.expect("no end");
    match end.type_() {
        gst::MessageType::Eos => Ok(decoders),
        _ => Err(format!("{end:?}")),
    }
}

#[test]
fn a_stream_plays_with_another_decoder_if_the_wrapped_one_cannot_start() {
    let _one_at_a_time = register();
    let clip = support::media::h264_clip();
    let clip = clip.display();
    let pipelines = [
        format!("filesrc location={clip} ! decodebin ! fakesink"),
        format!("filesrc location={clip} ! decodebin3 ! fakesink"),
        format!("playbin uri=file://{clip} video-sink=fakesink audio-sink=fakesink"),
    ];
    for pipeline in &pipelines {
        for place in ["to-ready", "to-paused", "caps"] {
            fail_at(place);
            if let Err(error) = play(pipeline, BARE) {
                // decodebin3 of GStreamer 1.22 ends with the first error.
                assert!(pipeline.contains("decodebin3"), "{place}: {error}");
                continue;
            }
            let played = play(pipeline, WRAPPED);
            let played = played.unwrap_or_else(|error| panic!("{pipeline} {place}: {error}"));
            let others = played.iter().filter(|name| *name != WRAPPED);
            assert!(others.count() > 0, "{pipeline}: {played:?}");
            assert!(!played.iter().any(|name| name == WRAPPED), "{played:?}");
        }
    }
}

#[test]
fn an_eos_after_the_failure_holds_up_no_change_of_state() {
    let _one_at_a_time = register();
    fail_at("to-paused");
    let text = format!("appsrc ! {WRAPPED} eos-after-failure=true ! fakesink");
    let pipeline = gst::parse::launch(&text).unwrap();
    let (done, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let started = pipeline.set_state(gst::State::Paused);
        let bus = pipeline.bus().unwrap();
        let error = bus.pop_filtered(&[gst::MessageType::Error]);
        pipeline.set_state(gst::State::Null).unwrap();
        done.send((started.is_err(), error.is_some())).unwrap();
    });
    let ended = end.recv_timeout(std::time::Duration::from_secs(30));
    assert_eq!(ended, Ok((true, true)));
}

#[test]
fn an_error_says_why_a_wrapped_element_does_not_start_and_it_starts_later() {
    let _one_at_a_time = register();
    for (place, state) in [
        ("to-ready", gst::State::Ready),
        ("to-paused", gst::State::Paused),
    ] {
        let element = gst::ElementFactory::make(WRAPPED).build().unwrap();
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        for _ in 0..2 {
            fail_at(place);
            assert!(element.set_state(state).is_err(), "{place}");
            let error = bus.pop_filtered(&[gst::MessageType::Error]);
            let error = error.expect("no error");
            let gst::MessageView::Error(error) = error.view() else {
                unreachable!()
            };
            let error = error.error().to_string();
            assert!(error.contains("the device is busy"), "{error}");
            element.set_state(gst::State::Null).unwrap();
            let stats = element.property::<gst::Structure>("stats");
            assert_eq!(stats.get("failed"), Ok(false), "{stats}");
            fail_at("");
            element.set_state(gst::State::Paused).unwrap();
            let stats = element.property::<gst::Structure>("stats");
            assert_eq!(stats.get("phase"), Ok("running"), "{stats}");
            element.set_state(gst::State::Null).unwrap();
        }
    }
}

#[test]
fn a_wrapped_element_that_hangs_on_the_way_to_ready_keeps_nobody_for_long() {
    let _one_at_a_time = register();
    let element = gst::ElementFactory::make(WRAPPED).build().unwrap();
    element.set_property("close-timeout", 500_000_000_u64);
    fail_at("hangs");
    let begun = Instant::now();
    for state in [gst::State::Ready, gst::State::Null, gst::State::Paused] {
        let _ = element.set_state(state);
    }
    let _ = element.set_state(gst::State::Null);
    assert!(begun.elapsed() < HANGS);
    fail_at("");
}

#[test]
fn a_value_that_could_not_be_read_in_time_is_read_later() {
    let _one_at_a_time = register();
    let element = gst::ElementFactory::make(WRAPPED).build().unwrap();
    fail_at("create");
    assert_eq!(element.property::<u32>("level"), 0, "the default");
    fail_at("");
    let begun = Instant::now();
    while element.property::<u32>("level") != 7 {
        assert!(begun.elapsed() < HANGS);
        std::thread::sleep(Duration::from_millis(20));
    }
}

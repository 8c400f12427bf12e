// SPDX-License-Identifier: MPL-2.0
//! An element in a pipeline, in a process of its own under the fault shim.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gst::prelude::*;
use support::{Launch, media};

use crate::own::{self, Case, WhilePlaying};

/// What a step may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// The elements whose properties are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    Encoder,
    Decoder,
}

impl Element {
    pub(crate) const ALL: [Self; 2] = [Self::Encoder, Self::Decoder];

    pub(crate) fn factory(self) -> &'static str {
        match self {
            Self::Encoder => "svtav1watchenc",
            Self::Decoder => "dav1dwatchdec",
        }
    }

    pub(crate) fn cases(self) -> &'static [Case] {
        match self {
            Self::Encoder => own::ENCODER,
            Self::Decoder => own::DECODER,
        }
    }

    pub(crate) fn cases_while_playing(self) -> &'static [WhilePlaying] {
        match self {
            Self::Encoder => own::ENCODER_WHILE_PLAYING,
            Self::Decoder => &[],
        }
    }

    /// Major and minor, where cases depend on it.
    pub(crate) fn library_version(self) -> (u32, u32) {
        match self {
            Self::Encoder => support::svtav1_version(),
            Self::Decoder => (1, 0),
        }
    }

    /// A pipeline of so many frames, 40 ms each, or of as many as there are.
    fn pipeline(self, frames: u32, properties: &str) -> String {
        let factory = self.factory();
        let source = match self {
            Self::Encoder => format!(
                "videotestsrc num-buffers={frames} \
                 ! video/x-raw,format=I420,width=64,height=64,framerate=25/1"
            ),
            Self::Decoder => format!(
                "filesrc location={} ! matroskademux ! av1parse",
                media::clip().display()
            ),
        };
        format!(
            "{source} ! identity name=upstream ! {factory} name=codec {properties} \
             ! fakesink sync=false async=false"
        )
    }

    /// A run of a few frames by `gst-launch-1.0`.
    pub(crate) fn launch(self, properties: &str) -> Launch {
        Launch::pipeline(&self.pipeline(3, properties))
    }
}

/// Whether a property may be set while the element plays.
pub(crate) fn is_mutable_while_playing(element: Element, property: &str) -> bool {
    support::init();
    let factory = gst::ElementFactory::make(element.factory());
    let spec = factory.build().unwrap().find_property(property);
    let flags = spec.unwrap_or_else(|| panic!("no {property}")).flags();
    flags.contains(gst::PARAM_FLAG_MUTABLE_PLAYING)
}

/// When a property is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    BeforeTheStart,
    WhilePlaying,
}

impl When {
    pub(crate) const ALL: [Self; 2] = [Self::BeforeTheStart, Self::WhilePlaying];
}

/// How a stream ended.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: gst::glib::Error,
    pub(crate) details: gst::Structure,
}

impl Failed {
    pub(crate) fn text(&self) -> String {
        self.error.to_string()
    }

    pub(crate) fn detail(&self, name: &str) -> String {
        self.details.get::<String>(name).unwrap()
    }
}

pub(crate) struct Rig {
    pub(crate) when: When,
    pipeline: gst::Pipeline,
    pub(crate) codec: gst::Element,
    bus: gst::Bus,
    frames: Arc<AtomicU64>,
}

impl Rig {
    pub(crate) fn new(element: Element, when: When, properties: &str) -> Self {
        support::init();
        let threads = match element {
            Element::Encoder => "preset=12 low-latency=true",
            // One frame at a time, so that a call stands for a frame.
            Element::Decoder => "n-threads=1",
        };
        let description = element.pipeline(60, &format!("{threads} {properties}"));
        let pipeline = gst::parse::launch(&description).unwrap();
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        let rig = Self {
            when,
            codec: pipeline.by_name("codec").unwrap(),
            bus: pipeline.bus().unwrap(),
            pipeline,
            frames: Arc::default(),
        };
        // How long the stream is, nobody knows beforehand.
        let upstream = rig.pipeline.by_name("upstream").unwrap();
        let pad = upstream.static_pad("src").unwrap();
        pad.add_probe(gst::PadProbeType::QUERY_UPSTREAM, |_, info| {
            let query = info.query().map(|query| query.type_());
            match query {
                Some(gst::QueryType::Duration) => gst::PadProbeReturn::Drop,
                _ => gst::PadProbeReturn::Ok,
            }
        });
        let frames = rig.frames.clone();
        rig.probe_input(move || {
            frames.fetch_add(1, Ordering::SeqCst);
        });
        rig
    }

    fn probe_input(&self, look: impl Fn() + Send + Sync + 'static) {
        let pad = self.codec.static_pad("sink").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            look();
            gst::PadProbeReturn::Ok
        });
    }

    /// Does something when this frame arrives, the first being 1, on the thread that
    /// brings it.
    pub(crate) fn at_frame(
        &self,
        number: u64,
        act: impl Fn(&gst::Element) + Send + Sync + 'static,
    ) {
        let (frames, codec) = (self.frames.clone(), self.codec.downgrade());
        self.probe_input(move || {
            if frames.load(Ordering::SeqCst) == number
                && let Some(codec) = codec.upgrade()
            {
                act(&codec);
            }
        });
    }

    /// Sets a property when this frame arrives.
    pub(crate) fn set_at_frame(&self, number: u64, name: &'static str, value: &'static str) {
        self.at_frame(number, move |codec| {
            codec.set_property_from_str(name, value)
        });
    }

    /// Sets a property, before the start or with the third frame.
    pub(crate) fn set(&self, name: &'static str, value: &'static str) {
        match self.when {
            When::BeforeTheStart => self.codec.set_property_from_str(name, value),
            When::WhilePlaying => self.set_at_frame(3, name, value),
        }
    }

    pub(crate) fn play(&self) {
        self.pipeline.set_state(gst::State::Playing).unwrap();
    }

    /// Frames that the element was given.
    pub(crate) fn frames(&self) -> u64 {
        self.frames.load(Ordering::SeqCst)
    }

    pub(crate) fn stats(&self) -> gst::Structure {
        stats(&self.codec)
    }

    /// Waits until the codec is in this call, or the stream has ended.
    pub(crate) fn await_call(&self, call: &str) {
        let begin = Instant::now();
        while self.stats().get::<&str>("call") != Ok(call) && !self.has_ended() {
            assert!(begin.elapsed() < PATIENCE, "{:?}", self.stats());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn has_ended(&self) -> bool {
        let kinds = [
            gst::MessageType::Eos,
            gst::MessageType::Error,
            gst::MessageType::Warning,
        ];
        let message = self.bus.peek();
        message.is_some_and(|message| kinds.contains(&message.type_()))
    }

    /// The next message of these kinds.
    pub(crate) fn message(&self, kinds: &[gst::MessageType]) -> gst::Message {
        let patience = gst::ClockTime::try_from(PATIENCE).unwrap();
        let message = self.bus.timed_pop_filtered(patience, kinds);
        message.unwrap_or_else(|| panic!("no message: {:?}", self.stats()))
    }

    /// The stream ends with an error.
    pub(crate) fn fails(&self) -> Failed {
        let message = self.message(&[gst::MessageType::Eos, gst::MessageType::Error]);
        let gst::MessageView::Error(error) = message.view() else {
            panic!("no error: {message:?}");
        };
        let details = error.details().expect("details").to_owned();
        assert_eq!(error.src(), Some(self.codec.upcast_ref()), "{error:?}");
        Failed {
            error: error.error(),
            details,
        }
    }

    /// The stream ends, and is complete but for what was told.
    pub(crate) fn ends_well(&self) {
        let message = self.message(&[gst::MessageType::Eos, gst::MessageType::Error]);
        assert_eq!(message.type_(), gst::MessageType::Eos, "{message:?}");
    }
}

/// What an element says of itself.
pub(crate) fn stats(codec: &gst::Element) -> gst::Structure {
    codec.property("stats")
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

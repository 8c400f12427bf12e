// SPDX-License-Identifier: MPL-2.0
//! A pipeline around an isolated codec, and what is left of its child processes.

use std::time::{Duration, Instant};

use gst::prelude::*;
use support::media;
pub(crate) use support::process::children;

/// What may take a while on a machine that does something else as well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// The elements whose codec can run in a child process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    Encoder,
    Decoder,
}

impl Element {
    pub(crate) const ALL: [Self; 2] = [Self::Encoder, Self::Decoder];

    fn launch(self) -> String {
        match self {
            Self::Encoder => "videotestsrc name=source num-buffers=120 pattern=ball \
                 ! video/x-raw,width=64,height=64,framerate=30/1 \
                 ! svtav1watchenc name=codec preset=12 low-latency=true"
                .to_owned(),
            Self::Decoder => format!(
                "filesrc location={} ! matroskademux ! av1parse \
                 ! dav1dwatchdec name=codec n-threads=2",
                media::clip().display()
            ),
        }
    }

    /// The domain and code of a fault while it runs.
    pub(crate) fn is_running_fault(self, error: &gst::glib::Error) -> bool {
        match self {
            Self::Encoder => error.matches(gst::StreamError::Encode),
            Self::Decoder => error.matches(gst::StreamError::Decode),
        }
    }
}

/// A pipeline with `isolate=true`.
pub(crate) struct Rig {
    pub(crate) pipeline: gst::Pipeline,
    pub(crate) codec: gst::Element,
    bus: gst::Bus,
}

/// How a stream ended.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    pub(crate) eos: bool,
    pub(crate) errors: Vec<Complaint>,
    pub(crate) warnings: Vec<Complaint>,
    /// Messages of this name.
    pub(crate) restarts: usize,
}

#[derive(Debug)]
pub(crate) struct Complaint {
    pub(crate) error: gst::glib::Error,
    pub(crate) debug: String,
    pub(crate) details: Option<gst::Structure>,
}

impl Complaint {
    /// What the user reads.
    pub(crate) fn text(&self) -> String {
        self.error.to_string()
    }

    pub(crate) fn outcome(&self) -> String {
        let details = self.details.as_ref().expect("details");
        details.get("outcome").unwrap()
    }
}

impl Ended {
    /// The only error, without EOS.
    #[track_caller]
    pub(crate) fn error(&self) -> &Complaint {
        assert!(!self.eos, "EOS: {self:?}");
        let [error] = &self.errors[..] else {
            panic!("not one error: {self:?}");
        };
        error
    }
}

impl Rig {
    pub(crate) fn new(element: Element, properties: &str) -> Self {
        Self::of(&format!(
            "{} isolate=true {properties} ! fakesink name=out sync=false async=false",
            element.launch()
        ))
    }

    /// A pipeline with an element called `codec`.
    pub(crate) fn of(description: &str) -> Self {
        support::init();
        let pipeline = gst::parse::launch(description).unwrap();
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        Self {
            codec: pipeline.by_name("codec").unwrap(),
            bus: pipeline.bus().unwrap(),
            pipeline,
        }
    }

    pub(crate) fn play(&self) {
        self.pipeline.set_state(gst::State::Playing).unwrap();
    }

    /// Waits for the end, and a moment more for what must not come.
    pub(crate) fn end(&self) -> Ended {
        let mut ended = Ended::default();
        let mut wait = gst::ClockTime::from_seconds(90);
        while let Some(message) = self.bus.timed_pop(wait) {
            match message.view() {
                gst::MessageView::Eos(_) => ended.eos = true,
                gst::MessageView::Error(error) if self.is_own(&message) => {
                    ended.errors.push(Complaint {
                        error: error.error(),
                        debug: error.debug().unwrap_or_default().to_string(),
                        details: error.details().map(ToOwned::to_owned),
                    });
                }
                // Some versions of SVT-AV1 have no preset 12, for example.
                gst::MessageView::Warning(warning)
                    if warning.error().matches(gst::LibraryError::Settings) => {}
                gst::MessageView::Warning(warning) => ended.warnings.push(Complaint {
                    error: warning.error(),
                    debug: warning.debug().unwrap_or_default().to_string(),
                    details: warning.details().map(ToOwned::to_owned),
                }),
                gst::MessageView::Element(_) => {
                    let name = message.structure().map(|it| it.name().to_string());
                    ended.restarts += usize::from(name.as_deref() == Some("codecwatch-restarted"));
                }
                _ => {}
            }
            if ended.eos || !ended.errors.is_empty() {
                wait = gst::ClockTime::from_mseconds(200);
            }
        }
        let came = ended.eos || !ended.errors.is_empty();
        assert!(came, "it hangs: {:?} {ended:?}", self.stats());
        ended
    }

    fn is_own(&self, message: &gst::Message) -> bool {
        message.src() == Some(self.codec.upcast_ref())
    }

    /// The state change to NULL, and how long it takes.
    pub(crate) fn stop(&self) -> Duration {
        let began = Instant::now();
        self.pipeline.set_state(gst::State::Null).unwrap();
        began.elapsed()
    }

    pub(crate) fn stats(&self) -> gst::Structure {
        self.codec.property("stats")
    }

    /// The latest child.
    pub(crate) fn process(&self) -> u32 {
        self.stats().get("process").unwrap_or(0)
    }

    /// A counter of the codec's account in the ledger, also when the element is in NULL.
    pub(crate) fn ledger(&self, counter: &str) -> u64 {
        let library = match self.codec.factory().unwrap().name().as_str() {
            "svtav1watchenc" => "SVT-AV1".to_owned(),
            "dav1dwatchdec" => "dav1d".to_owned(),
            _ => self.stats().get("codec").unwrap(),
        };
        let kind = gst::glib::Type::from_name("GstCodecwatchLedger1").unwrap();
        let ledger = gst::glib::Object::with_type(kind);
        let account = ledger.emit_by_name::<Option<gst::Structure>>("account", &[&library]);
        account.map_or(0, |account| account.get(counter).unwrap())
    }

    /// The child of this session is gone, no zombie is left, and the ledger has nothing
    /// outstanding. In a process of its own.
    #[track_caller]
    pub(crate) fn leaves_nothing(&self) {
        eventually("children", || children().is_empty());
        let process = self.process();
        assert!(process == 0 || !exists(process), "{process} lives");
        let outstanding = || self.ledger("abandoned") - self.ledger("reclaimed");
        eventually("reclaimed", || outstanding() == 0);
        assert_eq!(self.ledger("retiring"), 0);
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Waits until something holds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether there is a process with this id, be it a zombie.
pub(crate) fn exists(process: u32) -> bool {
    std::path::Path::new("/proc")
        .join(process.to_string())
        .exists()
}

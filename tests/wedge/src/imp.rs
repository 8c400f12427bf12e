// SPDX-License-Identifier: MPL-2.0
//! The element.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::places;

/// What the element is told to do.
#[derive(Debug, Clone, Default)]
struct Settings {
    /// Where: `chain`, `event`, `query`, `dispose`, or a state change (`ready-to-paused`).
    at: String,
    /// What: `sleep`, `spin`, `error`, `message`, `panic`, `drop`; or something harmless:
    /// `warning`, `info`, `element-message`, `others`, `latency`, `need-context`.
    how: String,
    /// The kind of event or query, such as `caps`; any if empty.
    kind: String,
    /// Which time, from 0 on.
    number: u32,
    /// How long, in milliseconds; 0 = for ever.
    time: u32,
}

/// See the crate's description.
pub struct Wedge {
    sink: gst::Pad,
    src: gst::Pad,
    settings: Mutex<Settings>,
    /// The type of the context that was set last.
    context: Mutex<String>,
    passed: AtomicU32,
    /// In milliseconds.
    latency: AtomicU32,
}

impl Wedge {
    /// Whether it has to do what it is told, here.
    fn strikes(&self, at: &str, kind: &str) -> Option<Settings> {
        let settings = self.settings.lock().unwrap().clone();
        let here = settings.at == at && (settings.kind.is_empty() || settings.kind == kind);
        let due = here && self.passed.fetch_add(1, Ordering::Relaxed) == settings.number;
        due.then_some(settings)
    }

    /// Does it, and says whether what it was doing fails.
    fn strike(&self, settings: &Settings) -> Result<(), ()> {
        let begun = Instant::now();
        let time = Duration::from_millis(settings.time.into());
        let over = || settings.time > 0 && begun.elapsed() >= time;
        match &*settings.how {
            "sleep" => {
                while !over() {
                    let left = time.saturating_sub(begun.elapsed());
                    let left = if settings.time == 0 {
                        Duration::MAX
                    } else {
                        left
                    };
                    std::thread::park_timeout(left);
                }
            }
            "spin" => {
                while !over() {
                    std::hint::spin_loop();
                }
            }
            "error" => return Err(()),
            "message" => {
                gst::element_imp_error!(
                    self,
                    gst::StreamError::Encode,
                    ("made up"),
                    ["on purpose"]
                );
                return Err(());
            }
            "warning" => gst::element_imp_warning!(
                self,
                gst::StreamError::Decode,
                ("a warning"),
                ["on purpose"]
            ),
            "info" => gst::element_imp_info!(self, gst::StreamError::Decode, ("an info")),
            "element-message" => self.post_element_message("wedge-message", true),
            "need-context" => {
                let need = gst::message::NeedContext::builder("test.context");
                let _ = self.obj().post_message(need.src(&*self.obj()).build());
                let has = self.obj().context("test.context").is_some();
                self.post_element_message("wedge-context", has);
            }
            "others" => self.post_others(),
            // It holds back more from now on.
            "latency" => {
                self.latency.store(33, Ordering::Relaxed);
                let message = gst::message::Latency::builder().src(&*self.obj());
                let _ = self.obj().post_message(message.build());
            }
            "panic" => panic!("on purpose"),
            other => panic!("how={other}?"),
        }
        Ok(())
    }

    fn post_element_message(&self, name: &str, value: bool) {
        let structure = gst::Structure::builder(name).field("value", value).build();
        let message = gst::message::Element::builder(structure).src(&*self.obj());
        let _ = self.obj().post_message(message.build());
    }

    /// One message of each kind that is about the stream, or for the application.
    fn post_others(&self) {
        use gst::message as m;
        let src = &*self.obj();
        let mut tags = gst::TagList::new();
        let writable = tags.make_mut();
        writable.add::<gst::tags::Title>(&"a title", gst::TagMergeMode::Replace);
        let toc = gst::Toc::new(gst::TocScope::Global);
        let streams = gst::StreamCollection::builder(Some("upstream")).build();
        let said = gst::Structure::builder("said").field("n", 1).build();
        let progress = m::Progress::builder(gst::ProgressType::Start, "code", "text");
        let messages = [
            m::Tag::builder(tags).src(src).build(),
            m::Application::builder(said).src(src).build(),
            m::Toc::builder(&toc, false).src(src).build(),
            progress.src(src).build(),
            m::Buffering::builder(50).src(src).build(),
            m::StreamCollection::builder(&streams).src(src).build(),
            m::Redirect::builder("file:///a").src(src).build(),
        ];
        for message in messages {
            let _ = src.post_message(message);
        }
    }

    /// Asks upstream, and adds its own latency.
    fn answer_latency(&self, query: &mut gst::query::Latency) -> bool {
        let mut asked = gst::query::Latency::new();
        if !self.sink.peer_query(&mut asked) {
            return false;
        }
        let own = gst::ClockTime::from_mseconds(self.latency.load(Ordering::Relaxed).into());
        let (live, least, most) = asked.result();
        query.set(live, least + own, most.map(|most| most + own));
        true
    }

    fn chain(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        if let Some(settings) = self.strikes("chain", "") {
            if settings.how == "drop" {
                return Ok(gst::FlowSuccess::Ok);
            }
            self.strike(&settings).map_err(|()| gst::FlowError::Error)?;
        }
        if !places::passed(places::CHAIN) {
            return Err(gst::FlowError::Error);
        }
        self.src.push(buffer)
    }

    fn event(&self, event: gst::Event) -> bool {
        if let Some(settings) = self.strikes("event", event.type_().name())
            && self.strike(&settings).is_err()
        {
            return false;
        }
        if !places::event(event.type_()).is_none_or(places::passed) {
            return false;
        }
        self.src.push_event(event)
    }

    fn query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        if let Some(settings) = self.strikes("query", query.type_().name().as_str())
            && self.strike(&settings).is_err()
        {
            return false;
        }
        if !places::passed(places::QUERY) {
            return false;
        }
        gst::Pad::query_default(pad, Some(&*self.obj()), query)
    }
}

#[glib::object_subclass]
impl ObjectSubclass for Wedge {
    const NAME: &'static str = "GstWedge";
    type Type = super::Wedge;
    type ParentType = gst::Element;

    fn with_class(class: &Self::Class) -> Self {
        let sink = gst::Pad::builder_from_template(&class.pad_template("sink").unwrap())
            .chain_function(|_, parent, buffer| {
                // Not caught: a panic of a codec is to reach the worker.
                let element = parent.unwrap().downcast_ref::<super::Wedge>().unwrap();
                element.imp().chain(buffer)
            })
            .event_function(|_, parent, event| {
                let element = parent.unwrap().downcast_ref::<super::Wedge>().unwrap();
                element.imp().event(event)
            })
            .query_function(|pad, parent, query| {
                let element = parent.unwrap().downcast_ref::<super::Wedge>().unwrap();
                element.imp().query(pad, query)
            })
            .flags(gst::PadFlags::PROXY_CAPS)
            .build();
        let src = gst::Pad::builder_from_template(&class.pad_template("src").unwrap())
            .query_function(|pad, parent, query| {
                let element = parent.unwrap().downcast_ref::<super::Wedge>().unwrap();
                match query.view_mut() {
                    gst::QueryViewMut::Latency(query) => element.imp().answer_latency(query),
                    _ => gst::Pad::query_default(pad, parent, query),
                }
            })
            .build();
        Self {
            sink,
            src,
            settings: Mutex::default(),
            context: Mutex::default(),
            passed: AtomicU32::new(0),
            latency: AtomicU32::new(0),
        }
    }
}

impl ObjectImpl for Wedge {
    fn properties() -> &'static [glib::ParamSpec] {
        static SPECS: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let text = |name| glib::ParamSpecString::builder(name).build();
            let number = |name| glib::ParamSpecUInt::builder(name).build();
            vec![
                text("at"),
                text("how"),
                text("kind"),
                number("number"),
                number("time"),
                glib::ParamSpecString::builder("context")
                    .read_only()
                    .build(),
                glib::ParamSpecString::builder("clock").read_only().build(),
            ]
        });
        &SPECS
    }

    fn set_property(&self, _id: usize, value: &glib::Value, spec: &glib::ParamSpec) {
        let mut settings = self.settings.lock().unwrap();
        match spec.name() {
            "at" => settings.at = value.get().unwrap(),
            "how" => settings.how = value.get().unwrap(),
            "kind" => settings.kind = value.get().unwrap(),
            "number" => settings.number = value.get().unwrap(),
            _ => settings.time = value.get().unwrap(),
        }
    }

    fn property(&self, _id: usize, spec: &glib::ParamSpec) -> glib::Value {
        let settings = self.settings.lock().unwrap();
        match spec.name() {
            "at" => settings.at.to_value(),
            "how" => settings.how.to_value(),
            "kind" => settings.kind.to_value(),
            "number" => settings.number.to_value(),
            "context" => self.context.lock().unwrap().to_value(),
            "clock" => {
                let clock = self.obj().clock();
                clock.map(|clock| clock.name().to_string()).to_value()
            }
            _ => settings.time.to_value(),
        }
    }

    fn constructed(&self) {
        self.parent_constructed();
        self.obj().add_pad(&self.sink).unwrap();
        self.obj().add_pad(&self.src).unwrap();
    }

    fn dispose(&self) {
        if let Some(settings) = self.strikes("dispose", "") {
            let _ = self.strike(&settings);
        }
        places::passed(places::DISPOSE);
    }
}

impl GstObjectImpl for Wedge {}

impl ElementImpl for Wedge {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Wedge",
                "Codec/Encoder/Test",
                "Hangs where it is told to",
                env!("CARGO_PKG_AUTHORS"),
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let always = gst::PadPresence::Always;
            let any = gst::Caps::new_any();
            [
                ("sink", gst::PadDirection::Sink),
                ("src", gst::PadDirection::Src),
            ]
            .map(|(name, direction)| gst::PadTemplate::new(name, direction, always, &any))
            .map(Result::unwrap)
            .to_vec()
        });
        &TEMPLATES
    }

    fn set_context(&self, context: &gst::Context) {
        *self.context.lock().unwrap() = context.context_type().to_owned();
        self.parent_set_context(context);
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        let name = format!("{:?}", transition);
        if let Some(settings) = self.strikes(&name, "") {
            self.strike(&settings).map_err(|()| gst::StateChangeError)?;
        }
        let passed = match transition {
            gst::StateChange::ReadyToPaused => places::passed(places::START),
            gst::StateChange::PausedToReady => places::passed(places::STOP),
            _ => true,
        };
        if !passed {
            return Err(gst::StateChangeError);
        }
        self.parent_change_state(transition)
    }
}

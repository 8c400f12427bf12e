// SPDX-License-Identifier: MPL-2.0
//! The element: its properties, its pads, and what a state change does.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use codecwatch_element::{
    BaseClass, PadCaps, Role, SampleForm, SessionParts, Stored, Supervised, Supervision, Wired,
    place, properties,
};
use codecwatch_hosted::{
    ChainSession, CheckError, Config, Entrance, Hosted, Input, Kind, Lends, Output, RemoteHosted,
    check,
};
use codecwatch_process::Placed;
use codecwatch_supervisor::Codec;
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst::{FlowError, FlowSuccess, StateChange, StateChangeError, StateChangeSuccess};

use super::around::Around;
use super::settings::Settings;
use super::state::State;
use super::{forwarding, messages, sink, source, start};
use crate::wrapped::{self, Wrapped};

/// See the module's description.
pub struct CodecWatch {
    pub(super) sink: gst::Pad,
    pub(super) src: gst::Pad,
    settings: Stored<Settings>,
    state: Mutex<State>,
    supervision: Supervision<Input, Output>,
    /// If it always runs the same codec and looks like it.
    pub(super) wrapped: Option<&'static Wrapped>,
}

impl CodecWatch {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the property `codec` and checks it against what is installed.
    fn prepare(&self, until: Instant) -> Result<(), StateChangeError> {
        let checked = self.settings.get().codec.map(|text| check(&text, until));
        // An earlier refusal stands until here: a plugin may take long to load.
        self.forget_refusal();
        let error = match checked {
            Some(Ok(chain)) => {
                self.state().chain = Some(Arc::new(chain));
                return Ok(());
            }
            Some(Err(error)) => error,
            None => {
                let text = "No codec: set the property 'codec', for example to \"x264enc\"";
                return Err(self.refuse(gst::LibraryError::Settings, text));
            }
        };
        let text = error.to_string();
        Err(match &error {
            CheckError::Missing { factory } => {
                messages::post_missing(&self.obj(), factory);
                self.refuse(gst::CoreError::MissingPlugin, &text)
            }
            CheckError::LoadHangs { .. } => self.refuse(gst::LibraryError::Init, &text),
            _ => self.refuse(gst::LibraryError::Settings, &text),
        })
    }

    /// Posts the error of a property with which the element does not start. Until
    /// [`forget_refusal`](Self::forget_refusal) it has failed, for the health service, too.
    pub(super) fn refuse(
        &self,
        code: impl gst::MessageErrorDomain + Send + 'static,
        text: &str,
    ) -> StateChangeError {
        self.state().refused = true;
        let _ = self.supervision.refuse_with(self, code, text);
        StateChangeError
    }

    /// Ends what a refusal has begun. The pads are inactive: the element has not started.
    fn forget_refusal(&self) {
        let refused = std::mem::take(&mut self.state().refused);
        if refused {
            self.supervision.stop(self);
        }
    }

    /// Whether a chain may be open, or is about to be.
    fn has_left_ready(&self) -> bool {
        let element = self.obj();
        element.current_state().max(element.pending_state()) > gst::State::Ready
    }

    /// Whether a bin around the element is on its way up. If the element refuses to start,
    /// the bin takes it back to NULL, which is not the application's doing.
    fn is_being_started(&self) -> bool {
        let element = self.obj().clone().upcast::<gst::Object>();
        std::iter::successors(element.parent(), gst::Object::parent)
            .filter_map(|parent| parent.downcast::<gst::Element>().ok())
            .any(|bin| bin.pending_state() > gst::State::Null)
    }

    /// Whether what goes in is coded: of no use after a restart until a key frame comes.
    pub(super) fn decodes(&self) -> bool {
        let state = self.state();
        state.chain.as_ref().is_some_and(|chain| chain.decodes)
    }

    /// The events that are in force on the sink pad for a session. EOS ends one; a rate
    /// that changes at once goes round all of them.
    pub(super) fn events_in_force(&self) -> Vec<gst::Event> {
        let mut events = Vec::new();
        self.sink.sticky_events_foreach(|event| {
            let is_for_others = matches!(
                event.type_(),
                gst::EventType::Eos | gst::EventType::InstantRateChange
            );
            if !is_for_others {
                events.push(event.clone());
            }
            std::ops::ControlFlow::Continue(gst::EventForeachAction::Keep)
        });
        events
    }
}

#[glib::object_subclass]
impl ObjectSubclass for CodecWatch {
    const NAME: &'static str = "GstCodecWatch";
    type Type = super::CodecWatch;
    type ParentType = gst::Element;
    type Interfaces = (gst::ChildProxy,);

    fn with_class(class: &Self::Class) -> Self {
        // The class has both templates: `pad_templates` returns them.
        let template = |name| class.pad_template(name);
        let wrapped = wrapped::of_type(class.type_());
        let settings = wrapped.map(|wrapped| Settings::fixed(wrapped.codec()));
        Self {
            sink: sink::pad(template("sink")),
            src: source::pad(template("src")),
            settings: Stored::from(settings.unwrap_or_default()),
            state: Mutex::default(),
            supervision: Supervision::default(),
            wrapped,
        }
    }
}

impl ObjectImpl for CodecWatch {
    fn properties() -> &'static [glib::ParamSpec] {
        static SPECS: LazyLock<Vec<glib::ParamSpec>> =
            LazyLock::new(properties::specs::<CodecWatch>);
        &SPECS
    }

    fn set_property(&self, id: usize, value: &glib::Value, spec: &glib::ParamSpec) {
        match self.wrapped {
            Some(wrapped) => forwarding::set(self, wrapped, id, value, spec),
            None if spec.name() == "codec" && self.has_left_ready() => {
                glib::g_warning!(
                    "codecwatch",
                    "{} runs its codec: the property 'codec' may be set in NULL and READY, and \
                     is not changed now",
                    self.obj().name()
                );
            }
            None => properties::set(self, value, spec),
        }
    }

    fn property(&self, id: usize, spec: &glib::ParamSpec) -> glib::Value {
        match self.wrapped {
            Some(wrapped) => forwarding::get(self, wrapped, id, spec),
            None => properties::get(self, spec),
        }
    }

    fn constructed(&self) {
        self.parent_constructed();
        let element = self.obj();
        for pad in [&self.sink, &self.src] {
            if let Err(error) = element.add_pad(pad) {
                gst::error!(crate::CAT, imp = self, "{error}");
            }
        }
        Supervision::watch_links(self);
        Supervision::publish(self);
        if let Some(wrapped) = self.wrapped {
            forwarding::begin(self, wrapped);
        }
    }
}

impl GstObjectImpl for CodecWatch {}

impl ElementImpl for CodecWatch {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> =
            LazyLock::new(CodecWatch::describe);
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> =
            LazyLock::new(|| CodecWatch::pad_caps().templates());
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: StateChange,
    ) -> Result<StateChangeSuccess, StateChangeError> {
        // The property may change in READY.
        let until = start::deadline(self);
        match transition {
            StateChange::NullToReady => {
                self.prepare(until)?;
                start::try_ready(self, until)?;
            }
            StateChange::ReadyToPaused => self.prepare(until)?,
            _ => {}
        }
        self.supervision.before_state_change(transition);
        let changed = self.parent_change_state(transition)?;
        match transition {
            // As a codec that is no hosted one, it opens on the way to PAUSED, so that
            // it can be asked for its caps before the stream begins.
            StateChange::ReadyToPaused => start::open(self, until)?,
            StateChange::PausedToPlaying => {
                let element = self.obj();
                let (clock, base_time) = (element.clock(), element.base_time());
                self.supervision.notify(self, move |session, lane| {
                    session.set_clock(lane, clock.as_ref(), base_time);
                });
            }
            StateChange::PausedToReady => {
                self.supervision.stop(self);
                let old = {
                    let mut state = self.state();
                    let stopped = state.stopped();
                    std::mem::replace(&mut *state, stopped)
                };
                drop(old);
                forwarding::forget_metadata(self);
            }
            StateChange::ReadyToNull => self.forget_refusal(),
            StateChange::NullToNull if !self.is_being_started() => self.forget_refusal(),
            _ => {}
        }
        Ok(changed)
    }

    fn set_context(&self, context: &gst::Context) {
        self.parent_set_context(context);
        let context = context.clone();
        self.supervision.notify(self, move |session, lane| {
            session.set_context(lane, &context);
        });
    }
}

impl Wired<Output> for CodecWatch {
    const BASE: BaseClass = BaseClass::Element;

    fn deliver(&self, output: Output) -> Option<Result<FlowSuccess, FlowError>> {
        source::deliver(self, output)
    }
}

impl Supervised for CodecWatch {
    type Input = Input;
    type Output = Output;
    type Codec = Placed<RemoteHosted>;
    type Settings = Settings;

    fn role(&self) -> Role {
        match self.state().chain.as_ref().map(|chain| chain.kind) {
            Some(Kind::Encoder) => Role::Encoder,
            Some(Kind::Decoder) => Role::Decoder,
            Some(Kind::Other) | None => Role::Other,
        }
    }

    fn describe() -> gst::subclass::ElementMetadata {
        gst::subclass::ElementMetadata::new(
            "Supervised codec",
            "Codec/Encoder/Decoder",
            "Runs any GStreamer codec so that it cannot hang the pipeline",
            env!("CARGO_PKG_AUTHORS"),
        )
    }

    fn pad_caps() -> PadCaps {
        PadCaps {
            sink: gst::Caps::new_any(),
            src: gst::Caps::new_any(),
        }
    }

    fn supervision(&self) -> &Supervision<Input, Output> {
        &self.supervision
    }

    fn settings(&self) -> &Stored<Settings> {
        &self.settings
    }

    fn add_stats(&self, stats: &mut gst::Structure) {
        if let Some(chain) = &self.state().chain {
            stats.set("codec", chain.description.name());
        }
    }

    fn sample_form(&self) -> Option<SampleForm> {
        self.decodes().then_some(SampleForm::Gdp)
    }

    fn versions(&self) -> Vec<(String, String)> {
        let chain = self.state().chain.clone();
        chain.map_or_else(Vec::new, |chain| messages::versions(&chain.description))
    }

    fn codec(&self) -> Option<Placed<RemoteHosted>> {
        let entrance = Arc::new(Entrance::default());
        let (description, decodes, after_restart) = {
            let mut state = self.state();
            state.entrance = entrance.clone();
            let total = self.supervision.restarts();
            let before = std::mem::replace(&mut state.restarts, total);
            let chain = state.chain.clone()?;
            let description = state.children.applied_to(&chain);
            (description, chain.decodes, total > before)
        };
        let most = self.settings.get().max_inside as usize;
        let outside = Arc::new(Around(self.obj().downgrade()));
        let hosted = Hosted {
            description,
            most_inside: (most > 0).then_some(most),
            decodes,
            // A new encoder begins with one by itself.
            from_key_frame: after_restart && decodes,
            in_force: self.events_in_force(),
            metadata: forwarding::metadata(self),
            listens: self.wrapped.is_some_and(Wrapped::is_alike),
            outside: outside.clone(),
            entrance: entrance.clone(),
        };
        let last = hosted.description.parts.last()?.factory.clone();
        let parts = SessionParts {
            config: Config::new(&hosted),
            library: hosted.library(),
            parent: Lends::new(outside, entrance, last),
            log: Some(|level, line| match level {
                0..=2 => gst::warning!(crate::CAT, "{line}"),
                _ => gst::debug!(crate::CAT, "{line}"),
            }),
        };
        Some(place(self, parts, |_config| hosted))
    }

    fn frame_in(input: &Input) -> Option<u32> {
        match input {
            Input::Buffer { id, .. } | Input::List { id, .. } => Some(*id),
            Input::Event(_) => None,
        }
    }

    fn survives_restart(&self, input: &Input) -> bool {
        // Those that are in force are sent to each session.
        matches!(input, Input::Event(event) if !event.is_sticky())
    }

    fn frames_of(output: &Output) -> impl IntoIterator<Item = u32> {
        output.frames().iter().copied()
    }

    fn facts_changed(&self) {
        let element = self.obj();
        let message = gst::message::Latency::builder().src(&*element).build();
        let _ = element.post_message(message);
    }

    fn told(&self, told: Output, missed: u64) {
        messages::told(self, told, missed);
    }

    fn restarted(&self) {
        sink::restarted(self);
    }
}

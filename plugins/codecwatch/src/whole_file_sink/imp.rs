// SPDX-License-Identifier: MPL-2.0
//! The element: its properties, its file, and what a buffer, an event and a query do.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use codecwatch_element::properties;
use codecwatch_whole_file::{Error, Kind, Target, WholeFile};
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst::{FlowError, FlowSuccess, StateChange, StateChangeError, StateChangeSuccess};
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;

use super::errors_seen::ErrorsSeen;
use crate::CAT;

/// See the module's description.
///
/// The locks are taken one at a time. That of the state is held while the file is
/// written, so only the streaming thread, the start and the stop take it.
#[derive(Default)]
pub struct WholeFileSink {
    settings: Mutex<Settings>,
    state: Mutex<State>,
    errors: Mutex<Option<ErrorsSeen>>,
    /// Of the next byte.
    position: AtomicU64,
}

#[derive(Debug, Clone, Default)]
struct Settings {
    location: Option<String>,
    keep_partial: bool,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Stopped,
    Writing(WholeFile),
    /// The target is whole.
    InPlace,
    /// The stream is not, or cannot be written; until the element goes to READY.
    Failed,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl WholeFileSink {
    fn open(&self) -> Result<WholeFile, Error> {
        let Settings {
            location,
            keep_partial,
        } = lock(&self.settings).clone();
        let path = PathBuf::from(location.unwrap_or_default());
        let file = WholeFile::create(Target::new(&path)?, keep_partial)?;
        self.position.store(0, Ordering::Relaxed);
        gst::debug!(
            CAT,
            imp = self,
            "writing {}",
            file.target().partial().display()
        );
        Ok(file)
    }

    /// Does something to the file. If it fails, posts the error and gives the file up.
    fn change(
        &self,
        change: impl FnOnce(&mut WholeFile) -> Result<(), Error>,
    ) -> Result<(), FlowError> {
        let error = {
            let mut state = lock(&self.state);
            let State::Writing(file) = &mut *state else {
                return Err(match *state {
                    State::InPlace => FlowError::Eos,
                    _ => FlowError::Error,
                });
            };
            match change(file) {
                Ok(()) => {
                    self.position.store(file.position(), Ordering::Relaxed);
                    return Ok(());
                }
                Err(error) => {
                    // At once: the disk may be full.
                    *state = State::Failed;
                    error
                }
            }
        };
        self.post(&error);
        Err(FlowError::Error)
    }

    /// A flush: the stream begins again.
    fn begin_again(&self) -> Result<(), FlowError> {
        if !matches!(*lock(&self.state), State::InPlace) {
            return self.change(WholeFile::restart);
        }
        match self.open() {
            Ok(file) => {
                *lock(&self.state) = State::Writing(file);
                Ok(())
            }
            Err(error) => {
                *lock(&self.state) = State::Failed;
                self.post(&error);
                Err(FlowError::Error)
            }
        }
    }

    /// The end of the stream: puts the file in place. Whether EOS may pass.
    fn finish(&self) -> bool {
        let (error, is_blind) = match &*lock(&self.errors) {
            Some(errors) => (errors.first(), errors.is_blind()),
            None => (None, false),
        };
        if is_blind {
            gst::warning!(
                CAT,
                imp = self,
                "a handler of the application drops the messages of the pipeline's bus: errors of \
                 other elements than those of codecwatch cannot be seen"
            );
        }
        let state = {
            let mut state = lock(&self.state);
            match (&*state, &error) {
                (State::InPlace, _) => return true,
                (State::Stopped | State::Failed, _) => return false,
                (State::Writing(_), None) => std::mem::replace(&mut *state, State::InPlace),
                (State::Writing(_), Some(_)) => std::mem::replace(&mut *state, State::Failed),
            }
        };
        let State::Writing(file) = state else {
            return false;
        };
        let path = file.target().path().display().to_string();
        if let Some(error) = error {
            file.give_up();
            gst::element_imp_warning!(
                self,
                gst::ResourceError::Close,
                ("{path} is not whole and was not put in place: an error came before the end ({error})")
            );
            return false;
        }
        match file.put_in_place() {
            Ok(()) => {
                gst::info!(CAT, imp = self, "{path} is whole");
                true
            }
            Err(error) => {
                *lock(&self.state) = State::Failed;
                self.post(&error);
                false
            }
        }
    }

    fn post(&self, error: &Error) {
        self.post_error_message(message(error));
    }
}

/// An error as a message. Its source shows in the text.
fn message(error: &Error) -> gst::ErrorMessage {
    use gst::ResourceError as Code;
    let code = match error.kind {
        Kind::NotFound => Code::NotFound,
        Kind::Target | Kind::Open => Code::OpenWrite,
        Kind::Busy => Code::Busy,
        Kind::NoSpace => Code::NoSpaceLeft,
        Kind::Write => Code::Write,
        Kind::NotInPlace => Code::Close,
    };
    gst::error_msg!(code, ("{error}"))
}

#[glib::object_subclass]
impl ObjectSubclass for WholeFileSink {
    const NAME: &'static str = "GstWholeFileSink";
    type Type = super::WholeFileSink;
    type ParentType = gst_base::BaseSink;
}

impl ObjectImpl for WholeFileSink {
    fn properties() -> &'static [glib::ParamSpec] {
        static SPECS: LazyLock<[glib::ParamSpec; 2]> = LazyLock::new(|| {
            [
                glib::ParamSpecString::builder("location")
                    .nick("Location")
                    .blurb(
                        "The file that is there, whole, after EOS; one that is there already is \
                         replaced then",
                    )
                    .mutable_ready()
                    .build(),
                glib::ParamSpecBoolean::builder("keep-partial")
                    .nick("Keep partial")
                    .blurb(
                        "Whether a file that is not whole is kept, with .codecwatch-partial added \
                         to its name, instead of removed",
                    )
                    .mutable_ready()
                    .build(),
            ]
        });
        &*SPECS
    }

    fn set_property(&self, _id: usize, value: &glib::Value, spec: &glib::ParamSpec) {
        if self.obj().current_state() > gst::State::Ready {
            gst::warning!(
                CAT,
                imp = self,
                "{} cannot be changed while the file is written",
                spec.name()
            );
            return;
        }
        let mut settings = lock(&self.settings);
        match spec.name() {
            "location" => settings.location = value.get().ok().flatten(),
            "keep-partial" => settings.keep_partial = value.get().unwrap_or_default(),
            name => properties::complain_of_unknown(self.obj().type_(), name),
        }
    }

    fn property(&self, _id: usize, spec: &glib::ParamSpec) -> glib::Value {
        let settings = lock(&self.settings);
        match spec.name() {
            "location" => settings.location.to_value(),
            "keep-partial" => settings.keep_partial.to_value(),
            name => {
                properties::complain_of_unknown(self.obj().type_(), name);
                spec.default_value().clone()
            }
        }
    }

    fn constructed(&self) {
        self.parent_constructed();
        let sink = self.obj();
        // As filesink: as fast as it comes.
        sink.set_sync(false);
        sink.set_property("enable-last-sample", false);
    }
}

impl GstObjectImpl for WholeFileSink {}

impl ElementImpl for WholeFileSink {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Whole file sink",
                "Sink/File",
                "Writes a file that takes its name when it is whole: after EOS without an error",
                env!("CARGO_PKG_AUTHORS"),
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let template = gst::PadTemplate::new(
                "sink",
                gst::PadDirection::Sink,
                gst::PadPresence::Always,
                &gst::Caps::new_any(),
            );
            template.into_iter().collect()
        });
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: StateChange,
    ) -> Result<StateChangeSuccess, StateChangeError> {
        if transition == StateChange::ReadyToPaused {
            // Sinks are started first, so no element's error is missed. The bus is no
            // other until the sink is stopped.
            let errors = ErrorsSeen::watch(self.obj().upcast_ref());
            *lock(&self.errors) = Some(errors);
        }
        let changed = self.parent_change_state(transition);
        let failed_to_start = transition == StateChange::ReadyToPaused && changed.is_err();
        if failed_to_start || transition == StateChange::PausedToReady {
            let errors = lock(&self.errors).take();
            drop(errors);
        }
        changed
    }
}

impl BaseSinkImpl for WholeFileSink {
    fn start(&self) -> Result<(), gst::ErrorMessage> {
        if lock(&self.settings)
            .location
            .as_deref()
            .unwrap_or("")
            .is_empty()
        {
            return Err(gst::error_msg!(
                gst::ResourceError::NotFound,
                ("No file: set the property 'location'")
            ));
        }
        let file = self.open().map_err(|error| message(&error))?;
        *lock(&self.state) = State::Writing(file);
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        let state = std::mem::take(&mut *lock(&self.state));
        if let State::Writing(file) = state {
            gst::info!(
                CAT,
                imp = self,
                "no EOS: {} is not whole",
                file.target().path().display()
            );
            file.give_up();
        }
        Ok(())
    }

    fn render(&self, buffer: &gst::Buffer) -> Result<FlowSuccess, FlowError> {
        for memory in buffer.iter_memories() {
            let Ok(mapped) = memory.map_readable() else {
                gst::element_imp_error!(
                    self,
                    gst::ResourceError::Read,
                    ("A buffer cannot be read")
                );
                *lock(&self.state) = State::Failed;
                return Err(FlowError::Error);
            };
            self.change(|file| file.write(&mapped))?;
        }
        Ok(FlowSuccess::Ok)
    }

    fn event(&self, event: gst::Event) -> bool {
        let handled = match event.view() {
            // As muxers do that go back and write their header anew.
            gst::EventView::Segment(segment) => segment
                .segment()
                .downcast_ref::<gst::format::Bytes>()
                .and_then(gst::FormattedSegment::start)
                .map_or(Ok(()), |start| self.change(|file| file.seek(*start))),
            gst::EventView::FlushStop(_) => {
                let begun = self.begin_again().is_ok();
                // The flush ends, whatever became of the file.
                return self.parent_event(event) && begun;
            }
            gst::EventView::Eos(_) if !self.finish() => Err(FlowError::Error),
            _ => Ok(()),
        };
        match handled {
            Ok(()) => self.parent_event(event),
            Err(_) => false,
        }
    }

    fn query(&self, query: &mut gst::QueryRef) -> bool {
        match query.view_mut() {
            gst::QueryViewMut::Seeking(seeking) => {
                let is_bytes =
                    matches!(seeking.format(), gst::Format::Bytes | gst::Format::Default);
                if is_bytes {
                    let (start, end) = (gst::format::Bytes::ZERO, gst::format::Bytes::NONE);
                    seeking.set(true, start, end);
                } else {
                    let (start, end) = (
                        gst::GenericFormattedValue::new(seeking.format(), 0),
                        gst::GenericFormattedValue::new(seeking.format(), -1),
                    );
                    seeking.set(false, start, end);
                }
                true
            }
            gst::QueryViewMut::Position(position)
                if matches!(position.format(), gst::Format::Bytes | gst::Format::Default) =>
            {
                let bytes = self.position.load(Ordering::Relaxed);
                let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
                position.set(gst::GenericFormattedValue::new(position.format(), bytes));
                true
            }
            gst::QueryViewMut::Formats(formats) => {
                formats.set([gst::Format::Default, gst::Format::Bytes]);
                true
            }
            _ => BaseSinkImplExt::parent_query(self, query),
        }
    }
}

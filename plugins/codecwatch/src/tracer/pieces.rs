// SPDX-License-Identifier: MPL-2.0
//! The parameters of the tracer in one piece. What GStreamer gives to it ends at the first
//! semicolon, and what follows is taken for further tracers: see `entries`.
//!
//! So the tracer reads the rest from the variable, and a tracer that does nothing
//! answers for each further piece. Such a piece may be the name of an element, which
//! GStreamer would take for a tracer's: what has the name gets it back when the last
//! piece of the entry has been answered for. When that is so of the last entry, what all
//! of them say is done as if it were one.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::entries::{self, Entry};
use super::{VARIABLE, complain, name, parameters, serving, wrapping};

/// A name that is in use for a piece, and what had it before.
type Lent = (String, Option<gst::PluginFeature>);

/// What is to be done when GStreamer has looked for the last piece of the last entry.
struct Pending {
    /// The entries that GStreamer has not come to yet.
    entries: VecDeque<Entry>,
    /// What the others say.
    parameters: Vec<String>,
    /// How many pieces of the current entry GStreamer has not looked for yet.
    left: usize,
    /// The names that are in use for these.
    lent: Vec<Lent>,
}

impl Pending {
    fn of_variable() -> Self {
        let variable = std::env::var_os(VARIABLE).unwrap_or_default();
        Self {
            entries: entries::read(&variable.to_string_lossy()).into(),
            parameters: Vec::new(),
            left: 0,
            lent: Vec::new(),
        }
    }

    /// The entry for which the tracer was given this.
    fn next(&mut self, given: &str) -> Entry {
        let next = self.entries.pop_front();
        next.filter(|entry| entry.given == given)
            .unwrap_or_else(|| {
                // The variable says something else by now: nothing is known of the rest.
                self.entries.clear();
                Entry::alone(given)
            })
    }
}

static PENDING: Mutex<Option<Pending>> = Mutex::new(None);

fn pending() -> MutexGuard<'static, Option<Pending>> {
    PENDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins an entry with what the tracer was given.
pub(super) fn begin(given: &str) {
    let entry = pending()
        .get_or_insert_with(Pending::of_variable)
        .next(given);
    if let Some(complaint) = entry.complaint() {
        complain(&complaint);
    }
    let pieces = to_answer_for(&entry);
    let lent = borrow_names(&pieces);
    if let Some(pending) = &mut *pending() {
        pending.parameters.push(entry.parameters);
        pending.left = pieces.len();
        pending.lent = lent;
    }
    end_if_last(0);
}

/// Ends the entry if none of its pieces is left after `answered` more, and does what all
/// say if it was the last.
fn end_if_last(answered: usize) {
    let (lent, all) = {
        let mut pending = pending();
        let Some(current) = &mut *pending else {
            return;
        };
        current.left = current.left.saturating_sub(answered);
        if current.left > 0 {
            return;
        }
        let lent = std::mem::take(&mut current.lent);
        (lent, pending.take_if(|pending| pending.entries.is_empty()))
    };
    give_names_back(lent);
    if let Some(all) = all {
        name::give_back();
        obey(&all.parameters.join(","));
    }
}

fn give_names_back(lent: Vec<Lent>) {
    let registry = gst::Registry::get();
    for (name, before) in lent {
        if let Some(piece) = registry.lookup_feature(&name) {
            registry.remove_feature(&piece);
        }
        if let Some(before) = before
            && let Err(error) = registry.add_feature(&before)
        {
            complain(&format!("{name}: {error}"));
        }
    }
}

/// Does what the parameters say.
fn obey(text: &str) {
    let (parameters, complaints) = parameters::read(text);
    for complaint in complaints {
        complain(&complaint);
    }
    if !parameters.wrap.is_empty() {
        wrapping::wrap(&parameters.wrap);
    }
    if let Some(address) = parameters.listen {
        serving::serve(codecwatch_health::Options {
            port_file: parameters.port_file,
            drain_file: parameters.drain_file,
            ..codecwatch_health::Options::new(address)
        });
    }
    #[cfg(feature = "otlp")]
    if let Some(endpoint) = parameters.otlp {
        serving::export(endpoint);
    }
}

/// The pieces of an entry that are not left to GStreamer. Without the end of the entry
/// tracers may be meant, and work; but an element is none, and GStreamer does not see it.
fn to_answer_for(entry: &Entry) -> Vec<String> {
    let registry = gst::Registry::get();
    let is_no_tracer = |piece: &String| {
        let known = registry.lookup_feature(piece);
        known.is_some_and(|known| !known.is::<gst::TracerFactory>())
    };
    let pieces = entry.pieces.iter();
    pieces
        .filter(|piece| entry.unclosed.is_none() || is_no_tracer(piece))
        .cloned()
        .collect()
}

/// Registers a tracer that does nothing for each piece.
fn borrow_names(pieces: &[String]) -> Vec<Lent> {
    let registry = gst::Registry::get();
    let mut lent: Vec<Lent> = Vec::new();
    for piece in pieces {
        if lent.iter().any(|(known, _)| known == piece) {
            continue;
        }
        let before = registry.lookup_feature(piece);
        if let Some(before) = &before {
            registry.remove_feature(before);
        }
        if let Err(error) = gst::Tracer::register(None, piece, Piece::static_type()) {
            complain(&format!("{piece}: {error}"));
        }
        lent.push((piece.clone(), before));
    }
    lent
}

mod imp {
    use super::*;

    /// Answers for a piece.
    #[derive(Debug, Default)]
    pub struct Piece;

    #[glib::object_subclass]
    impl ObjectSubclass for Piece {
        const NAME: &'static str = "GstCodecWatchTracerPiece";
        type Type = super::Piece;
        type ParentType = gst::Tracer;
    }

    impl ObjectImpl for Piece {
        fn constructed(&self) {
            self.parent_constructed();
            end_if_last(1);
        }
    }

    impl GstObjectImpl for Piece {}

    impl TracerImpl for Piece {}
}

glib::wrapper! {
    /// A tracer that does nothing.
    pub struct Piece(ObjectSubclass<imp::Piece>)
        @extends gst::Tracer, gst::Object;
}

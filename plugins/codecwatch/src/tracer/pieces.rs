// SPDX-License-Identifier: MPL-2.0
//! The parameters of the tracer in one piece. GStreamer splits `GST_TRACERS` at each
//! semicolon, those inside parentheses too: of `codecwatch(wrap=a;b;c)` the tracer gets
//! `wrap=a`, and `b` and `c)` are taken for further tracers.
//!
//! So the tracer reads the rest from the variable, and a tracer that does nothing
//! answers for each further piece. Such a piece may be the name of an element, which
//! GStreamer would take for a tracer's: what has the name gets it back when the last
//! piece has been answered for, and then the elements are wrapped.

use std::sync::{Mutex, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::{VARIABLE, complain, parameters, serving, wrapping};

/// What is to be done when GStreamer has looked for the last piece.
struct Pending {
    parameters: String,
    /// How many pieces GStreamer has not looked for yet.
    left: usize,
    /// The names that are in use for pieces, and what had them before.
    lent: Vec<(String, Option<gst::PluginFeature>)>,
}

static PENDING: Mutex<Option<Pending>> = Mutex::new(None);

/// Begins with what the tracer was given.
pub(super) fn begin(given: &str) {
    let variable = std::env::var_os(VARIABLE).unwrap_or_default();
    let (parameters, pieces) = whole(given, &variable.to_string_lossy());
    let lent = borrow_names(&pieces);
    let pending = Pending {
        parameters,
        left: pieces.len(),
        lent,
    };
    *PENDING.lock().unwrap_or_else(PoisonError::into_inner) = Some(pending);
    finish_if_last(0);
}

/// Does what the parameters say if no piece is left after `answered` more.
fn finish_if_last(answered: usize) {
    let pending = {
        let mut pending = PENDING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pending) = &mut *pending {
            pending.left = pending.left.saturating_sub(answered);
        }
        pending.take_if(|pending| pending.left == 0)
    };
    let Some(pending) = pending else {
        return;
    };
    let registry = gst::Registry::get();
    for (name, before) in pending.lent {
        if let Some(piece) = registry.lookup_feature(&name) {
            registry.remove_feature(&piece);
        }
        if let Some(before) = before
            && let Err(error) = registry.add_feature(&before)
        {
            complain(&format!("{name}: {error}"));
        }
    }
    let (parameters, complaints) = parameters::read(&pending.parameters);
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

/// Registers a tracer that does nothing for each piece.
fn borrow_names(pieces: &[String]) -> Vec<(String, Option<gst::PluginFeature>)> {
    let registry = gst::Registry::get();
    let mut lent: Vec<(String, Option<gst::PluginFeature>)> = Vec::new();
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

/// The parameters in one piece, and the pieces that GStreamer takes for tracers.
fn whole(given: &str, variable: &str) -> (String, Vec<String>) {
    let alone = || (given.to_owned(), Vec::new());
    let mut entries = variable.split(';');
    let opened = entries.find_map(|entry| entry.strip_prefix("codecwatch("));
    // Without its end, it is the entry as GStreamer has given it.
    if opened != Some(given) {
        return alone();
    }
    let (mut parameters, mut pieces) = (given.to_owned(), Vec::new());
    for entry in entries {
        // What GStreamer looks for.
        let piece = entry.split('(').next().unwrap_or_default();
        if !piece.is_empty() {
            pieces.push(piece.to_owned());
        }
        parameters.push(';');
        if let Some((last, _)) = entry.split_once(')') {
            parameters.push_str(last);
            return (parameters, pieces);
        }
        parameters.push_str(entry);
    }
    // It has no end: what follows are tracers of their own.
    alone()
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
            finish_if_last(1);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_up_to_the_closing_parenthesis() {
        for (variable, given, parameters, pieces) in [
            ("codecwatch(wrap=a)", "wrap=a", "wrap=a", &[][..]),
            ("codecwatch(wrap=a;b)", "wrap=a", "wrap=a;b", &["b)"]),
            (
                "leaks;codecwatch(wrap=a;b;c);stats",
                "wrap=a",
                "wrap=a;b;c",
                &["b", "c)"],
            ),
            (
                "codecwatch(wrap=a;;b,other=d)",
                "wrap=a",
                "wrap=a;;b,other=d",
                &["b,other=d)"],
            ),
            ("codecwatch(wrap=a;)", "wrap=a", "wrap=a;", &[")"]),
            ("codecwatch(wrap=a;leaks", "wrap=a", "wrap=a", &[]),
            ("codecwatch;leaks(a)", "", "", &[]),
            ("", "wrap=a;b", "wrap=a;b", &[]),
        ] {
            let (whole, found) = whole(given, variable);
            assert_eq!(whole, parameters, "{variable}");
            assert_eq!(found, pieces, "{variable}");
        }
    }
}

// SPDX-License-Identifier: MPL-2.0
//! Signals of an element that looks like its original: those of the original are repeated,
//! and those that an application emits go to it.

use std::time::Duration;

use codecwatch_element::Supervised;
use codecwatch_hosted::{ChainSession, Said, signals};
use gst::glib;
use gst::glib::subclass::SignalId;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::CodecWatch;
use super::imp;

/// The longest that somebody waits for the answer to a signal.
const BOUND: Duration = Duration::from_secs(1);

/// Repeats what the original has said.
pub(super) fn repeat(imp: &imp::CodecWatch, said: Said) {
    let element = imp.obj();
    match said {
        Said::Changed(property) => {
            if element.find_property(&property).is_some() {
                element.notify(&property);
            }
        }
        Said::Signal(signal, arguments) => {
            if SignalId::lookup(&signal, element.type_()).is_some() {
                let arguments: Vec<_> = arguments.into_iter().map(Into::into).collect();
                element.emit_by_name_with_values(&signal, &arguments);
            }
        }
    }
}

/// An application has emitted an action signal, with these values. Waits for the original's
/// answer for a second at most; `None` if there is none.
pub(crate) fn act(signal: &str, values: &[glib::Value]) -> Option<glib::Value> {
    let (element, arguments) = values.split_first()?;
    let element = element.get::<CodecWatch>().ok()?;
    let arguments = signals::portable(arguments)?;
    let (imp, signal) = (element.imp(), signal.to_owned());
    let answered = imp.supervision().ask(imp, BOUND, move |session, lane| {
        session.act(lane, &signal, arguments)
    });
    answered.flatten().map(Into::into)
}

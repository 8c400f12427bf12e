// SPDX-License-Identifier: MPL-2.0
//! The end of a stream that failed but is to be closed with EOS (`eos-after-failure`).

use std::sync::{Mutex, PoisonError};

use gst::prelude::*;

use crate::CAT;

type Report = Box<dyn FnOnce() + Send>;

/// An error that is held until downstream has received EOS. The first thread to take it
/// posts it.
#[derive(Default)]
pub(crate) struct PendingReport(Mutex<Option<Report>>);

impl std::fmt::Debug for PendingReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PendingReport")
    }
}

impl PendingReport {
    fn hold(&self, report: Report) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
    }

    /// Posts it, if it has not been posted.
    pub(crate) fn post(&self) {
        let report = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(report) = report {
            report();
        }
    }
}

/// Sends EOS downstream, so that a muxer can close its file, and posts the failure.
///
/// An application stops its pipeline when it sees the error, and a muxer needs time to
/// close its file. So while the pipeline plays, EOS is pushed first. The application
/// still sees the error first: a bin delays its EOS message for every element that is
/// marked as a sink, and this one is marked meanwhile. Behind a queue the push returns
/// before the file is closed: there the application has to wait for EOS after the
/// error.
///
/// A paused pipeline blocks EOS: there the error is posted first, also if the pipeline
/// is paused during the push (the state change posts `pending`).
pub(crate) fn push_eos(
    element: &gst::Element,
    pending: &PendingReport,
    report: impl FnOnce() + Send + 'static,
) {
    gst::warning!(
        CAT,
        obj = element,
        "sending EOS with the failure (eos-after-failure)"
    );
    pending.hold(Box::new(report));
    // On the way to PAUSED nothing has come out, and a sink would block EOS, and with it the
    // state change.
    let has_begun = element.current_state() >= gst::State::Paused;
    let Some(pad) = element.static_pad("src").filter(|_| has_begun) else {
        return pending.post();
    };
    if !plays(element) {
        pending.post();
        pad.push_event(gst::event::Eos::new());
        return;
    }
    let marked = hold_eos_message(element);
    pad.push_event(gst::event::Eos::new());
    pending.post();
    for element in marked
        .iter()
        .filter(|element| !contains_sink(element, &marked))
    {
        element.unset_element_flags(gst::ElementFlags::SINK);
    }
}

/// Whether the element plays, and has no pending change to a lower state.
pub(crate) fn plays(element: &gst::Element) -> bool {
    let pending = element.pending_state();
    element.current_state() == gst::State::Playing
        && matches!(pending, gst::State::VoidPending | gst::State::Playing)
}

/// Marks the element and the bins that contain it as sinks; returns those that were not
/// marked before, the innermost first.
fn hold_eos_message(element: &gst::Element) -> Vec<gst::Element> {
    std::iter::successors(Some(element.clone()), |child| {
        child
            .parent()
            .and_then(|parent| parent.downcast::<gst::Element>().ok())
    })
    .filter(|element| {
        let marked = element.element_flags().contains(gst::ElementFlags::SINK);
        element.set_element_flags(gst::ElementFlags::SINK);
        !marked
    })
    .collect()
}

/// Whether a bin has become a sink meanwhile, because the application has added one to
/// it: then the mark must stay.
fn contains_sink(element: &gst::Element, marked: &[gst::Element]) -> bool {
    let Some(bin) = element.downcast_ref::<gst::Bin>() else {
        return false;
    };
    bin.children().iter().any(|child| {
        child.element_flags().contains(gst::ElementFlags::SINK) && !marked.contains(child)
    })
}

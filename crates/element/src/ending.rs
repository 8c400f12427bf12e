// SPDX-License-Identifier: MPL-2.0
//! The end of a stream that failed and shall be closed all the same
//! (`eos-after-failure`).

use gst::prelude::*;

use crate::CAT;

/// Sends EOS downstream, so that a muxer can close its file, and has the failure
/// reported.
///
/// An application tears its pipeline down when it sees the error, and a muxer
/// needs a moment to close its file. So while the pipeline plays, EOS goes out
/// first; it is the error that the application sees first all the same, because
/// a bin waits with its EOS message for every element that is marked as a sink,
/// and this one is so marked for the time being. Behind a queue the end takes its
/// time: there the application has to wait for EOS after the error.
///
/// A pipeline that is paused would hold EOS up, and the error with it: there the
/// error goes first.
pub(crate) fn eos_then(element: &gst::Element, report: impl FnOnce()) {
    gst::warning!(
        CAT,
        obj = element,
        "EOS goes with the failure, as eos-after-failure says"
    );
    let Some(pad) = element.static_pad("src") else {
        return report();
    };
    if element.current_state() != gst::State::Playing {
        report();
        pad.push_event(gst::event::Eos::new());
        return;
    }
    let held = hold_eos_message(element);
    pad.push_event(gst::event::Eos::new());
    report();
    for element in held {
        element.unset_element_flags(gst::ElementFlags::SINK);
    }
}

/// Marks the element, and the bins that it is in, as sinks; returns those that
/// were not.
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

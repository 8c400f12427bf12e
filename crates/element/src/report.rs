// SPDX-License-Identifier: MPL-2.0
//! The one place that maps outcomes to messages on the bus.

use codecwatch_process::Survivor;
use codecwatch_supervisor::{
    CodecError, Fault, FaultCause, Outcome, Phase, Slow, StartError, Stats,
};
use std::path::Path;

use gst::prelude::*;

use crate::line::Lost;
use crate::published::{Kind, note_fault};
use crate::stats::{end_structure, fault_structure, slow_structure};
use crate::{CAT, Role};

/// Posts the element error of a run that did not complete. `evidence`: where its
/// evidence is written.
pub(crate) fn post_outcome(
    element: &gst::Element,
    role: Role,
    outcome: &Outcome,
    evidence: Option<&Path>,
) {
    let Some(fault) = outcome.fault() else { return };
    let details = with_evidence(fault_structure(outcome.name(), fault), evidence);
    let text = headline(fault);
    let debug = format!("{}: {fault}", outcome.name());
    gst::error!(CAT, obj = element, "{debug}");
    note_fault(
        Kind::Failed,
        element,
        outcome.name(),
        &text,
        Some(&fault.at),
    );
    let post = |builder: gst::message::ErrorBuilder<'_>| {
        let message = builder
            .src(element)
            .debug(&debug)
            .details(details.clone())
            .build();
        // Fails only without a bus, which needs no message.
        let _ = element.post_message(message);
    };
    match (&fault.cause, fault.at.phase, role) {
        (FaultCause::Failed(CodecError::Settings(_)), ..) => {
            post(gst::message::Error::builder(
                gst::LibraryError::Settings,
                &text,
            ));
        }
        (FaultCause::Failed(CodecError::Resource(_)), ..) => {
            post(gst::message::Error::builder(
                gst::ResourceError::NoSpaceLeft,
                &text,
            ));
        }
        (_, Phase::Waiting | Phase::Opening, _) => {
            post(gst::message::Error::builder(gst::LibraryError::Init, &text));
        }
        (.., Role::Encoder) => {
            post(gst::message::Error::builder(
                gst::StreamError::Encode,
                &text,
            ));
        }
        (.., Role::Other) => {
            post(gst::message::Error::builder(
                gst::StreamError::Failed,
                &text,
            ));
        }
        (.., Role::Decoder) => {
            post(gst::message::Error::builder(
                gst::StreamError::Decode,
                &text,
            ));
        }
    }
}

/// Why a stream ends that no fault of its session has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndReason {
    /// The guard or the element refuses it, or no session may be opened.
    Refused,
    /// It cannot go on with what the codec returned.
    CodecFailed,
    /// Downstream did not take the last output.
    OutputRefused,
}

impl EndReason {
    /// The outcome in the details, which programs compare.
    pub(crate) fn outcome(self) -> &'static str {
        match self {
            Self::Refused => "Refused",
            Self::CodecFailed => Outcome::CODEC_FAILED,
            Self::OutputRefused => "OutputRefused",
        }
    }
}

/// Posts the element error of a stream that ends for a reason other than a fault of its
/// session. `stats`: the session, if there is one.
pub(crate) fn post_end(
    element: &gst::Element,
    code: impl gst::MessageErrorDomain,
    reason: EndReason,
    text: &str,
    stats: Option<&Stats>,
    evidence: Option<&Path>,
) {
    let outcome = reason.outcome();
    gst::error!(CAT, obj = element, "{text}");
    let at = stats.map(|stats| &stats.session);
    note_fault(Kind::Failed, element, outcome, text, at);
    let message = gst::message::Error::builder(code, text)
        .src(element)
        .details(with_evidence(end_structure(outcome, stats), evidence))
        .build();
    let _ = element.post_message(message);
}

/// Adds where the evidence is written.
fn with_evidence(mut details: gst::Structure, evidence: Option<&Path>) -> gst::Structure {
    if let Some(path) = evidence {
        details.set("evidence-path", path.display().to_string());
    }
    details
}

/// The text of the message: what happened, where, and for how long.
pub(crate) fn headline(fault: &Fault) -> String {
    match &fault.cause {
        FaultCause::Wedged { reason, budget } => {
            let mut text = format!(
                "{} is wedged: it {} within {:.1} s",
                fault.library,
                reason.describe(),
                budget.as_secs_f64()
            );
            if let Some((call, age)) = fault.at.calls.first() {
                text += &format!(", stuck in {call} for {:.1} s", age.as_secs_f64());
            }
            text
        }
        FaultCause::Panicked(message) => {
            format!("The worker of {} panicked: {message}", fault.library)
        }
        FaultCause::Failed(error @ CodecError::Settings(_)) => error.to_string(),
        FaultCause::Failed(error) => format!("{}: {error}", fault.library),
        FaultCause::Crashed(what) => format!("{} crashed: {what}", fault.library),
    }
}

/// Posts the warning for a session that did not close and was abandoned.
pub(crate) fn post_stuck_close(
    element: &gst::Element,
    outcome: &str,
    fault: &Fault,
    evidence: Option<&Path>,
) {
    gst::warning!(CAT, obj = element, "{fault}");
    let text = headline(fault);
    note_fault(Kind::Close, element, outcome, &text, Some(&fault.at));
    let message = gst::message::Warning::builder(gst::LibraryError::Shutdown, &text)
        .src(element)
        .debug(&fault.to_string())
        .details(with_evidence(fault_structure(outcome, fault), evidence))
        .build();
    let _ = element.post_message(message);
}

/// Posts the warning for a child process that does not die.
pub(crate) fn post_survivor(element: &gst::Element, survivor: &Survivor) {
    let text = survivor.to_string();
    gst::warning!(CAT, obj = element, "{text}");
    let details = gst::Structure::builder("codecwatch-survivor")
        .field("process", survivor.process)
        .build();
    let message = gst::message::Warning::builder(gst::LibraryError::Shutdown, &text)
        .src(element)
        .details(details)
        .build();
    let _ = element.post_message(message);
}

/// Posts the error for a session that was refused before it was opened.
pub(crate) fn post_refused(element: &gst::Element, refused: &StartError) {
    let text = refused.to_string();
    post_end(
        element,
        gst::ResourceError::NoSpaceLeft,
        EndReason::Refused,
        &text,
        None,
        None,
    );
}

/// Posts the error for a session that was to run in a child process and cannot.
pub(crate) fn post_not_isolated(element: &gst::Element) {
    let factory = element.factory();
    let name = factory.map_or_else(|| element.type_().to_string(), |it| it.name().to_string());
    let text = format!("{name} cannot run its codec in a child process: set isolate=false");
    post_end(
        element,
        gst::LibraryError::Settings,
        EndReason::Refused,
        &text,
        None,
        None,
    );
}

/// Posts once that the session is slow, not wedged.
pub(crate) fn post_slow(element: &gst::Element, slow: &Slow) {
    gst::warning!(
        CAT,
        obj = element,
        "slow, not wedged: its {} threads are {} ({:.1?} of CPU time in {:.1?}); the wait continues",
        slow.evidence.threads,
        slow.evidence.activity.name(),
        slow.evidence.cpu,
        slow.evidence.observed,
    );
    let text = "slow, not wedged: the wait continues";
    note_fault(Kind::Slow, element, "none", text, Some(&slow.at));
    let message = gst::message::Element::builder(slow_structure(slow))
        .src(element)
        .build();
    let _ = element.post_message(message);
}

/// Posts that a session was given up, that another takes over, and what was lost.
pub(crate) fn post_restarted(
    element: &gst::Element,
    outcome: &Outcome,
    restarts: u32,
    lost: &Lost,
    evidence: Option<&Path>,
) {
    let Some(fault) = outcome.fault() else { return };
    let (frames, pts) = (lost.ids.len() as u64, lost.pts);
    gst::warning!(
        CAT,
        obj = element,
        "restart {restarts} after {}: {fault}; {frames} frames lost, from {} to {}",
        outcome.name(),
        pts.map(|pts| pts.0).display(),
        pts.map(|pts| pts.1).display(),
    );
    let text = headline(fault);
    note_fault(
        Kind::Restarted,
        element,
        outcome.name(),
        &text,
        Some(&fault.at),
    );
    let structure = gst::Structure::builder("codecwatch-restarted")
        .field("outcome", outcome.name())
        .field("restarts", restarts)
        .field("frames-lost", frames)
        .field("first-pts-lost", pts.map(|pts| pts.0))
        .field("last-pts-lost", pts.map(|pts| pts.1))
        .field(
            "fault",
            with_evidence(fault_structure(outcome.name(), fault), evidence),
        )
        .build();
    let message = gst::message::Element::builder(structure)
        .src(element)
        .build();
    let _ = element.post_message(message);
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;

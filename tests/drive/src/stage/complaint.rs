// SPDX-License-Identifier: MPL-2.0
//! Errors and warnings on the bus.

use gst::glib;
use gst::prelude::*;

use super::watch::now;
use crate::facts::{Complaint, Fault};

/// An error or a warning as the facts have it.
pub(super) fn complaint(
    message: &gst::Message,
    error: &glib::Error,
    details: Option<&gst::StructureRef>,
) -> Complaint {
    Complaint {
        at: now(),
        own: is_own(message),
        code: code(error),
        text: error.message().to_owned(),
        fault: details
            .filter(|details| details.name() == "codecwatch-fault")
            .map(fault),
    }
}

/// Whether the element under test has posted it.
pub(super) fn is_own(message: &gst::Message) -> bool {
    message.src().is_some_and(|source| source.name() == "codec")
}

fn code(error: &glib::Error) -> String {
    let stream = error.kind::<gst::StreamError>().map(|kind| match kind {
        gst::StreamError::Encode => "STREAM/ENCODE".to_owned(),
        gst::StreamError::Decode => "STREAM/DECODE".to_owned(),
        other => format!("STREAM/{other:?}"),
    });
    let library = || {
        let kind = error.kind::<gst::LibraryError>()?;
        Some(match kind {
            gst::LibraryError::Init => "LIBRARY/INIT".to_owned(),
            gst::LibraryError::Shutdown => "LIBRARY/SHUTDOWN".to_owned(),
            other => format!("LIBRARY/{other:?}"),
        })
    };
    let resource = || {
        let kind = error.kind::<gst::ResourceError>()?;
        Some(match kind {
            gst::ResourceError::NoSpaceLeft => "RESOURCE/NO_SPACE_LEFT".to_owned(),
            other => format!("RESOURCE/{other:?}"),
        })
    };
    stream
        .or_else(library)
        .or_else(resource)
        .unwrap_or_else(|| error.domain().as_str().to_string())
}

fn fault(details: &gst::StructureRef) -> Fault {
    let text = |name| details.get::<String>(name).ok();
    let milliseconds = |name| details.get::<u64>(name).ok().map(|ns| ns as f64 / 1e6);
    Fault {
        outcome: text("outcome"),
        phase: text("phase"),
        call: text("call"),
        call_age: milliseconds("call-age"),
        frames_in: details.get("frames-in").ok(),
        frames_out: details.get("frames-out").ok(),
        queued: details.get("queued").ok(),
        evidence: text("evidence"),
        cpu: milliseconds("cpu-time"),
        abandoned: details.get("abandoned").ok(),
    }
}

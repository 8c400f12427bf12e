// SPDX-License-Identifier: MPL-2.0
//! What an error on the bus means for the job.

use gst::prelude::*;

use super::branches::VIDEO_DECODER;
use crate::end::{End, Failure};

/// The details of an error that the job itself posts.
const OWN: &str = "codecwatch-transcode";
/// The details of an error of a supervised codec.
const FAULT: &str = "codecwatch-fault";

/// Posts a failure of the job, as the pipeline's.
pub(crate) fn post(pipeline: &gst::Element, failure: &Failure) {
    let details = gst::Structure::builder(OWN)
        .field("end", failure.end.name())
        .build();
    let message = gst::message::Error::builder(gst::StreamError::Failed, &failure.text)
        .src(pipeline)
        .details(details)
        .build();
    // Fails only without a bus.
    let _ = pipeline.post_message(message);
}

/// The failure that an error stands for.
pub(crate) fn failure_of(error: &gst::message::Error) -> Failure {
    let source = error.src().map(|source| source.name().to_string());
    let source = source.as_deref().unwrap_or("the pipeline");
    let text = error.error().to_string();
    let debug = error.debug();
    let (end, more) = match error.details() {
        Some(details) if details.name() == OWN => {
            return Failure::new(End::Damaged, text);
        }
        Some(details) if details.name() == FAULT => (of_codec(error, details), debug.as_deref()),
        // The first line says where in the source text it was posted.
        _ => (
            of_element(error),
            debug
                .as_deref()
                .and_then(|debug| Some(debug.split_once('\n')?.1)),
        ),
    };
    let more = more.map(|more| format!(" ({more})")).unwrap_or_default();
    Failure::new(end, format!("{source}: {text}{more}"))
}

fn of_codec(error: &gst::message::Error, details: &gst::StructureRef) -> End {
    let outcome = details.get::<&str>("outcome").unwrap_or_default();
    let is_decoder = error.error().matches(gst::StreamError::Decode);
    // A fault of the library itself names it.
    let is_library = details.has_field("library");
    let is_native = error.src().is_some_and(|source| {
        source.name() == VIDEO_DECODER && source.type_().name() == "GstDav1dWatchDec"
    });
    match outcome {
        // A command line that cannot be, or a plugin that is not there.
        "Refused"
            if error.error().matches(gst::LibraryError::Settings)
                || error.error().matches(gst::CoreError::MissingPlugin) =>
        {
            End::Error
        }
        "Refused" => End::Refused,
        // Not the codec's fault.
        "OutputRefused" => End::Error,
        // What a decoder cannot decode is the input's fault. dav1d tells that apart.
        "CodecFailed" if is_decoder && !(is_native && is_library) => End::Damaged,
        _ if error.error().matches(gst::LibraryError::Settings) => End::Error,
        _ => End::Degraded,
    }
}

fn of_element(error: &gst::message::Error) -> End {
    let damaged = [
        gst::StreamError::Demux,
        gst::StreamError::Decode,
        gst::StreamError::Decrypt,
    ];
    if damaged.iter().any(|kind| error.error().matches(*kind)) {
        End::Damaged
    } else {
        End::Error
    }
}

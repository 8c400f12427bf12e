// SPDX-License-Identifier: MPL-2.0
//! What is seen of a pipeline while the steps are done: on its bus and on the
//! pads of the element, each at the moment that it happens.

use std::sync::{Arc, Mutex, MutexGuard};

use gst::glib;
use gst::prelude::*;

use crate::facts::{Complaint, Fault, Life};

/// What has been seen so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch(Arc<Mutex<Life>>);

impl Watch {
    /// What has been seen, to look at or to add to.
    pub(crate) fn seen(&self) -> MutexGuard<'_, Life> {
        self.0.lock().unwrap()
    }

    /// Watches a pipeline whose element under test is `codec`.
    pub(crate) fn attach(&self, pipeline: &gst::Pipeline, codec: &gst::Element) {
        let watch = self.clone();
        let bus = pipeline.bus().unwrap();
        bus.set_sync_handler(move |_, message| {
            watch.message(message);
            gst::BusSyncReply::Drop
        });
        let watch = self.clone();
        let out = codec.static_pad("src").unwrap();
        out.add_probe(
            gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM,
            move |_, info| {
                watch.output(info);
                gst::PadProbeReturn::Ok
            },
        );
        let watch = self.clone();
        let input = codec.static_pad("sink").unwrap();
        input.add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
            if let Some(event) = info.event()
                && gst_video::UpstreamForceKeyUnitEvent::parse(event).is_ok()
            {
                watch.seen().key_requests += 1;
            }
            gst::PadProbeReturn::Ok
        });
    }

    fn output(&self, info: &gst::PadProbeInfo<'_>) {
        let mut seen = self.seen();
        match (info.buffer(), info.event()) {
            (Some(_), _) => seen.taken += 1,
            (_, Some(event)) if event.type_() == gst::EventType::Eos => {
                seen.eos_out = true;
                seen.eos_after_error |= seen.failed;
                // A process that is about to crash says nothing later.
                println!("eos");
            }
            _ => {}
        }
    }

    fn message(&self, message: &gst::Message) {
        let mut seen = self.seen();
        match message.view() {
            gst::MessageView::Error(error) => {
                let complaint = complaint(message, &error.error(), error.details());
                eprintln!("error: {} {}", complaint.code, error.error());
                seen.failed |= complaint.own;
                seen.errors.push(complaint);
            }
            gst::MessageView::Warning(warning) => {
                let complaint = complaint(message, &warning.error(), warning.details());
                eprintln!("warning: {} {}", complaint.code, warning.error());
                seen.warnings.push(complaint);
            }
            gst::MessageView::Eos(_) => seen.eos = true,
            gst::MessageView::Element(element) => {
                match element
                    .structure()
                    .map(|structure| structure.name().as_str())
                {
                    Some("codecwatch-slow") => seen.slow += 1,
                    Some("codecwatch-restarted") => seen.restarts += 1,
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

/// Seconds of the monotonic clock, as the fault shim has them.
pub(crate) fn now() -> f64 {
    gst::SystemClock::obtain().time().nseconds() as f64 / 1e9
}

fn complaint(
    message: &gst::Message,
    error: &glib::Error,
    details: Option<&gst::StructureRef>,
) -> Complaint {
    Complaint {
        at: now(),
        own: message.src().is_some_and(|source| source.name() == "codec"),
        code: code(error),
        text: error.message().to_owned(),
        fault: details
            .filter(|details| details.name() == "codecwatch-fault")
            .map(fault),
    }
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

// SPDX-License-Identifier: MPL-2.0
//! What the elements of this plugin file publish, as a structure that other files can
//! read. Durations are nanoseconds. docs/HEALTH.md describes the fields.

use codecwatch_supervisor::{Distribution, Histogram, Meter, ledger, meters};
use gst::prelude::*;

use super::entry::{self, Entry, Live};
use super::faults::{self, Record};
use crate::process_ledger::accounts_structure;
use crate::settings::nanoseconds;
use crate::stats;

/// Everything.
pub(super) fn of_file() -> gst::Structure {
    let elements = entry::all();
    let elements = elements.iter().filter_map(|entry| {
        let live = entry.live()?;
        Some(element(entry, &live).to_send_value())
    });
    let codecs = meters();
    let codecs = codecs.iter().map(|meter| codec(meter).to_send_value());
    let faults = faults::last();
    let faults = faults.iter().map(|record| fault(record).to_send_value());
    let bounds = Histogram::BOUNDS.iter().map(|bound| nanoseconds(*bound));
    gst::Structure::builder("codecwatch-published")
        .field("elements", elements.collect::<gst::List>())
        .field("codecs", codecs.collect::<gst::List>())
        .field("faults", faults.collect::<gst::List>())
        .field("bounds", numbers(bounds))
        .field("ledger", accounts_structure(ledger().accounts()))
        .build()
}

fn element(entry: &Entry, live: &Live) -> gst::Structure {
    let (identity, counts) = (entry.identity(), entry.counts());
    let session = live.session.as_ref();
    let codec = session.map_or("", |(codec, _)| codec);
    let stats = stats::structure(session.map(|(_, stats)| stats), live.restarts);
    gst::Structure::builder("element")
        .field("id", entry.id)
        .field("name", identity.name)
        .field("path", identity.path)
        .field("factory", identity.factory)
        .field("codec", codec)
        .field("failed", live.failed)
        .field("frames-in", counts.frames_in)
        .field("frames-out", counts.frames_out)
        .field("frames-lost", counts.frames_lost)
        .field("lag", nanoseconds(counts.lag))
        .field("session-started", nanoseconds(counts.session_started))
        .field("max-abandoned", live.settings.max_abandoned)
        .field("close-timeout", nanoseconds(live.settings.budgets.close))
        .field_if_some("process", live.process)
        .field("stats", stats)
        .build()
}

fn codec(meter: &Meter) -> gst::Structure {
    let calls = meter.calls();
    let calls = calls
        .iter()
        .map(|(name, times)| histogram(name, times).to_send_value());
    let limit = u32::try_from(meter.limit()).unwrap_or(u32::MAX);
    gst::Structure::builder("codec")
        .field("name", &**meter.codec())
        .field("limit", limit)
        // An output counts after its input.
        .field("frames-out", meter.frames_out())
        .field("frames-in", meter.frames_in())
        .field("lag", histogram("lag", &meter.lag()))
        .field("calls", calls.collect::<gst::List>())
        .build()
}

fn histogram(name: &str, times: &Distribution) -> gst::Structure {
    gst::Structure::builder("histogram")
        .field("name", name)
        .field("counts", numbers(times.counts.iter().copied()))
        .field("sum", nanoseconds(times.sum))
        .build()
}

fn numbers(numbers: impl Iterator<Item = u64>) -> gst::Array {
    numbers.map(|number| number.to_send_value()).collect()
}

fn fault(record: &Record) -> gst::Structure {
    gst::Structure::builder("fault")
        .field("time", nanoseconds(record.time))
        .field("kind", record.kind)
        .field("element", &record.element)
        .field("path", &record.path)
        .field("outcome", &record.outcome)
        .field("phase", record.phase)
        .field("call", &record.call)
        .field("call-age", nanoseconds(record.call_age))
        .field("text", &record.text)
        .build()
}

// SPDX-License-Identifier: MPL-2.0
//! Reads what the elements of all plugin files of this process publish. The other side is
//! `crates/element/src/published.rs`; what lies between is a type of GLib with a signal,
//! and structures.

use std::collections::BTreeMap;
use std::time::Duration;

use gst::glib;
use gst::glib::subclass::SignalId;
use gst::prelude::*;

use crate::report::{Call, Codec, Element, Fault, Frames, Ledger, Report, Source, Times};

/// The type, and with it the version of what is read here.
const TYPE_NAME: &str = "GstCodecwatchElements1";
/// Returns a list of structures, one for each plugin file.
const READ_ALL: &str = "read-all";
/// How many faults the report has, of those that the plugin files keep.
const MOST_FAULTS: usize = 32;

/// The supervised elements of this process, whichever plugin files have brought them.
#[derive(Debug, Default)]
pub struct Published {
    _private: (),
}

impl Published {
    /// Finds the elements when it is asked; there may be none yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Source for Published {
    fn read(&self) -> Report {
        let mut report = Report::default();
        let mut codecs = Codecs::default();
        for file in files() {
            let elements = structures(&file, "elements");
            report
                .elements
                .extend(elements.iter().map(|of| element(of)));
            let faults = structures(&file, "faults");
            report.faults.extend(faults.iter().map(|of| fault(of)));
            codecs.add(&file);
        }
        report.elements.sort_by_key(|element| element.id);
        report.faults.sort_by_key(|fault| fault.time);
        let old = report.faults.len().saturating_sub(MOST_FAULTS);
        report.faults.drain(..old);
        report.codecs = codecs.finish(&report.elements);
        report
    }
}

/// What each plugin file answers.
fn files() -> Vec<gst::Structure> {
    let Some(type_) = glib::Type::from_name(TYPE_NAME) else {
        // No element was made yet.
        return Vec::new();
    };
    let Some(signal) = SignalId::lookup(READ_ALL, type_) else {
        return Vec::new();
    };
    let answer = glib::Object::with_type(type_).emit_with_values(signal, &[]);
    let answer = answer.and_then(|answer| answer.get::<gst::List>().ok());
    let files = answer.iter().flat_map(|files| files.iter());
    files.filter_map(|file| file.get().ok()).collect()
}

/// The codecs of all files, by name.
#[derive(Debug, Default)]
struct Codecs(BTreeMap<String, Codec>);

impl Codecs {
    fn named(&mut self, name: &str) -> &mut Codec {
        let codec = self.0.entry(name.to_owned());
        codec.or_insert_with(|| Codec {
            name: name.to_owned(),
            ..Codec::default()
        })
    }

    /// Adds those of a file.
    fn add(&mut self, file: &gst::StructureRef) {
        let bounds = numbers(file, "bounds");
        for of in structures(file, "codecs") {
            let codec = self.named(&text(&of, "name"));
            codec.limit = number(&of, "limit");
            codec.frames_in += count(&of, "frames-in");
            codec.frames_out += count(&of, "frames-out");
            if let Ok(lag) = of.get::<gst::Structure>("lag") {
                codec.lag.add(&times(&lag, &bounds));
            }
            for call in structures(&of, "calls") {
                let (name, more) = (text(&call, "name"), times(&call, &bounds));
                match codec.calls.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, times)) => times.add(&more),
                    None => codec.calls.push((name, more)),
                }
            }
        }
        // The files keep one ledger, so each says the same, some a little later.
        let accounts = file.get::<gst::Structure>("ledger");
        for (name, account) in accounts.iter().flat_map(|accounts| accounts.iter()) {
            if let Ok(account) = account.get::<gst::Structure>() {
                let codec = self.named(name);
                codec.ledger = codec.ledger.greatest(&ledger(&account));
            }
        }
    }

    fn finish(self, elements: &[Element]) -> Vec<Codec> {
        let mut codecs: Vec<_> = self.0.into_values().collect();
        for codec in &mut codecs {
            let users = elements.iter();
            let users = users.filter(|element| element.codec == codec.name);
            let limits = users.map(|element| element.max_abandoned);
            // The strictest of those that are set now, where 0 is none; without an
            // element, what was set last.
            if let Some(limit) = limits.min_by_key(|limit| limit.wrapping_sub(1)) {
                codec.limit = limit;
            }
            codec.outstanding = codec.ledger.outstanding();
        }
        codecs
    }
}

fn element(of: &gst::StructureRef) -> Element {
    let none = || gst::Structure::new_empty("none");
    let stats = of.get::<gst::Structure>("stats").unwrap_or_else(|_| none());
    Element {
        id: count(of, "id"),
        name: text(of, "name"),
        path: text(of, "path"),
        factory: text(of, "factory"),
        codec: text(of, "codec"),
        session: count(&stats, "session"),
        process: of.get("process").ok(),
        session_started: duration(of, "session-started"),
        phase: text_or_none(&stats, "phase"),
        verdict: text_or_none(&stats, "verdict"),
        outcome: text_or_none(&stats, "outcome"),
        failed: of.get("failed").unwrap_or_default(),
        call: call(&stats),
        frames: Frames {
            into: count(of, "frames-in"),
            out: count(of, "frames-out"),
            lost: count(of, "frames-lost"),
        },
        queued: number(&stats, "queued"),
        inside: number(&stats, "inside"),
        waiting_for_downstream: number(&stats, "waiting-for-downstream"),
        lag: duration(of, "lag"),
        restarts: number(&stats, "restarts"),
        evidence: text_or_none(&stats, "evidence"),
        watchdog_late: count(&stats, "watchdog-late"),
        close_timeout: duration(of, "close-timeout"),
        max_abandoned: number(of, "max-abandoned"),
    }
}

fn fault(of: &gst::StructureRef) -> Fault {
    Fault {
        time: duration(of, "time"),
        kind: text(of, "kind"),
        element: text(of, "element"),
        path: text(of, "path"),
        outcome: text(of, "outcome"),
        phase: text(of, "phase"),
        call: call(of),
        text: text(of, "text"),
    }
}

fn ledger(of: &gst::StructureRef) -> Ledger {
    Ledger {
        opened: count(of, "opened"),
        completed: count(of, "completed"),
        failed: count(of, "failed"),
        panicked: count(of, "panicked"),
        crashed: count(of, "crashed"),
        abandoned: count(of, "abandoned"),
        reclaimed: count(of, "reclaimed"),
        restarts: count(of, "restarts"),
        retiring: count(of, "retiring"),
    }
}

fn call(of: &gst::StructureRef) -> Option<Call> {
    let name = text(of, "call");
    (!name.is_empty()).then(|| Call {
        name,
        age: duration(of, "call-age"),
    })
}

fn times(of: &gst::StructureRef, bounds: &[u64]) -> Times {
    let bounds = bounds
        .iter()
        .map(|bound| Some(Duration::from_nanos(*bound)));
    let bounds = bounds.chain(std::iter::once(None));
    Times {
        counts: bounds.zip(numbers(of, "counts")).collect(),
        sum: duration(of, "sum"),
    }
}

// ---- fields; one that is missing, or of another type, is empty

fn text(of: &gst::StructureRef, name: &str) -> String {
    of.get(name).unwrap_or_default()
}

fn text_or_none(of: &gst::StructureRef, name: &str) -> String {
    of.get(name).unwrap_or_else(|_| "none".to_owned())
}

fn count(of: &gst::StructureRef, name: &str) -> u64 {
    of.get(name).unwrap_or_default()
}

fn number(of: &gst::StructureRef, name: &str) -> u32 {
    of.get(name).unwrap_or_default()
}

fn duration(of: &gst::StructureRef, name: &str) -> Duration {
    Duration::from_nanos(count(of, name))
}

fn structures(of: &gst::StructureRef, name: &str) -> Vec<gst::Structure> {
    let list = of.get::<gst::List>(name);
    let items = list.iter().flat_map(|list| list.iter());
    items.filter_map(|item| item.get().ok()).collect()
}

fn numbers(of: &gst::StructureRef, name: &str) -> Vec<u64> {
    let array = of.get::<gst::Array>(name);
    let items = array.iter().flat_map(|array| array.iter());
    items.filter_map(|item| item.get().ok()).collect()
}

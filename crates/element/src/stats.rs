// SPDX-License-Identifier: MPL-2.0
//! Sessions and faults as structures that a program can read.

use std::time::Duration;

use gst::prelude::*;

use codecwatch_process::Seen;
use codecwatch_process::launch::unreaped;
use codecwatch_supervisor::{Fault, Outcome, Slow, Snapshot, Source, Stats};

use crate::process_ledger::account_structure;
use crate::settings::nanoseconds;

/// The `stats` property. Durations are nanoseconds.
pub(crate) fn structure(stats: Option<&Stats>, restarts: u32) -> gst::Structure {
    let builder = gst::Structure::builder("codecwatch-stats").field("restarts", restarts);
    let Some(stats) = stats else {
        return builder
            .field("phase", "none")
            .field("verdict", "idle")
            .build();
    };
    let worst = gst::Structure::from_iter(
        "worst-calls",
        stats
            .session
            .worst_calls
            .iter()
            .map(|(name, took)| (&**name, nanoseconds(*took).to_send_value())),
    );
    session_fields(builder, &stats.session)
        .field("verdict", stats.session.verdict.name())
        .field("outcome", stats.outcome.unwrap_or("none"))
        .field("session", stats.id)
        .field("abandoned", count(stats.account.unreclaimed()))
        .field("retiring", count(stats.account.retiring))
        .field("reclaimed", count(stats.account.reclaimed))
        .field("ledger", account_structure(&stats.account))
        .field("worst-calls", worst)
        .build()
}

/// Adds the latest child process.
pub(crate) fn add_child(stats: &mut gst::Structure, child: &Seen) {
    let sandbox = child.sandbox.as_ref().map(ToString::to_string);
    stats.set("process", child.process);
    stats.set("sandbox", sandbox.unwrap_or_default());
    stats.set("copies", child.copies);
    stats.set("unreaped", count(unreaped()));
}

/// The details of an error or a warning.
pub(crate) fn fault_structure(outcome: &str, fault: &Fault) -> gst::Structure {
    session_fields(gst::Structure::builder("codecwatch-fault"), &fault.at)
        .field_if_some("process", fault.process)
        .field("outcome", outcome)
        .field("library", &*fault.library)
        .field("session", fault.id)
        .field("abandoned", count(fault.abandoned))
        .build()
}

/// The details of an error that is no fault of a session.
pub(crate) fn end_structure(outcome: &str, stats: Option<&Stats>) -> gst::Structure {
    let builder = gst::Structure::builder("codecwatch-fault").field("outcome", outcome);
    match stats {
        None => builder.field("phase", "none").build(),
        Some(stats) => session_fields(builder, &stats.session)
            .field("session", stats.id)
            .field("abandoned", count(stats.account.unreclaimed()))
            .build(),
    }
}

/// The `codecwatch-slow` message.
pub(crate) fn slow_structure(slow: &Slow) -> gst::Structure {
    session_fields(gst::Structure::builder("codecwatch-slow"), &slow.at)
        .field("session", slow.id)
        .build()
}

/// The name of an outcome for a fault that struck while closing, when the run's
/// own outcome was another or none.
pub(crate) fn outcome_name(outcome: Option<&Outcome>) -> &'static str {
    outcome.map_or("none", Outcome::name)
}

fn session_fields(builder: gst::structure::Builder, at: &Snapshot) -> gst::structure::Builder {
    let (call, age) = at
        .calls
        .first()
        .map_or(("", Duration::ZERO), |(name, age)| (&**name, *age));
    let calls: Vec<String> = at
        .calls
        .iter()
        .map(|(name, age)| format!("{name} for {:.1} s", age.as_secs_f64()))
        .collect();
    let source = at
        .evidence
        .map_or(Source::Unavailable, |evidence| evidence.source);
    builder
        .field("phase", at.phase.name())
        .field("call", call)
        .field("call-age", nanoseconds(age))
        .field("calls", calls.join(", "))
        .field("frames-in", at.frames_in)
        .field("frames-out", at.frames_out)
        .field("frames-discarded", at.frames_discarded)
        .field("queued", count(at.queued))
        .field("inside", count(at.inside))
        .field("waiting-for-downstream", count(at.outbox))
        .field("watchdog-late", at.late)
        .field(
            "evidence",
            at.evidence
                .map_or("none", |evidence| evidence.activity.name()),
        )
        .field("evidence-source", source.name())
        .field(
            "cpu-time",
            at.evidence.map_or(0, |evidence| nanoseconds(evidence.cpu)),
        )
        .field(
            "run-delay",
            at.evidence
                .map_or(0, |evidence| nanoseconds(evidence.run_delay)),
        )
        .field(
            "observed",
            at.evidence
                .map_or(0, |evidence| nanoseconds(evidence.observed)),
        )
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "stats_tests.rs"]
mod tests;

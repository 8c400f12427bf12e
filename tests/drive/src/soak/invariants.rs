// SPDX-License-Identifier: MPL-2.0
//! What has to hold of every scenario, whatever was in it.

use std::time::Duration;

use crate::Report;
use crate::facts::{Facts, Life};
use crate::scenario::{Scenario, Step};

/// What a state change may take beyond `close-timeout`; on a machine that is
/// loaded, a thread waits for its turn as well.
const SLACK: Duration = Duration::from_millis(200);
const SLACK_LOADED: Duration = Duration::from_secs(5);

/// What a query may take: as long as one waits for a chain.
const QUERY: Duration = Duration::from_secs(1);

/// What some lives more may leave behind in memory, in kB.
const GROWTH: u64 = 8 * 1024;

/// Lives after which a process has what it needs.
const SETTLED: usize = 3;

/// What is wrong; nothing where all is well. `loaded`: the machine does something
/// else as well; `faults`: the script is one of faults.
pub fn complaints(scenario: &Scenario, report: &Report, loaded: bool, faults: bool) -> Vec<String> {
    if let Some(step) = &report.hung {
        return vec![format!("it hangs at {step}")];
    }
    let Some(facts) = &report.facts else {
        return vec![format!(
            "it died: code {:?}, signal {:?}",
            report.code, report.signal
        )];
    };
    let mut wrong = Vec::new();
    if report.code != Some(0) {
        wrong.push(format!("its exit code is {:?}", report.code));
    }
    let slack = if loaded { SLACK_LOADED } else { SLACK };
    for life in &facts.lives {
        bounded(scenario, life, slack, &mut wrong);
        if faults {
            super::mischief::complaints(scenario, life, &mut wrong);
        } else {
            no_fault(scenario, life, &mut wrong);
        }
    }
    if !super::mischief::keeps_a_session_open(scenario) {
        growth(facts, &mut wrong);
    }
    wrong
}

fn bounded(scenario: &Scenario, life: &Life, slack: Duration, wrong: &mut Vec<String>) {
    let close = scenario.properties.iter().rev();
    let close = close
        .filter(|(name, _)| name == "close-timeout")
        .find_map(|(_, value)| value.parse().ok())
        .map_or(Duration::ZERO, Duration::from_nanos);
    let bound = (close + slack).as_secs_f64() * 1e3;
    let query = (QUERY + slack).as_secs_f64() * 1e3;
    for (what, took, bound) in [
        ("a state change", life.stopped_in(), bound),
        ("FLUSH_STOP", life.flush_stopped_in, bound),
        ("a query", life.query_answered_in, query),
    ] {
        if let Some(took) = took.filter(|took| *took > bound) {
            wrong.push(format!("{what} took {took:.0} ms"));
        }
    }
}

fn no_fault(scenario: &Scenario, life: &Life, wrong: &mut Vec<String>) {
    for error in &life.errors {
        wrong.push(format!("a false alarm: {} {}", error.code, error.text));
    }
    for warning in &life.warnings {
        if warning.code == "LIBRARY/SHUTDOWN" {
            wrong.push(format!("it did not close: {}", warning.text));
        }
    }
    for step in &life.vain {
        wrong.push(format!("{step} was in vain"));
    }
    let ends = scenario.steps.contains(&Step::AwaitEnd);
    if ends && !life.stream().is_some_and(|stream| stream.eos_out) {
        wrong.push("no EOS".to_owned());
    }
    let streams = life.streams.iter();
    wrong.extend(streams.filter_map(|stream| stream.imbalance(0)));
    if !life.restarts.is_empty() {
        wrong.push(format!("{} restarts", life.restarts.len()));
    }
    if life.after.abandoned > 0 {
        wrong.push(format!("{} abandoned", life.after.abandoned));
    }
}

/// What is outstanding keeps threads and memory.
fn growth(facts: &Facts, wrong: &mut Vec<String>) {
    let Some(last) = facts.lives.last().map(|life| life.after) else {
        return;
    };
    if last.abandoned > last.reclaimed {
        return;
    }
    if last.codec_threads > 0 {
        wrong.push(format!(
            "{} threads of the codec are left",
            last.codec_threads
        ));
    }
    if let Some(settled) = facts.lives.get(SETTLED).map(|life| life.after)
        && last.memory > settled.memory + GROWTH
    {
        wrong.push(format!(
            "memory grew from {} kB after life {SETTLED} to {} kB after life {}",
            settled.memory,
            last.memory,
            facts.lives.len() - 1
        ));
    }
}

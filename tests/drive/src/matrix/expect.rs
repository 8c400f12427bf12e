// SPDX-License-Identifier: MPL-2.0
//! What the contract says about a combination, and whether it came so.

use std::time::Duration;

use super::axes::{Cell, Fault, State, Where};
use super::plan::{BUDGET, CLOSE};
use crate::Report;
use crate::facts::{Complaint, Facts, Life};
use crate::scenario::Element;

/// What a verdict may take beyond its budget.
pub(super) const DETECT_SLACK: Duration = Duration::from_millis(100);
/// What a state change may take beyond `close-timeout`.
pub(super) const STOP_SLACK: Duration = Duration::from_millis(200);
/// What a process may take to end, whatever was abandoned in it.
const LEAVE: Duration = Duration::from_secs(1);

/// What has to come of a combination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// One error with this outcome, and no EOS.
    Error(&'static str),
    /// EOS and no error. `stuck`: with a warning about a session that did not
    /// close.
    Whole {
        /// See above.
        stuck: bool,
    },
    /// The change to NULL ends in time. `abandoned`: something was given up.
    Stopped {
        /// See above.
        abandoned: bool,
    },
    /// The process ends by this signal: codecs are not isolated.
    Dies(i32),
}

/// What the contract says.
pub fn expected(cell: &Cell) -> Expected {
    let stuck = matches!(cell.fault, Fault::Hang | Fault::Late | Fault::Spin)
        // A deinit that has not done its work leaves threads for which
        // SVT-AV1's deinit_handle waits.
        || (cell.fault == Fault::Fail && cell.call() == "svt_av1_enc_deinit");
    let stops = cell.state == State::Null
        || (cell.at == Where::Close && matches!(cell.state, State::Preroll | State::Paused));
    match cell.fault {
        Fault::Abort => Expected::Dies(6),
        Fault::Segv => Expected::Dies(11),
        _ if stops => Expected::Stopped { abandoned: stuck },
        Fault::Slow | Fault::Delay => Expected::Whole { stuck: false },
        // What a session answers to its close changes nothing about what it gave.
        _ if cell.closes() => Expected::Whole { stuck },
        Fault::Hang | Fault::Late | Fault::Spin => Expected::Error("WatchdogAbandoned"),
        Fault::Panic => Expected::Error("CodecPanicked"),
        Fault::Fail => fail(cell),
        Fault::Corrupt => corrupt(cell),
    }
}

/// What dav1d's `-EINVAL` speaks of is the stream, and concealed.
fn fail(cell: &Cell) -> Expected {
    match (cell.element, cell.at) {
        (Element::Decoder, at) if at != Where::Open => Expected::Whole { stuck: false },
        _ => Expected::Error("CodecFailed"),
    }
}

/// A first packet without a sequence header is no stream; other bytes nobody
/// can tell from the right ones.
fn corrupt(cell: &Cell) -> Expected {
    let first =
        cell.state == State::Preroll || (cell.state == State::Paused && cell.at != Where::Get);
    if cell.element == Element::Encoder && first {
        Expected::Error("CodecFailed")
    } else {
        Expected::Whole { stuck: false }
    }
}

/// What is not as it has to be; nothing where all is well.
/// `patience`: what is not measured may take so much more.
pub fn complaints(cell: &Cell, report: &Report, patience: Duration) -> Vec<String> {
    if let Some(step) = &report.hung {
        return vec![format!("hangs at {step}")];
    }
    let expected = expected(cell);
    let mut wrong = Vec::new();
    let mut check = |holds: bool, text: String| {
        if !holds {
            wrong.push(text);
        }
    };
    if let Expected::Dies(signal) = expected {
        let killed = report.signal == Some(signal);
        check(
            killed,
            format!("ended by {:?} {:?}", report.signal, report.code),
        );
        check(!report.eos, "EOS before the crash".to_owned());
        return wrong;
    }
    let Some(Facts { lives, .. }) = &report.facts else {
        return vec![format!("died: {:?} {:?}", report.signal, report.code)];
    };
    let Some(life) = lives.last() else {
        return vec!["did nothing".to_owned()];
    };
    check(
        report.code == Some(0),
        format!("exit code {:?}", report.code),
    );
    let left_in = report.left_in.unwrap_or(f64::INFINITY);
    check(
        left_in <= milliseconds(LEAVE + patience),
        format!("the process ended after {left_in:.0} ms"),
    );
    let stopped = life.stopped_in.unwrap_or(f64::INFINITY);
    check(
        stopped <= milliseconds(CLOSE + STOP_SLACK + patience),
        format!("NULL took {stopped:.0} ms"),
    );
    check(!life.eos_after_error, "EOS after the error".to_owned());
    for step in &life.vain {
        check(false, format!("{step} in vain"));
    }
    let outstanding = life.after.abandoned - life.after.reclaimed;
    check(
        outstanding > 0 || leaves_open(cell) || life.after.codec_threads == 0,
        format!("{} threads left", life.after.codec_threads),
    );
    wrong.extend(match expected {
        Expected::Error(outcome) => error(cell, report, life, outcome, patience),
        Expected::Whole { stuck } => whole(cell, life, stuck),
        Expected::Stopped { abandoned } => stopped_well(cell, life, abandoned),
        Expected::Dies(_) => Vec::new(),
    });
    wrong
}

/// A close that was not made at all leaves its session open.
pub(super) fn leaves_open(cell: &Cell) -> bool {
    cell.closes() && matches!(cell.fault, Fault::Fail | Fault::Panic)
}

fn error(
    cell: &Cell,
    report: &Report,
    life: &Life,
    outcome: &str,
    patience: Duration,
) -> Vec<String> {
    let mut wrong = Vec::new();
    if life.eos_out || life.eos {
        wrong.push("EOS".to_owned());
    }
    let own: Vec<&Complaint> = life.errors.iter().filter(|error| error.own).collect();
    let [error] = own[..] else {
        wrong.push(format!("{} errors", own.len()));
        return wrong;
    };
    if !life.errors[0].own {
        wrong.push("the source's error came first".to_owned());
    }
    let Some(fault) = &error.fault else {
        wrong.push("an error without codecwatch-fault".to_owned());
        return wrong;
    };
    if fault.outcome.as_deref() != Some(outcome) {
        wrong.push(format!("{:?} instead of {outcome}", fault.outcome));
    }
    if !fault.is_complete() {
        wrong.push(format!("incomplete details: {fault:?}"));
    }
    let code = code(cell);
    if error.code != code {
        wrong.push(format!("{} instead of {code}", error.code));
    }
    let abandoned = usize::from(outcome == "WatchdogAbandoned");
    if abandoned == 1 {
        if fault.call.as_deref() != Some(cell.call()) {
            wrong.push(format!("stuck in {:?}", fault.call));
        }
        if fault.evidence.as_deref() == Some("none") {
            wrong.push("no evidence".to_owned());
        }
        if let Some(took) = detected(report)
            && cell.fault != Fault::Spin
            && took > milliseconds(BUDGET + DETECT_SLACK + patience)
        {
            wrong.push(format!("detected after {took:.0} ms"));
        }
    }
    wrong.extend(ledger(cell, life, abandoned));
    // Where the spinning keeps the watchdog itself from its turn, it comes late,
    // begins again, and may find that the limit has passed.
    if cell.fault == Fault::Spin && life.slow > 1 {
        wrong.push(format!("{} slow messages", life.slow));
    }
    wrong
}

fn whole(cell: &Cell, life: &Life, stuck: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for error in &life.errors {
        wrong.push(format!("{} {}", error.code, error.text));
    }
    if !life.eos {
        wrong.push("no EOS".to_owned());
    }
    let warned = life
        .warnings
        .iter()
        .filter(|warning| warning.code == "LIBRARY/SHUTDOWN")
        .count();
    if warned != usize::from(stuck) {
        wrong.push(format!("{warned} warnings of a session that did not close"));
    }
    wrong.extend(ledger(cell, life, usize::from(stuck)));
    wrong
}

fn stopped_well(cell: &Cell, life: &Life, abandoned: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    if life.errors.iter().filter(|error| error.own).count() > 1 {
        wrong.push(format!("{} errors", life.errors.len()));
    }
    if life.eos_out {
        wrong.push("EOS".to_owned());
    }
    wrong.extend(ledger(cell, life, usize::from(abandoned)));
    wrong
}

fn ledger(cell: &Cell, life: &Life, abandoned: usize) -> Vec<String> {
    let reclaimed = if cell.fault == Fault::Late {
        abandoned
    } else {
        0
    };
    let account = (life.after.abandoned, life.after.reclaimed);
    if account == (abandoned, reclaimed) {
        return Vec::new();
    }
    vec![format!(
        "the ledger says {account:?} instead of {:?}",
        (abandoned, reclaimed)
    )]
}

/// The code of the error.
fn code(cell: &Cell) -> &'static str {
    match (cell.at, cell.element) {
        (Where::Open, Element::Decoder) if cell.fault == Fault::Fail => "LIBRARY/Settings",
        (Where::Open, _) => "LIBRARY/INIT",
        (_, Element::Encoder) => "STREAM/ENCODE",
        (_, Element::Decoder) => "STREAM/DECODE",
    }
}

/// From the strike to the error, in milliseconds.
pub(super) fn detected(report: &Report) -> Option<f64> {
    let life = report.facts.as_ref()?.lives.last()?;
    let error = life.errors.iter().find(|error| error.own)?;
    Some((error.at - report.struck?) * 1e3)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

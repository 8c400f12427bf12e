// SPDX-License-Identifier: MPL-2.0
//! Whether a combination came as the contract says.

use std::time::Duration;

use super::axes::{Cell, Fault, State, Where};
use super::expect::{Close, Expected, expected};
use super::plan::{BUDGET, CLOSE, SLOW_LIMIT, works_again};
use crate::Report;
use crate::elements::{Failure, Role};
use crate::facts::{Complaint, Facts, Life};

/// What a verdict may take beyond its budget.
pub(super) const DETECT_SLACK: Duration = Duration::from_millis(100);
/// What a state change may take beyond `close-timeout`.
pub(super) const STOP_SLACK: Duration = Duration::from_millis(200);
/// What a query may take: as long as one waits for a chain.
const QUERY: Duration = Duration::from_secs(1);
/// What a process may take to end, whatever was abandoned in it.
const LEAVE: Duration = Duration::from_secs(1);

/// What a session may have given before it failed: four in its outbox, and one that
/// is being pushed.
const GIVEN_BEFORE: u64 = 5;

/// A combination, what is seen of it, and what is not as it has to be.
struct Judge<'a> {
    cell: &'a Cell,
    report: &'a Report,
    life: &'a Life,
    /// What is not measured may take so much more.
    patience: Duration,
    wrong: Vec<String>,
}

/// What is not as it has to be; nothing where all is well.
/// `patience`: what is not measured may take so much more.
pub fn complaints(cell: &Cell, report: &Report, patience: Duration) -> Vec<String> {
    if let Some(step) = &report.hung {
        return vec![format!("hangs at {step}")];
    }
    let expected = expected(cell);
    if let Expected::Dies(signal) = expected {
        return died(report, signal);
    }
    let Some(Facts { lives, .. }) = &report.facts else {
        return vec![format!("died: {:?} {:?}", report.signal, report.code)];
    };
    let Some(life) = lives.last() else {
        return vec!["did nothing".to_owned()];
    };
    let mut judge = Judge {
        cell,
        report,
        life,
        patience,
        wrong: Vec::new(),
    };
    judge.whatever_happens();
    match expected {
        Expected::Error(outcome) => judge.error(outcome),
        Expected::Restarted { abandoned } => judge.restarted(abandoned),
        Expected::Whole(close) => judge.whole(close),
        Expected::Stopped(close) => judge.stopped(close),
        Expected::Dies(_) => {}
    }
    judge.wrong
}

fn died(report: &Report, signal: i32) -> Vec<String> {
    let mut wrong = Vec::new();
    if report.signal != Some(signal) {
        wrong.push(format!("ended by {:?} {:?}", report.signal, report.code));
    }
    if report.eos {
        wrong.push("EOS before the crash".to_owned());
    }
    wrong
}

/// A close that was not made at all leaves its session open.
pub(super) fn leaves_open(cell: &Cell) -> bool {
    let call = cell.call();
    let stays = call.closes || cell.element.is_hosted && call.keeps;
    stays && matches!(cell.fault, Fault::Fail | Fault::Panic)
}

/// From the strike to the error or the restart, in milliseconds.
pub(super) fn detected(report: &Report) -> Option<f64> {
    let life = report.facts.as_ref()?.lives.last()?;
    let error = life.errors.iter().find(|error| error.own);
    let restart = life.restarts.first();
    let said = error
        .map(|error| error.at)
        .or(restart.map(|restart| restart.at))?;
    Some((said - report.struck?) * 1e3)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

impl Judge<'_> {
    fn check(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.wrong.push(otherwise());
        }
    }

    fn within(&mut self, took: Option<f64>, bound: Duration, what: &str) {
        let bound = milliseconds(bound + self.patience);
        let took = took.unwrap_or(0.0);
        self.check(took <= bound, || {
            format!("{what} after {took:.0} ms, allowed are {bound:.0}")
        });
    }

    fn whatever_happens(&mut self) {
        let (life, report) = (self.life, self.report);
        self.check(report.code == Some(0), || {
            format!("exit code {:?}", report.code)
        });
        let left_in = report.left_in.or(Some(f64::INFINITY));
        self.within(left_in, LEAVE, "the process ended");
        let stopped = life.stopped_in().or(Some(f64::INFINITY));
        self.within(stopped, CLOSE + STOP_SLACK, "NULL");
        self.within(life.flush_stopped_in, CLOSE + STOP_SLACK, "FLUSH_STOP");
        self.within(life.query_answered_in, QUERY + STOP_SLACK, "a query");
        self.check(!life.eos_after_error, || "EOS after the error".to_owned());
        for step in &life.vain {
            self.check(false, || format!("{step} in vain"));
        }
        let ends = life.after.outstanding() == 0
            && !leaves_open(self.cell)
            && !matches!(
                expected(self.cell),
                Expected::Whole(Close::BusyForEver) | Expected::Stopped(Close::BusyForEver)
            );
        self.check(!ends || life.after.codec_threads == 0, || {
            format!("{} threads left", life.after.codec_threads)
        });
        self.check(life.after.children == 0, || {
            format!("{} child processes left", life.after.children)
        });
    }

    fn error(&mut self, outcome: &str) {
        let life = self.life;
        self.check(!life.eos_out() && !life.eos(), || "EOS".to_owned());
        self.check(life.restarts.is_empty(), || "a restart".to_owned());
        // What takes over from the session that failed does not go on.
        self.check(life.taken_after_error <= GIVEN_BEFORE, || {
            format!("{} buffers after the error", life.taken_after_error)
        });
        let own: Vec<&Complaint> = life.errors.iter().filter(|error| error.own).collect();
        let [error] = own[..] else {
            self.wrong.push(format!("{} errors", own.len()));
            return;
        };
        self.check(life.errors[0].own, || {
            "the source's error came first".to_owned()
        });
        let answered = life.answered.map(|at| (at - error.at) * 1e3);
        self.within(answered, BUDGET + DETECT_SLACK, "upstream was answered");
        let code = code(self.cell);
        self.check(error.code == code, || {
            format!("{} instead of {code}", error.code)
        });
        let Some(fault) = &error.fault else {
            self.wrong
                .push("an error without codecwatch-fault".to_owned());
            return;
        };
        self.check(fault.outcome.as_deref() == Some(outcome), || {
            format!("{:?} instead of {outcome}", fault.outcome)
        });
        self.check(fault.is_complete(), || {
            format!("incomplete details: {fault:?}")
        });
        let abandoned = outcome == "WatchdogAbandoned";
        if abandoned {
            let seen_as = self.cell.call().seen_as;
            let call = fault.call.as_deref();
            let is_named = call.is_some_and(|call| call.contains(seen_as));
            self.check(is_named, || format!("stuck in {call:?}"));
            self.check(fault.evidence.as_deref() != Some("none"), || {
                "no evidence".to_owned()
            });
            self.detected_in_time();
        }
        self.ledger(abandoned);
        // Where the spinning keeps the watchdog itself from its turn, it comes late,
        // begins again, and may find that the limit has passed.
        self.check(self.cell.fault != Fault::Spin || life.slow <= 1, || {
            format!("{} slow messages", life.slow)
        });
    }

    fn detected_in_time(&mut self) {
        if self.cell.fault != Fault::Spin {
            self.within(detected(self.report), BUDGET + DETECT_SLACK, "detected");
        }
    }

    fn restarted(&mut self, abandoned: bool) {
        let life = self.life;
        let [restart] = &life.restarts[..] else {
            let count = life.restarts.len();
            self.wrong.push(format!("{count} restarts"));
            self.no_error();
            return;
        };
        self.check(restart.lost.is_some(), || {
            "a restart that does not say what was lost".to_owned()
        });
        self.check(!restart.after_eos, || "a restart after EOS".to_owned());
        self.check(restart.begins_with_key != Some(false), || {
            "what follows the restart does not begin with a key frame".to_owned()
        });
        if abandoned {
            self.detected_in_time();
        }
        self.complete(self.cell.element.passed_over());
        self.ledger(abandoned);
    }

    fn whole(&mut self, close: Close) {
        self.check(self.life.restarts.is_empty(), || "a restart".to_owned());
        // Damage costs frames, and what is corrupt may do so.
        if !self.cell.closes() && matches!(self.cell.fault, Fault::Fail | Fault::Corrupt) {
            self.no_error();
        } else {
            self.complete(0);
        }
        self.close(close, true);
    }

    fn no_error(&mut self) {
        for error in &self.life.errors {
            self.wrong.push(format!("{} {}", error.code, error.text));
        }
        self.check(self.life.streams.iter().all(|stream| stream.eos), || {
            "no EOS".to_owned()
        });
    }

    /// Every frame has come out or was said to be lost, and what waited behind
    /// them has come out, too.
    fn complete(&mut self, passed_over: u64) {
        self.no_error();
        for stream in &self.life.streams {
            self.wrong.extend(stream.imbalance(passed_over));
            self.check(stream.gaps_out == stream.gaps, || {
                format!("{} of {} gaps came out", stream.gaps_out, stream.gaps)
            });
        }
        if self.cell.state == State::CapsWait {
            let formats = self.life.stream().map(|stream| &stream.formats[..]);
            let both = matches!(formats, Some([_, other]) if other.taken > 0);
            self.check(both, || format!("these formats came out: {formats:?}"));
        }
    }

    fn stopped(&mut self, close: Close) {
        let life = self.life;
        let own = life.errors.iter().filter(|error| error.own).count();
        self.check(own <= 1, || format!("{own} errors"));
        let (first, again) = life.streams.split_first().unzip();
        self.check(first.is_none_or(|stream| !stream.eos_out), || {
            "EOS".to_owned()
        });
        if works_again(self.cell) {
            let again = again.and_then(|streams| streams.first());
            self.check(again.is_some_and(|stream| stream.eos), || {
                "it does not work again".to_owned()
            });
        }
        self.close(close, self.cell.closes());
    }

    /// `is_warned_of`: of a session that is given up.
    fn close(&mut self, close: Close, is_warned_of: bool) {
        let warnings: Vec<_> = self
            .life
            .warnings
            .iter()
            .filter(|warning| warning.code == "LIBRARY/SHUTDOWN")
            .collect();
        let count = warnings.len();
        match close {
            Close::BusyForEver => {
                let given_up_at = warnings.first().map(|warning| warning.at).or(self
                    .life
                    .stops
                    .iter()
                    .find(|stop| stop.outstanding > 0)
                    .map(|stop| stop.at));
                let busy_for = given_up_at
                    .zip(self.report.struck)
                    .map(|(at, struck)| (at - struck) * 1e3);
                // The limit counts from the request to close, shortly before the strike.
                let limit = milliseconds(SLOW_LIMIT) - 50.0;
                self.check(busy_for.is_none_or(|busy| busy >= limit), || {
                    format!("given up while busy, after {busy_for:.0?} ms")
                });
            }
            _ => {
                let given_up = close == Close::GivenUp;
                let said = count == usize::from(given_up && is_warned_of);
                self.check(said || (given_up && !is_warned_of), || {
                    format!("{count} warnings of a session that did not close")
                });
                self.ledger(given_up);
            }
        }
    }

    fn ledger(&mut self, abandoned: bool) {
        let abandoned = usize::from(abandoned);
        // A child that is given up is killed.
        let returns = self.cell.fault == Fault::Late || self.cell.element.is_isolated;
        let reclaimed = if returns { abandoned } else { 0 };
        let account = (self.life.after.abandoned, self.life.after.reclaimed);
        let right = (abandoned, reclaimed);
        self.check(account == right, || {
            format!("the ledger says {account:?} instead of {right:?}")
        });
    }
}

/// The code of the error.
fn code(cell: &Cell) -> &'static str {
    match (cell.at, cell.element.role) {
        (Where::Open, _)
            if cell.fault == Fault::Fail && cell.call().failure == Failure::Settings =>
        {
            "LIBRARY/Settings"
        }
        (Where::Start, _) => "LIBRARY/INIT",
        // A chain takes caps while it runs.
        (Where::Open, _) if !cell.element.is_hosted => "LIBRARY/INIT",
        (_, Role::Encoder) => "STREAM/ENCODE",
        (_, Role::Decoder) => "STREAM/DECODE",
        (_, Role::Other) => "STREAM/Failed",
    }
}

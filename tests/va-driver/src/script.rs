// SPDX-License-Identifier: MPL-2.0
//! The driver's own faults, in the language of the fault shim (tests/shims/README.md):
//! `vaSyncSurface:hang@3,vaTerminate:fail=6`. The variable is another one, because that
//! shim does not know these calls.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use crate::sys::{VA_STATUS_ERROR_OPERATION_FAILED, VAStatus};

/// The variable with the script.
pub const VARIABLE: &str = "CODECWATCH_VA_REHEARSE";
/// The variable with the file that arms it.
const ARM: &str = "CODECWATCH_REHEARSE_ARM";

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// For ever, or for so long.
    Hang(Option<Duration>),
    Spin,
    Fail(VAStatus),
    Abort,
    Segv,
}

#[derive(Debug, Clone, PartialEq)]
enum Occurrence {
    /// Calls by their number, counted from 1 in the process.
    Calls { first: u64, last: u64 },
    /// The first call that finds, and removes, the file.
    Armed(PathBuf),
}

#[derive(Debug, Clone, PartialEq)]
struct Rule {
    call: String,
    fault: Fault,
    at: Occurrence,
}

fn parse(script: &str, arm: Option<PathBuf>) -> Result<Vec<Rule>, String> {
    let rules = script.split(',').filter(|rule| !rule.is_empty());
    rules.map(|rule| parse_rule(rule, arm.clone())).collect()
}

fn parse_rule(rule: &str, arm: Option<PathBuf>) -> Result<Rule, String> {
    let wrong = || format!("'{rule}' is not call:fault[=argument][@occurrence]");
    let (call, rest) = rule.split_once(':').ok_or_else(wrong)?;
    let (rest, at) = rest
        .split_once('@')
        .map_or((rest, None), |(a, b)| (a, Some(b)));
    let (fault, argument) = rest
        .split_once('=')
        .map_or((rest, None), |(a, b)| (a, Some(b)));
    let number = |text: &str| text.parse::<u64>().ok().filter(|number| *number > 0);
    let fault = match (fault, argument) {
        ("hang", None) => Fault::Hang(None),
        ("hang", Some(time)) => {
            let seconds = time
                .strip_suffix('s')
                .and_then(|time| time.parse::<f64>().ok());
            let time = seconds.and_then(|time| Duration::try_from_secs_f64(time).ok());
            Fault::Hang(Some(time.ok_or_else(wrong)?))
        }
        ("spin", None) => Fault::Spin,
        ("fail", None) => Fault::Fail(VA_STATUS_ERROR_OPERATION_FAILED as VAStatus),
        ("fail", Some(code)) => Fault::Fail(code.parse().map_err(|_| wrong())?),
        ("abort", None) => Fault::Abort,
        ("segv", None) => Fault::Segv,
        _ => return Err(wrong()),
    };
    let at = match at {
        None => Occurrence::Calls {
            first: 1,
            last: u64::MAX,
        },
        Some("armed") => Occurrence::Armed(arm.ok_or_else(|| format!("'@armed' needs {ARM}"))?),
        Some(text) => {
            let first = number(text.trim_end_matches('+')).ok_or_else(wrong)?;
            let last = if text.ends_with('+') { u64::MAX } else { first };
            Occurrence::Calls { first, last }
        }
    };
    let call = call.to_owned();
    Ok(Rule { call, fault, at })
}

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let script = std::env::var(VARIABLE).unwrap_or_default();
    parse(&script, std::env::var_os(ARM).map(PathBuf::from)).unwrap_or_else(|error| {
        eprintln!("rehearse: {error} (see tests/shims/README.md)");
        std::process::exit(2)
    })
});

/// Does what the script says of this call; called before the driver's own lock is taken.
pub(crate) fn rehearse(call: &'static str) -> Result<(), VAStatus> {
    static CALLS: LazyLock<Mutex<HashMap<&str, u64>>> = LazyLock::new(Mutex::default);
    let number = {
        let mut calls = CALLS.lock().unwrap_or_else(PoisonError::into_inner);
        let number = calls.entry(call).or_default();
        *number += 1;
        *number
    };
    for rule in RULES.iter().filter(|rule| rule.call == call) {
        let strikes = match &rule.at {
            Occurrence::Calls { first, last } => (*first..=*last).contains(&number),
            Occurrence::Armed(file) => std::fs::remove_file(file).is_ok(),
        };
        if strikes {
            strike(rule, number)?;
        }
    }
    Ok(())
}

fn strike(rule: &Rule, number: u64) -> Result<(), VAStatus> {
    let verb = match rule.fault {
        Fault::Hang(_) => "hangs",
        Fault::Spin => "spins",
        Fault::Fail(_) => "fails",
        Fault::Abort => "aborts",
        Fault::Segv => "crashes",
    };
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    eprintln!(
        "rehearse: {} {verb} (call {number}, thread '{thread}')",
        rule.call
    );
    match rule.fault {
        Fault::Hang(Some(time)) => {
            std::thread::sleep(time);
            eprintln!("rehearse: {} goes on", rule.call);
        }
        Fault::Hang(None) => loop {
            std::thread::park();
        },
        Fault::Spin => loop {
            std::hint::spin_loop();
        },
        Fault::Fail(code) => return Err(code),
        Fault::Abort => std::process::abort(),
        Fault::Segv => {
            // SAFETY: a signal to the thread itself, as a bad address would send it.
            unsafe { libc::raise(libc::SIGSEGV) };
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_says_what_when_and_how_long() {
        let rules = parse("vaEndPicture:hang=0.5s@3+,vaTerminate:fail=6", None).unwrap();
        assert_eq!(rules[0].call, "vaEndPicture");
        let half = Duration::from_millis(500);
        assert_eq!(rules[0].fault, Fault::Hang(Some(half)));
        let from_third = Occurrence::Calls {
            first: 3,
            last: u64::MAX,
        };
        assert_eq!(rules[0].at, from_third);
        assert_eq!(rules[1].fault, Fault::Fail(6));
        assert_eq!(parse("", None), Ok(Vec::new()));
    }

    #[test]
    fn a_script_that_makes_no_sense_is_refused() {
        for wrong in [
            "vaTerminate",
            "a:hop",
            "a:hang@0",
            "a:hang=soon",
            "a:hang@armed",
        ] {
            assert!(parse(wrong, None).is_err(), "{wrong}");
        }
    }
}

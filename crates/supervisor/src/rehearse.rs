// SPDX-License-Identifier: MPL-2.0
//! Rehearsal of a worker's panic.
//!
//! Every other fault can be rehearsed from outside, by a preloaded library that
//! replaces a native call. A panic cannot: it has to start in Rust code of this
//! program. So the worker reads the variable that scripts that library,
//! `CODECWATCH_REHEARSE`, and executes its `call:panic[@occurrence]`. Only with the
//! feature `rehearse`: installed builds do not read it.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

struct Panic {
    call: String,
    moment: Moment,
}

enum Moment {
    /// The call with this number, counted in the process.
    Call { number: u64, seen: AtomicU64 },
    /// The first call that finds, and removes, the file that
    /// `CODECWATCH_REHEARSE_ARM` names.
    Armed(PathBuf),
}

static PANICS: LazyLock<Vec<Panic>> = LazyLock::new(|| {
    std::env::var("CODECWATCH_REHEARSE")
        .map(|script| parse(&script))
        .unwrap_or_default()
});

fn parse(script: &str) -> Vec<Panic> {
    script
        .split(',')
        .filter_map(|item| {
            let (call, fault) = item.trim().split_once(':')?;
            let (fault, occurrence) = fault.split_once('@').unwrap_or((fault, "1"));
            let moment = match occurrence {
                "armed" => Moment::Armed(std::env::var_os("CODECWATCH_REHEARSE_ARM")?.into()),
                number => Moment::Call {
                    number: number.parse().unwrap_or(1),
                    seen: AtomicU64::new(0),
                },
            };
            (fault == "panic").then(|| Panic {
                call: call.to_owned(),
                moment,
            })
        })
        .collect()
}

/// Called before each native call.
#[allow(clippy::panic)]
pub(crate) fn before(call: &str) {
    for panic in PANICS.iter().filter(|panic| panic.call == call) {
        match &panic.moment {
            Moment::Call { number, seen } => {
                if seen.fetch_add(1, Ordering::Relaxed) + 1 == *number {
                    panic!("rehearsed at {call}, call {number}");
                }
            }
            Moment::Armed(file) => {
                if std::fs::remove_file(file).is_ok() {
                    panic!("rehearsed at {call}, armed");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Moment, parse};

    #[test]
    fn only_panics_are_read_from_the_script() {
        let panics = parse("a:hang@3, b:panic@7,c:panic,nonsense,d:fail=1");
        let read: Vec<_> = panics
            .iter()
            .map(|p| match &p.moment {
                Moment::Call { number, .. } => (p.call.as_str(), *number),
                Moment::Armed(_) => (p.call.as_str(), 0),
            })
            .collect();
        assert_eq!(read, [("b", 7), ("c", 1)]);
    }
}

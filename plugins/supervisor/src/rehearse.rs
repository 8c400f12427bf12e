// SPDX-License-Identifier: MPL-2.0
//! Rehearsal of a worker's panic.
//!
//! Every other fault can be rehearsed from outside, by a preloaded library that
//! stands in for a native call. A panic cannot: it has to start in Rust code of
//! this very program. So the worker reads the variable that scripts that
//! library, `CODECWATCH_REHEARSE`, and obeys its `call:panic[@occurrence]`.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

struct Panic {
    call: String,
    occurrence: u64,
    seen: AtomicU64,
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
            (fault == "panic").then(|| Panic {
                call: call.to_owned(),
                occurrence: occurrence.parse().unwrap_or(1),
                seen: AtomicU64::new(0),
            })
        })
        .collect()
}

/// Called before each native call.
#[allow(clippy::panic)]
pub(crate) fn before(call: &str) {
    for panic in PANICS.iter().filter(|panic| panic.call == call) {
        if panic.seen.fetch_add(1, Ordering::Relaxed) + 1 == panic.occurrence {
            panic!("rehearsed at {call}, call {}", panic.occurrence);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn only_panics_are_read_from_the_script() {
        let panics = parse("a:hang@3, b:panic@7,c:panic,nonsense,d:fail=1");
        let read: Vec<_> = panics
            .iter()
            .map(|p| (p.call.as_str(), p.occurrence))
            .collect();
        assert_eq!(read, [("b", 7), ("c", 1)]);
    }
}

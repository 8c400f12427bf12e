// SPDX-License-Identifier: MPL-2.0
//! The last faults of this plugin file's elements: what was posted on the bus, for those
//! who do not read the bus.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use codecwatch_supervisor::Snapshot;
use gst::prelude::*;

/// How many are kept.
const KEPT: usize = 32;

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The element posted an error: it has failed.
    Failed,
    /// Another session took over.
    Restarted,
    /// A session that nobody needed any more did not close: a warning.
    Close,
    /// A session is slow: it goes on.
    Slow,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Restarted => "restarted",
            Self::Close => "close",
            Self::Slow => "slow",
        }
    }
}

/// A fault that was posted.
#[derive(Debug, Clone)]
pub(super) struct Record {
    /// Since 1970.
    pub(super) time: Duration,
    pub(super) kind: &'static str,
    pub(super) element: String,
    pub(super) path: String,
    pub(super) outcome: String,
    pub(super) phase: &'static str,
    pub(super) call: String,
    pub(super) call_age: Duration,
    pub(super) text: String,
}

static RECORDS: Mutex<VecDeque<Record>> = Mutex::new(VecDeque::new());

fn records() -> MutexGuard<'static, VecDeque<Record>> {
    RECORDS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps a fault of an element. `at`: its session at that moment, if it is one's.
pub(crate) fn note(
    kind: Kind,
    element: &gst::Element,
    outcome: &str,
    text: &str,
    at: Option<&Snapshot>,
) {
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    let call = at.and_then(|at| at.calls.first());
    let record = Record {
        time: time.unwrap_or_default(),
        kind: kind.name(),
        element: element.name().to_string(),
        path: element.path_string().to_string(),
        outcome: outcome.to_owned(),
        phase: at.map_or("none", |at| at.phase.name()),
        call: call.map(|(name, _)| name.to_string()).unwrap_or_default(),
        call_age: call.map_or(Duration::ZERO, |(_, age)| *age),
        text: text.to_owned(),
    };
    let mut records = records();
    if records.len() >= KEPT {
        records.pop_front();
    }
    records.push_back(record);
}

/// The last faults, the oldest first.
pub(super) fn last() -> Vec<Record> {
    records().iter().cloned().collect()
}

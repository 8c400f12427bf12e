// SPDX-License-Identifier: MPL-2.0
//! The options of a run.

use super::Run;
use crate::{Budgets, Listener, Trace};

/// How to start a run.
#[derive(Debug)]
pub struct Options<I, O> {
    /// The budgets.
    pub budgets: Budgets,
    /// Number of retiring and abandoned workers of the library at which no new session
    /// is opened; 0 = no limit. If both together are too many, the new session waits
    /// for one of them to end: for `slow-limit` or the open budget, whichever is
    /// longer. If the abandoned workers alone are too many, it is refused.
    pub max_abandoned: usize,
    /// The run before this one, which drains or closes. The new worker waits for its
    /// end before it opens: also beyond its close budget, while it demonstrably works.
    pub predecessor: Option<Run<I, O>>,
    /// Called for each input and output.
    pub trace: Option<Trace<I, O>>,
    /// Gets what the session tells; otherwise that is dropped.
    pub listener: Option<Listener<O>>,
}

impl<I, O> Default for Options<I, O> {
    fn default() -> Self {
        Self {
            budgets: Budgets::default(),
            max_abandoned: 0,
            predecessor: None,
            trace: None,
            listener: None,
        }
    }
}

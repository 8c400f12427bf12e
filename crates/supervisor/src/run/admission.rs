// SPDX-License-Identifier: MPL-2.0
//! The options of a run, and whether it may start.

use super::{Run, StartError};
use crate::{Account, Budgets, Library, Listener};

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

/// Logs inputs and outputs, with the number of their session. Called on the session's
/// threads, without a lock; must not wait.
#[derive(Debug)]
pub struct Trace<I, O> {
    /// The worker has taken an input and passes it to the codec.
    pub taken: fn(u64, &I),
    /// The codec has given an output.
    pub emitted: fn(u64, &O),
}

/// Whether another session of a library may be opened.
pub(crate) enum Admission {
    Granted,
    /// Possible once a retiring session has ended. Holds the refusal in case none ends
    /// in time.
    Later(StartError),
    /// Too many are abandoned, and may never return.
    Refused(StartError),
}

impl Admission {
    pub(crate) fn of(library: &Library, max: usize) -> Self {
        let account = Account::of(&library.name);
        if max == 0 || account.outstanding() < max {
            return Self::Granted;
        }
        let refusal = StartError::LeakBudget {
            library: library.name.clone(),
            outstanding: account.outstanding(),
            max,
        };
        if account.unreclaimed() < max {
            Self::Later(refusal)
        } else {
            Self::Refused(refusal)
        }
    }
}

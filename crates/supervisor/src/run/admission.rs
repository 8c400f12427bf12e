// SPDX-License-Identifier: MPL-2.0
//! With what a run starts, and whether it may.

use super::{Run, StartError};
use crate::{Account, Budgets, Library};

/// How to start a run.
#[derive(Debug)]
pub struct Options<I, O> {
    /// The budgets.
    pub budgets: Budgets,
    /// Workers of the library that hold something although nobody waits for them,
    /// at which no new session is opened; 0 = no limit. Where those that retire are
    /// too many together with those that were abandoned, the new session waits for
    /// one of them to end: for `slow-limit` or the open budget, whichever is longer.
    /// Where those that were abandoned are too many by themselves it is refused.
    pub max_abandoned: usize,
    /// The run before this one, which drains or closes. The new worker waits
    /// for the end of it before it opens: also when that takes longer than its
    /// close budget, as long as it demonstrably works.
    pub predecessor: Option<Run<I, O>>,
    /// Who hears of each input and output.
    pub trace: Option<Trace<I, O>>,
}

impl<I, O> Default for Options<I, O> {
    fn default() -> Self {
        Self {
            budgets: Budgets::default(),
            max_abandoned: 0,
            predecessor: None,
            trace: None,
        }
    }
}

/// What a log tells of inputs and outputs, with the number of their session. Called on
/// the session's threads, under no lock; must not wait.
#[derive(Debug)]
pub struct Trace<I, O> {
    /// The worker has taken an input and hands it to the codec.
    pub taken: fn(u64, &I),
    /// The codec has given an output.
    pub emitted: fn(u64, &O),
}

/// Whether another session of a library may be opened.
pub(crate) enum Admission {
    Granted,
    /// When one of those that retire has ended. The refusal, should none end in time.
    Later(StartError),
    /// Those that were abandoned are too many, and may never come back.
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

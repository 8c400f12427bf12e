// SPDX-License-Identifier: MPL-2.0
//! With what a run starts, and whether it may.

use super::{Run, StartError};
use crate::{Account, Budgets, Library};

/// How to start a run.
#[derive(Debug)]
pub struct Options<I, O> {
    /// The budgets.
    pub budgets: Budgets,
    /// Abandoned workers of the library at which no new session is opened;
    /// 0 = no limit.
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

pub(crate) fn admit(library: &Library, max: usize) -> Result<(), StartError> {
    let outstanding = Account::of(&library.name).outstanding();
    if max > 0 && outstanding >= max {
        return Err(StartError::LeakBudget {
            library: library.name.clone(),
            outstanding,
            max,
        });
    }
    Ok(())
}

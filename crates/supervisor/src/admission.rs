// SPDX-License-Identifier: MPL-2.0
//! Whether another session of a library may be opened.

use crate::{Account, Library, Name};

/// Why a run did not start. Nothing was opened.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The leak budget is used up.
    #[error(
        "{outstanding} workers of {library} that were abandoned, or are closing in the background, \
         still hold memory and threads, and max-abandoned allows {max}: restart the process, or \
         raise max-abandoned"
    )]
    LeakBudget {
        /// The library.
        library: Name,
        /// Abandoned workers that are not reclaimed, and retiring ones.
        outstanding: usize,
        /// The limit.
        max: usize,
    },
    /// The system could not start a thread.
    #[error("could not start a thread for the worker: {0}")]
    Thread(#[from] std::io::Error),
}

/// Whether another session of a library may be opened.
#[derive(Debug)]
pub(crate) enum Admission {
    Granted,
    /// Possible once a retiring session has ended. Holds the refusal in case none ends
    /// in time.
    Later(StartError),
    /// Too many are abandoned, and may never return.
    Refused(StartError),
    /// It has to close and need not be opened any more.
    Withdrawn,
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

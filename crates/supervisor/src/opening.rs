// SPDX-License-Identifier: MPL-2.0
//! A native open in progress: holds the library's permit, and observes which threads
//! start.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::CodecError;
use crate::admission::Admission;
use crate::machine::Event;
use crate::open_permit::{self, OpenPermit};
use crate::state::Shared;
use crate::witness::NamedThreads;

/// Ends when dropped.
pub(crate) struct Opening {
    threads: Option<Arc<NamedThreads>>,
    /// Released after the threads have been listed.
    _permit: Option<OpenPermit>,
}

impl Opening {
    /// The first open of a session. It owes nothing while it waits for its permit, and
    /// for others to end if too many are retiring. `None`: it has to close before.
    pub(crate) fn first<I, O>(
        shared: &Shared<I, O>,
        max_abandoned: usize,
    ) -> Result<Option<OpenPermit>, CodecError> {
        wait_for_permit(shared, || Admission::of(&shared.library, max_abandoned))
    }

    /// Another open of a running session.
    pub(crate) fn again<I: Send, O: Send>(shared: &Shared<I, O>) -> Result<Self, CodecError> {
        let name = &shared.library.name;
        let permit = if open_permit::is_held(&shared.permit, shared.id) {
            // Within its first open.
            None
        } else if let Some(permit) = OpenPermit::take_now(&shared.permit, shared.id) {
            Some(permit)
        } else {
            // The session cannot influence this wait, so it owes nothing meanwhile.
            shared.note(&mut shared.lock(), Event::OthersAwaited);
            // It was admitted at its first open.
            let permit = wait_for_permit(shared, || Admission::Granted);
            shared.note(&mut shared.lock(), Event::OthersDone);
            let told_to_close =
                || CodecError::Resource(format!("{name} was told to close, and not opened again"));
            Some(permit?.ok_or_else(told_to_close)?)
        };
        Ok(Self::under(permit, &shared.threads))
    }

    pub(crate) fn under(permit: Option<OpenPermit>, threads: &Arc<NamedThreads>) -> Self {
        threads.open_begins();
        Self {
            threads: Some(threads.clone()),
            _permit: permit,
        }
    }

    /// For a lane without a supervisor.
    pub(crate) fn unsupervised() -> Self {
        Self {
            threads: None,
            _permit: None,
        }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some(threads) = &self.threads {
            threads.open_ended();
        }
    }
}

/// `None`: the session has to close. A session that is not patient opens beside another
/// in the end.
fn wait_for_permit<I, O>(
    shared: &Shared<I, O>,
    admission: impl Fn() -> Admission,
) -> Result<Option<OpenPermit>, CodecError> {
    let budgets = *shared.lock().machine.budgets();
    // The session that is opening has its own budget and loses its permit when it is
    // wedged; until then it is slow at most.
    let bound = budgets.open.max(budgets.slow_limit);
    let name = &shared.library.name;
    let admission = || match shared.told_to_close.load(Ordering::Acquire) {
        true => Admission::Withdrawn,
        false => admission(),
    };
    let permit = OpenPermit::take(&shared.permit, shared.id, bound, shared.patience, admission);
    Err(CodecError::Resource(match permit {
        Ok(permit) => return Ok(Some(permit)),
        Err(Admission::Withdrawn) => return Ok(None),
        Err(Admission::Granted) => {
            format!("another session of {name} has been opening for more than {bound:.1?}")
        }
        Err(Admission::Later(refusal) | Admission::Refused(refusal)) => refusal.to_string(),
    }))
}

// SPDX-License-Identifier: MPL-2.0
//! A session that is opened ahead, and waited for.

use std::time::Duration;

use codecwatch_supervisor::{AskResult, Codec, Lane};

use crate::fault_resolution::Observer;
use crate::{Supervised, Supervision};

impl<I: Send + 'static, O: Send + 'static> Supervision<I, O> {
    /// Opens a session as [`open_ahead`](Self::open_ahead) does, and waits for `bound` at
    /// most until it is open. After that, nobody knows, and this succeeds.
    ///
    /// # Errors
    /// It has failed, and the error is posted (`eos-after-failure`: or about to be).
    pub fn open_within<T>(&self, imp: &T, bound: Duration) -> Result<(), gst::FlowError>
    where
        T: Supervised<Input = I, Output = O>,
    {
        type Session<T> = <<T as Supervised>::Codec as Codec>::Session;
        match self.open_ahead(imp) {
            // What opens the session after the flush finds out.
            Ok(_) | Err(gst::FlowError::Flushing) => {}
            Err(error) => return Err(error),
        }
        let run = self.lock().back().cloned();
        if let Some(run) = run {
            let opened = run.ask(bound, |_: &mut Session<T>, _: &Lane<O>| ());
            let has_fault = || run.outcome().is_some_and(|it| it.fault().is_some());
            if matches!(opened, AskResult::NoSession) && has_fault() {
                self.resolve_fault(imp, &run, Observer::Output);
            }
        }
        // The output task may have found it first.
        match self.lock_reported().has_failed() {
            true => Err(gst::FlowError::Error),
            false => Ok(()),
        }
    }
}

// SPDX-License-Identifier: MPL-2.0
//! What ends a job before its time: SIGINT and SIGTERM, of which a second one ends the
//! process at once, or the program that runs it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::end::{End, Failure};

/// What has been sent so far: nothing, by default. A clone is the same one.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicUsize>);

impl Interrupt {
    /// Begins to listen.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let interrupt = Self::default();
        for signal in [SIGINT, SIGTERM] {
            let once = Arc::new(AtomicBool::new(false));
            let code = End::Interrupted(signal).code();
            // In this order: the first signal must not find the flag set by itself.
            let listening = flag::register_conditional_shutdown(signal, code.into(), once.clone())
                .and_then(|_| flag::register(signal, once))
                .and_then(|_| {
                    let number = usize::try_from(signal).unwrap_or_default();
                    flag::register_usize(signal, interrupt.0.clone(), number)
                });
            listening.map_err(|error| Failure::error(format!("no signals: {error}")))?;
        }
        Ok(interrupt)
    }

    /// Stops the job as SIGTERM would: its pipeline is stopped in bounded time. Returns
    /// at once.
    pub fn stop(&self) {
        let number = usize::try_from(SIGTERM).unwrap_or_default();
        self.0.store(number, Ordering::Relaxed);
    }

    /// # Errors
    /// [`End::Interrupted`] once a signal has come.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match i32::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(0) {
            0 => Ok(()),
            signal => {
                let name = if signal == SIGINT {
                    "SIGINT"
                } else {
                    "SIGTERM"
                };
                Err(Failure::new(End::Interrupted(signal), format!("by {name}")))
            }
        }
    }
}

// SPDX-License-Identifier: MPL-2.0
//! SIGINT and SIGTERM: the first ends the job in an orderly way, a second one at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::end::{End, Failure};

/// What has been sent so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Arc<AtomicUsize>);

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

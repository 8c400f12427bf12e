// SPDX-License-Identifier: MPL-2.0
//! Decides whether another session takes over after a fault.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use codecwatch_supervisor::{Outcome, Phase};

/// The restarts of one element since it left READY.
#[derive(Debug, Default)]
pub(crate) struct Restarts {
    /// When they happened, within the window.
    recent: VecDeque<Instant>,
    total: u32,
}

impl Restarts {
    /// All so far.
    pub(crate) fn total(&self) -> u32 {
        self.total
    }

    /// Whether another session takes over: if fewer than `limit` restarts lie within
    /// the window, and the session had opened.
    pub(crate) fn allows(
        &mut self,
        now: Instant,
        limit: u32,
        window: Duration,
        outcome: &Outcome,
    ) -> bool {
        let phase = outcome.fault().map(|fault| fault.at.phase);
        if !matches!(phase, Some(Phase::Running | Phase::Draining)) {
            return false;
        }
        self.recent
            .retain(|&at| now.saturating_duration_since(at) <= window);
        self.recent.len() < limit as usize
    }

    /// Counts a restart.
    pub(crate) fn note(&mut self, now: Instant) {
        self.recent.push_back(now);
        self.total += 1;
    }
}

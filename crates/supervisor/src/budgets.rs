// SPDX-License-Identifier: MPL-2.0
//! Phases of a session and the time each may take without progress.

use std::time::Duration;

/// The phase of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for its turn: for the session before it to close, or for
    /// another open of the same library. No native call has been made yet.
    Waiting,
    /// Inside the native open.
    Opening,
    /// Takes input and gives output.
    Running,
    /// Outputs what is inside; takes no new input.
    Draining,
    /// Inside the native close.
    Closing,
    /// Closed, or abandoned. Owes nothing more.
    Ended,
}

impl Phase {
    /// The word used in messages and in `stats`.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Waiting => "waiting",
            Phase::Opening => "opening",
            Phase::Running => "running",
            Phase::Draining => "draining",
            Phase::Closing => "closing",
            Phase::Ended => "ended",
        }
    }
}

/// The longest that each phase may go without progress. Zero switches the
/// budget of a phase off; closing cannot be switched off, because a state
/// change waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budgets {
    /// While running (`watchdog-timeout`).
    pub watchdog: Duration,
    /// While draining (`drain-timeout`).
    pub drain: Duration,
    /// For the whole open, and for the wait for a turn (`open-timeout`).
    pub open: Duration,
    /// For the whole close, from the moment at which the close is requested or the
    /// session has nothing more to do (`close-timeout`). Bounds every wait for it; a
    /// close that demonstrably works goes on in the background.
    pub close: Duration,
    /// How far evidence of work can extend a budget, counted from the last
    /// progress (`slow-limit`).
    pub slow_limit: Duration,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            watchdog: Duration::from_secs(30),
            drain: Duration::from_secs(30),
            open: Duration::from_secs(10),
            close: Duration::from_secs(5),
            slow_limit: Duration::from_secs(600),
        }
    }
}

impl Budgets {
    /// The budget of a phase; `None` if nothing is owed or it is off.
    pub fn of(&self, phase: Phase) -> Option<Duration> {
        let budget = match phase {
            Phase::Running => self.watchdog,
            Phase::Draining => self.drain,
            Phase::Opening => self.open,
            Phase::Closing => return Some(self.close),
            Phase::Waiting | Phase::Ended => return None,
        };
        (!budget.is_zero()).then_some(budget)
    }

    /// How long the codec's threads are observed before a verdict: the last
    /// quarter of the budget, five seconds at most. Long enough for a thread
    /// that works to show CPU time, short enough to see that one has stopped.
    pub fn observation(budget: Duration) -> Duration {
        (budget / 4).clamp(Self::SHORTEST_OBSERVATION, Duration::from_secs(5))
    }

    /// Below this the figures of the kernel are meaningless.
    const SHORTEST_OBSERVATION: Duration = Duration::from_millis(10);

    /// How long a debt lasts before the codec's threads are sampled for the first time.
    pub(crate) fn before_observation(budget: Duration) -> Duration {
        budget.saturating_sub(Self::observation(budget))
    }
}

// SPDX-License-Identifier: MPL-2.0
//! A simulated environment for a machine: its clock and its threads.

use super::super::*;
use crate::{Sample, Source, ThreadTimes};

pub(super) const MS: Duration = Duration::from_millis(1);

pub(super) fn budgets() -> Budgets {
    Budgets {
        watchdog: 1000 * MS,
        drain: 2000 * MS,
        open: 500 * MS,
        close: 300 * MS,
        slow_limit: 10_000 * MS,
    }
}

/// A machine with its own clock and simulated threads.
pub(super) struct World {
    pub(super) machine: Machine,
    pub(super) now: Instant,
    pub(super) start: Instant,
    /// CPU time that the codec's threads have used so far.
    pub(super) cpu: Duration,
    /// The share of the time during which they run, in percent.
    pub(super) load: u32,
    /// Whether they are runnable whenever they are sampled.
    pub(super) runnable: bool,
    pub(super) slow: usize,
    pub(super) abandoned: Option<(Reason, Duration)>,
}

impl World {
    pub(super) fn queued() -> Self {
        let start = crate::clock::now();
        Self {
            machine: Machine::new(start, budgets()),
            now: start,
            start,
            cpu: Duration::ZERO,
            load: 0,
            runnable: false,
            slow: 0,
            abandoned: None,
        }
    }

    pub(super) fn running(delay: Option<usize>) -> Self {
        let mut world = Self::queued();
        world.tell(Event::OpenBegan);
        world.tell(Event::Opened { delay });
        world
    }

    /// The worker makes a call that should return.
    pub(super) fn calls(&mut self, name: &'static str) {
        let kind = CallKind::Owed;
        self.tell(Event::CallBegan {
            lane: 0,
            name: name.into(),
            kind,
        });
    }

    /// A receive lane makes a call that may wait.
    pub(super) fn waits_in(&mut self, name: &'static str) {
        let kind = CallKind::Waits;
        self.tell(Event::CallBegan {
            lane: 1,
            name: name.into(),
            kind,
        });
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.machine.handle(self.now, event);
        self.obey();
    }

    pub(super) fn obey(&mut self) {
        while let Some(action) = self.machine.poll() {
            match action {
                Action::TakeSample { look } => {
                    let sample = Sample {
                        source: Source::Schedstat,
                        threads: vec![ThreadTimes {
                            tid: 1,
                            cpu: self.cpu,
                            run_delay: Duration::ZERO,
                            runnable: self.runnable,
                        }],
                    };
                    self.machine
                        .handle(self.now, Event::Sampled { look, sample });
                }
                Action::ReportSlow(_) => self.slow += 1,
                Action::Abandon(reason) => self.abandoned = Some((reason, self.now - self.start)),
            }
        }
    }

    /// Lets time pass, ticking at each deadline as a driver does.
    pub(super) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some((at, _)) = self.machine.deadline() {
            if at > end {
                break;
            }
            self.advance_to(at);
            self.tell(Event::Tick);
        }
        self.advance_to(end);
    }

    /// Time passes without a tick: the process is stopped.
    pub(super) fn stop(&mut self, span: Duration) {
        self.now += span;
    }

    pub(super) fn advance_to(&mut self, at: Instant) {
        let span = at.saturating_duration_since(self.now);
        self.cpu += span * self.load / 100;
        self.now = self.now.max(at);
    }
}

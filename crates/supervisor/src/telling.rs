// SPDX-License-Identifier: MPL-2.0
//! What a session sends besides its output: facts about itself, of which the latest
//! counts, and things that are told, which wait here for the listener.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many told things may wait for the listener. Few where interleavings are explored.
const ROOM: usize = if cfg!(test) { 4 } else { 64 };
/// The longest that others wait for the listener to handle one told thing. It runs
/// handlers of the application, which may hang.
const PATIENCE: Duration = Duration::from_secs(1);

/// Facts, of a type that the session and its element agree on.
pub(crate) type Facts = Arc<dyn Any + Send + Sync>;

/// See the module's description.
pub(crate) struct Telling<O> {
    facts: Option<Facts>,
    /// The output task has not been notified of the latest facts.
    facts_changed: bool,
    waiting: VecDeque<O>,
    /// Things told so far, and those that were handled or dropped.
    told: u64,
    over: u64,
    /// Nothing more is told.
    is_silent: bool,
    /// Told things that were dropped since the listener got one.
    missed: u64,
    /// When the listener got its latest, or was called; `None` if it has nothing to do.
    listens_since: Option<Instant>,
}

impl<O> Telling<O> {
    pub(crate) fn new() -> Self {
        Self {
            facts: None,
            facts_changed: false,
            waiting: VecDeque::new(),
            told: 0,
            over: 0,
            is_silent: false,
            missed: 0,
            listens_since: None,
        }
    }

    /// The latest facts.
    pub(crate) fn facts(&self) -> Option<Facts> {
        self.facts.clone()
    }

    /// Returns the replaced facts. The caller must drop them without the lock.
    pub(crate) fn publish(&mut self, facts: Facts) -> Option<Facts> {
        self.facts_changed = true;
        self.facts.replace(facts)
    }

    /// Whether there are new facts since this was asked last.
    pub(crate) fn take_facts_changed(&mut self) -> bool {
        std::mem::take(&mut self.facts_changed)
    }

    // ---- told things

    /// How many were told so far.
    pub(crate) fn told(&self) -> u64 {
        self.told
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= ROOM
    }

    /// Whether to wake those that wait for room: a wake-up serves several things.
    pub(crate) fn runs_low(&self) -> bool {
        self.waiting.len() <= ROOM / 2
    }

    /// Whether the first `told` things are over: handled, or dropped.
    pub(crate) fn are_over(&self, told: u64) -> bool {
        self.over >= told
    }

    /// Until when to wait for the end of the first `told` things; `None` if they are over,
    /// or if the listener takes too long.
    pub(crate) fn awaited(&self, told: u64, now: Instant) -> Option<Instant> {
        let until = self.listens_since? + PATIENCE;
        (!self.are_over(told) && now < until).then_some(until)
    }

    /// From now on nothing is told. The caller must drop what waited without the lock.
    pub(crate) fn silence(&mut self) -> VecDeque<O> {
        self.is_silent = true;
        self.over += self.waiting.len() as u64;
        std::mem::take(&mut self.waiting)
    }

    /// Returns the oldest if there are too many, or the thing itself if nothing more is
    /// told. The caller must drop it without the lock.
    pub(crate) fn tell(&mut self, thing: O) -> Option<O> {
        if self.is_silent {
            return Some(thing);
        }
        let oldest = self.is_full().then(|| self.waiting.pop_front()).flatten();
        if oldest.is_some() {
            self.missed += 1;
            self.over += 1;
        }
        self.told += 1;
        self.waiting.push_back(thing);
        oldest
    }

    /// Whether the listener's thread has to be started.
    pub(crate) fn begins(&mut self, now: Instant) -> bool {
        let begins = self.listens_since.is_none() && !self.waiting.is_empty();
        if !begins {
            return false;
        }
        self.listens_since = Some(now);
        true
    }

    /// The next thing for the listener, and how many were dropped before it; `None` if it
    /// has nothing more to do.
    pub(crate) fn take(&mut self, now: Instant) -> Option<(O, u64)> {
        let next = self.waiting.pop_front();
        self.listens_since = next.is_some().then_some(now);
        Some((next?, std::mem::take(&mut self.missed)))
    }

    /// The listener has handled what it got.
    pub(crate) fn handled(&mut self) {
        self.over += 1;
    }

    /// There is no thread for the listener.
    pub(crate) fn cannot_begin(&mut self) {
        self.listens_since = None;
    }
}

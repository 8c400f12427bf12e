// SPDX-License-Identifier: MPL-2.0
//! What a session sends besides its output: facts about itself, of which the latest
//! counts, and things that are told at once, of which the newest are kept.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::Arc;

use crate::Next;

/// How many told things may wait for the output task. While downstream blocks it, a
/// codec may go on telling; later only the newest are useful.
const KEPT: usize = 16;

/// Facts, of a type that the session and its element agree on.
pub(crate) type Facts = Arc<dyn Any + Send + Sync>;

/// See the module's description.
pub(crate) struct Telling<O> {
    facts: Option<Facts>,
    /// The output task has not been notified of the latest facts.
    facts_changed: bool,
    told: VecDeque<O>,
    /// Told things that were dropped since one was fetched.
    missed: u64,
}

impl<O> Telling<O> {
    pub(crate) fn new() -> Self {
        Self {
            facts: None,
            facts_changed: false,
            told: VecDeque::new(),
            missed: 0,
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

    /// Returns the oldest if there are too many. The caller must drop it without the
    /// lock.
    pub(crate) fn tell(&mut self, told: O) -> Option<O> {
        self.told.push_back(told);
        if self.told.len() <= KEPT {
            return None;
        }
        self.missed += 1;
        self.told.pop_front()
    }

    /// The next notification for the output task, ahead of more output.
    pub(crate) fn next(&mut self) -> Option<Next<O>> {
        if std::mem::take(&mut self.facts_changed) {
            return Some(Next::FactsChanged);
        }
        let told = self.told.pop_front()?;
        let missed = std::mem::take(&mut self.missed);
        Some(Next::Told { told, missed })
    }
}

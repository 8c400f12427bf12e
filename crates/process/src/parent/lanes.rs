// SPDX-License-Identifier: MPL-2.0
//! The lanes that a child says it has, besides its main one, and the names of its calls.

use std::collections::HashSet;
use std::time::Duration;

use codecwatch_supervisor::{Lane, Name, RemoteCalls};

use crate::message::{LANES, is_name};
use crate::wire::Broken;

/// The most names of calls that are kept, and what all others are called.
const NAMES: usize = 256;
const OTHER_CALLS: Name = Name::from_static("other calls");

pub(super) struct Lanes<O> {
    lanes: [LaneState<O>; LANES as usize],
    /// How long the calls of each lane took together.
    took: [Duration; LANES as usize],
    names: HashSet<Name>,
}

/// A lane's number is used once.
enum LaneState<O> {
    Unused,
    Runs(RemoteCalls<O>),
    Ended,
}

impl<O> Default for Lanes<O> {
    fn default() -> Self {
        Self {
            lanes: std::array::from_fn(|_| LaneState::Unused),
            took: [Duration::ZERO; LANES as usize],
            names: HashSet::new(),
        }
    }
}

impl<O: Send + 'static> Lanes<O> {
    /// The name of a call. Names repeat, so few are kept, each once.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn name(&mut self, name: Name) -> Result<Name, Broken> {
        if let Some(known) = self.names.get(&name) {
            return Ok(known.clone());
        }
        if !is_name(&name) {
            return Err(Broken::new("a name that is none"));
        }
        // Whoever sums up the times of calls keeps every name.
        if self.names.len() >= NAMES {
            return Ok(OTHER_CALLS);
        }
        self.names.insert(name.clone());
        Ok(name)
    }

    /// The calls of a lane.
    ///
    /// # Errors
    /// There is no such lane now.
    pub(super) fn calls(&self, lane: u8) -> Result<&RemoteCalls<O>, Broken> {
        match self.lanes.get(usize::from(lane)) {
            Some(LaneState::Runs(calls)) => Ok(calls),
            Some(LaneState::Ended) => Err(Broken::new(format!("lane {lane} has ended"))),
            _ => Err(Broken::new(format!("lane {lane} has not begun"))),
        }
    }

    /// How long a call took, as the child says: the calls of a lane take no longer together
    /// than the session has `lived`.
    pub(super) fn took(&mut self, lane: u8, said: Duration, lived: Duration) -> Duration {
        let Some(together) = self.took.get_mut(usize::from(lane)) else {
            return Duration::ZERO;
        };
        let took = said.min(lived.saturating_sub(*together));
        *together += took;
        took
    }

    /// A lane of the session that `main` is the first of.
    ///
    /// # Errors
    /// It cannot be, or is one too many.
    pub(super) fn begin(&mut self, lane: u8, name: &str, main: &Lane<O>) -> Result<(), Broken> {
        let state = self.lanes.get_mut(usize::from(lane));
        let Some(state) = state.filter(|_| lane != 0 && is_name(name)) else {
            return Err(Broken::new(format!("lane {lane} cannot be")));
        };
        if !matches!(state, LaneState::Unused) {
            return Err(Broken::new(format!("lane {lane} begins twice")));
        }
        *state = LaneState::Runs(main.remote_lane(name));
        Ok(())
    }

    /// A lane ends when what is returned is dropped.
    ///
    /// # Errors
    /// There is no such lane now.
    pub(super) fn end(&mut self, lane: u8) -> Result<RemoteCalls<O>, Broken> {
        let state = self.lanes.get_mut(usize::from(lane));
        let runs = state.filter(|state| matches!(state, LaneState::Runs(_)));
        match runs.map(|state| std::mem::replace(state, LaneState::Ended)) {
            Some(LaneState::Runs(calls)) => Ok(calls),
            _ => Err(Broken::new(format!("lane {lane} ends and does not run"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_of_a_lane_take_no_longer_than_the_session_has_lived() {
        let mut lanes = Lanes::<()>::default();
        let [second, two] = [1, 2].map(Duration::from_secs);
        assert_eq!(lanes.took(0, second, two), second);
        assert_eq!(lanes.took(0, Duration::MAX, two), second);
        assert_eq!(lanes.took(0, second, two), Duration::ZERO);
        assert_eq!(lanes.took(1, two, two), two, "each lane has its own time");
        assert_eq!(lanes.took(LANES, second, two), Duration::ZERO);
    }
}

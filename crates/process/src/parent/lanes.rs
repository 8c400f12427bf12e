// SPDX-License-Identifier: MPL-2.0
//! The lanes that a child says it has, besides its main one, and the names of its calls.

use std::collections::HashSet;

use codecwatch_supervisor::{Lane, Name, RemoteCalls};

use crate::message::LANES;
use crate::wire::Broken;

/// The most names of calls that are kept, and what all others are called.
const NAMES: usize = 256;
const OTHER_CALLS: Name = Name::from_static("other calls");
/// The most lanes that a child begins in its life: each task of a chain is one, and a chain
/// that is restarted is one in another child.
const MOST_LANES: u32 = 10_000;
/// Longest name of a call or a lane, in bytes.
pub(super) const LONGEST_NAME: usize = 200;

pub(super) struct Lanes<O> {
    lanes: Vec<Option<RemoteCalls<O>>>,
    begun: u32,
    names: HashSet<Name>,
}

impl<O> Default for Lanes<O> {
    fn default() -> Self {
        Self {
            lanes: Vec::new(),
            begun: 0,
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
        let found = self.lanes.get(usize::from(lane)).and_then(Option::as_ref);
        found.ok_or_else(|| Broken::new(format!("lane {lane} has not begun")))
    }

    /// A lane of the session that `main` is the first of.
    ///
    /// # Errors
    /// It cannot be, or is one too many.
    pub(super) fn begin(&mut self, lane: u8, name: &str, main: &Lane<O>) -> Result<(), Broken> {
        let index = usize::from(lane);
        if lane == 0 || lane >= LANES || !is_name(name) {
            return Err(Broken::new(format!("lane {lane} cannot be")));
        }
        self.begun += 1;
        if self.begun > MOST_LANES {
            return Err(Broken::new(format!(
                "it begins more than {MOST_LANES} lanes"
            )));
        }
        if self.lanes.len() <= index {
            self.lanes.resize_with(index + 1, || None);
        }
        if self.lanes[index].is_some() {
            return Err(Broken::new(format!("lane {lane} begins twice")));
        }
        self.lanes[index] = Some(main.remote_lane(name));
        Ok(())
    }

    /// A lane ends when what is returned is dropped.
    ///
    /// # Errors
    /// There is no such lane now.
    pub(super) fn end(&mut self, lane: u8) -> Result<RemoteCalls<O>, Broken> {
        let found = self.lanes.get_mut(usize::from(lane));
        let calls = found.and_then(Option::take);
        calls.ok_or_else(|| Broken::new(format!("lane {lane} ends and has not begun")))
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME && !name.chars().any(char::is_control)
}

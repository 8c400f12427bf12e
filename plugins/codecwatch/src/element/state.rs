// SPDX-License-Identifier: MPL-2.0
//! What the element knows of its stream.

use std::sync::Arc;

use codecwatch_hosted::{Chain, Entrance};

use super::children::Children;
use super::queries::Ends;
use super::skipped::Skipped;

/// See the module's description.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The chain that the property names, from READY on.
    pub(super) chain: Option<Arc<Chain>>,
    /// What the registry knows of the chain that the property names.
    pub(super) ends: Ends,
    /// The way to READY or PAUSED has ended with an error of the property `codec`.
    pub(super) refused: bool,
    /// The number of the next frame.
    pub(super) next_frame: u32,
    pub(super) segment: gst::Segment,
    /// The restarts before the session that takes input.
    pub(super) restarts: u32,
    pub(super) skipped: Skipped,
    /// Leads into the chain that takes input.
    pub(super) entrance: Arc<Entrance>,
    /// The elements of the chain as an application sees them.
    pub(super) children: Children,
}

impl State {
    /// The state when the element has stopped: what is known of the chain stays.
    pub(super) fn stopped(&mut self) -> Self {
        Self {
            chain: self.chain.clone(),
            children: std::mem::take(&mut self.children),
            ends: std::mem::take(&mut self.ends),
            ..Self::default()
        }
    }

    /// The number of a frame.
    pub(super) fn number(&mut self) -> u32 {
        let number = self.next_frame;
        self.next_frame = number.wrapping_add(1);
        number
    }
}

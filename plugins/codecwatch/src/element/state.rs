// SPDX-License-Identifier: MPL-2.0
//! What the element knows of its stream.

use std::sync::Arc;

use codecwatch_hosted::Chain;

use super::children::Children;
use super::key_frame_wait::KeyFrameWait;

/// See the module's description.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The chain that the property names, from READY on.
    pub(super) chain: Option<Arc<Chain>>,
    /// The number of the next frame.
    pub(super) next_frame: u32,
    pub(super) segment: gst::Segment,
    pub(super) key_frame_wait: KeyFrameWait,
    /// The elements of the chain as an application sees them.
    pub(super) children: Children,
}

impl State {
    /// The state when the element has stopped: chain and children stay.
    pub(super) fn stopped(&mut self) -> Self {
        Self {
            chain: self.chain.clone(),
            children: std::mem::take(&mut self.children),
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

// SPDX-License-Identifier: MPL-2.0
//! What a live source is given while the pipeline is paused.
//!
//! It gives nothing then. From GStreamer 1.24 on appsrc does not even take it: its
//! base class ends `create` with the pause, and until its task runs again every
//! buffer and EOS is answered with Flushing. So it waits here for PLAYING.

use std::time::Duration;

use super::{Stage, wait};
use crate::scenario::Source;

/// What appsrc has to start again after PLAYING.
const STARTS: Duration = Duration::from_secs(5);

/// In the order in which the source is given it.
#[derive(Debug, Clone)]
pub(super) enum Item {
    Buffer(gst::Buffer),
    Caps(gst::Caps),
    End,
}

impl Stage<'_> {
    /// Gives the source something, or keeps it until PLAYING; false where it is not
    /// taken.
    pub(super) fn give(&mut self, item: Item) -> bool {
        let live = self.scenario.source == Source::Live;
        if live && self.wanted == gst::State::Paused {
            self.held.push(item);
            return true;
        }
        self.hand(&item)
    }

    /// The pipeline plays: the source is given what was kept.
    pub(super) fn give_held(&mut self) -> bool {
        let held = std::mem::take(&mut self.held);
        held.iter().all(|item| self.hand(item))
    }

    /// A flush: what was kept is dropped as what is inside is; caps stay.
    pub(super) fn flush_held(&mut self) {
        self.held.retain(|item| matches!(item, Item::Caps(_)));
    }

    fn hand(&self, item: &Item) -> bool {
        let live = self.scenario.source == Source::Live;
        let offer = || match item {
            Item::Buffer(buffer) => self.source.push_buffer(buffer.clone()),
            Item::Caps(caps) => {
                self.source.set_caps(Some(caps));
                Ok(gst::FlowSuccess::Ok)
            }
            Item::End => self.source.end_of_stream(),
        };
        let mut answer = offer();
        if live && self.wanted == gst::State::Playing {
            wait(STARTS, || {
                if answer == Err(gst::FlowError::Flushing) && !self.has_ended() {
                    answer = offer();
                }
                answer != Err(gst::FlowError::Flushing) || self.has_ended()
            });
        }
        if answer.is_ok() && matches!(item, Item::Buffer(_)) {
            self.watch.seen().life.given += 1;
        }
        // Where the element has failed, the bus says why.
        answer.is_ok() || self.has_ended()
    }
}

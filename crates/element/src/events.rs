// SPDX-License-Identifier: MPL-2.0
//! Sink events: what has to happen before the base class sees them, and which
//! it must not see at all. Here is the rule that EOS follows only a complete
//! stream.

use codecwatch_supervisor::DrainResult;
use gst::subclass::prelude::*;

use crate::{CAT, Supervised, Supervision};

/// What to do with a sink event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventDisposition {
    /// Chain it up.
    Forward,
    /// Drop it, and answer upstream that it was taken.
    Swallow,
    /// Drop it, and answer upstream that it could not be taken.
    Refuse,
}

impl<I: Send + 'static, O: Send + 'static> Supervision<I, O> {
    /// To be called with every sink event before it is chained up. May wait for
    /// a drain, bounded by the watchdog; holds no lock meanwhile.
    pub fn sink_event<T>(&self, imp: &T, event: &gst::Event) -> EventDisposition
    where
        T: Supervised<Input = I, Output = O>,
    {
        match event.view() {
            gst::EventView::FlushStart(_) => {
                self.prepare_flush();
                EventDisposition::Forward
            }
            gst::EventView::FlushStop(_) => {
                self.flush(imp);
                EventDisposition::Forward
            }
            gst::EventView::Eos(_) | gst::EventView::SegmentDone(_) => self.end_of_stream(imp),
            // What comes later may not overtake the frames that are inside.
            gst::EventView::Gap(_) | gst::EventView::StreamGroupDone(_) => self.before(imp, false),
            _ => EventDisposition::Forward,
        }
    }

    /// To be called before new caps take effect: the frames of the old ones come
    /// out first.
    pub fn before_new_format<T>(&self, imp: &T) -> EventDisposition
    where
        T: Supervised<Input = I, Output = O>,
    {
        self.before(imp, true)
    }

    pub(crate) fn before<T>(&self, imp: &T, last: bool) -> EventDisposition
    where
        T: Supervised<Input = I, Output = O>,
    {
        match self.drain(imp, last) {
            DrainResult::Complete => EventDisposition::Forward,
            // Caps or a segment that are refused are sent again with the next
            // buffer, and upstream would be answered NotNegotiated, also in the
            // middle of a seek or of a state change. The buffers themselves get
            // the true answer. A flushing pad takes no sticky event, whatever is
            // said here: it comes again after the flush.
            DrainResult::Failed | DrainResult::Cancelled => EventDisposition::Swallow,
        }
    }

    fn end_of_stream<T>(&self, imp: &T) -> EventDisposition
    where
        T: Supervised<Input = I, Output = O>,
    {
        match self.drain(imp, true) {
            DrainResult::Complete => EventDisposition::Forward,
            // Downstream has had enough: it is complete for whoever asked for it.
            DrainResult::Cancelled if self.lock().flow == Err(gst::FlowError::Eos) => {
                EventDisposition::Forward
            }
            DrainResult::Cancelled => {
                // Where no buffer comes any more, upstream will not learn of it.
                if let Err(flow @ (gst::FlowError::NotNegotiated | gst::FlowError::Error)) =
                    self.lock().flow
                {
                    gst::element_imp_error!(
                        imp,
                        gst::StreamError::Failed,
                        ("Downstream did not take the end of the stream: {flow}")
                    );
                }
                EventDisposition::Refuse
            }
            DrainResult::Failed => {
                gst::warning!(
                    CAT,
                    imp = imp,
                    "the stream is not complete: EOS is swallowed"
                );
                EventDisposition::Swallow
            }
        }
    }
}

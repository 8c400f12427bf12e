// SPDX-License-Identifier: MPL-2.0
//! Events: what has to happen before the base class sees them, and which it must not
//! see at all. Implements the rule that EOS follows only a complete stream. The rule
//! for each event: `event_table`.

use codecwatch_supervisor::DrainResult;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::event_table::{Circumstances, EventRule, SrcRule, sink_rule, src_rule};
use crate::report::EndReason;
use crate::{CAT, Supervised, Supervision};

/// What to do with a sink event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventDisposition {
    /// Chain it up.
    Forward,
    /// Drop it, and report to upstream that it was handled.
    Swallow,
    /// Drop it, and report to upstream that it was not handled.
    Refuse,
}

impl EventDisposition {
    /// Logs it. Must be called where it is acted on.
    pub fn trace<T: Supervised>(self, imp: &T, event: &gst::Event) {
        gst::trace!(CAT, imp = imp, "{:?}: {self:?}", event.type_());
    }

    /// Chains the event up if it may pass. Returns what to report to upstream.
    pub(crate) fn apply<T: Supervised>(
        self,
        imp: &T,
        event: gst::Event,
        chain_up: impl FnOnce(gst::Event) -> bool,
    ) -> bool {
        self.trace(imp, &event);
        match self {
            Self::Forward => chain_up(event),
            Self::Swallow => true,
            Self::Refuse => false,
        }
    }
}

impl<I: Send + 'static, O: Send + 'static> Supervision<I, O> {
    /// Must be called with every sink event before it is chained up. `found`: what the
    /// rule for it depends on. May wait for a drain, bounded by the watchdog; holds no
    /// lock meanwhile.
    pub fn sink_event<T>(
        &self,
        imp: &T,
        event: &gst::Event,
        found: Circumstances,
    ) -> EventDisposition
    where
        T: Supervised<Input = I, Output = O>,
    {
        let rule = sink_rule(T::BASE, event, found);
        gst::trace!(CAT, imp = imp, "{:?}: {rule:?}", event.type_());
        match rule {
            EventRule::Pass => EventDisposition::Forward,
            EventRule::NewFlow => {
                self.lock().flow_returns.void();
                EventDisposition::Forward
            }
            EventRule::DrainFirst => self.drain_before(imp),
            EventRule::DrainForFormat => disposition_of(self.drain(imp, true)),
            EventRule::DrainBeforeNewFlow => {
                let disposition = self.drain_before(imp);
                self.lock().flow_returns.void();
                disposition
            }
            EventRule::DrainAndEnd => self.end_of_stream(imp),
            EventRule::FlushStart => {
                self.prepare_flush();
                EventDisposition::Forward
            }
            EventRule::FlushStop => {
                self.flush(imp);
                EventDisposition::Forward
            }
        }
    }

    /// Must be called with every event from downstream before it is chained up. Never
    /// waits. Returns where it goes, which is up to the caller.
    pub fn src_event<T>(&self, imp: &T, event: &gst::Event) -> SrcRule
    where
        T: Supervised<Input = I, Output = O>,
    {
        let rule = src_rule(T::BASE, event);
        gst::trace!(
            CAT,
            imp = imp,
            "{:?} from downstream: {rule:?}",
            event.type_()
        );
        if event.type_() == gst::EventType::Reconfigure {
            self.lock().flow_returns.void();
        }
        rule
    }

    /// Watches the source pad for a new link. Must be called once, when the element is
    /// constructed. (A link may come without RECONFIGURE.)
    pub fn watch_links<T>(imp: &T)
    where
        T: Supervised<Input = I, Output = O>,
    {
        let element = imp.obj();
        let Some(pad) = element.upcast_ref::<gst::Element>().static_pad("src") else {
            return;
        };
        let weak = element.downgrade();
        pad.connect_linked(move |_, _| {
            if let Some(element) = weak.upgrade() {
                let supervision = T::from_obj(&element).supervision();
                supervision.lock().flow_returns.void();
                if let Some(published) = supervision.published() {
                    published.identify(element.upcast_ref());
                }
            }
        });
    }

    /// Records a flow return of downstream that the output task did not receive, such
    /// as that for a group of pictures stored in reverse playback.
    pub fn note_answer(&self, flow: Result<gst::FlowSuccess, gst::FlowError>) {
        self.lock().note_delivery(None, Some(flow));
    }

    /// Drains before what must not overtake the frames inside. The session goes on
    /// afterwards. Waits, bounded by the watchdog.
    pub fn drain_before<T>(&self, imp: &T) -> EventDisposition
    where
        T: Supervised<Input = I, Output = O>,
    {
        disposition_of(self.drain(imp, false))
    }

    fn end_of_stream<T>(&self, imp: &T) -> EventDisposition
    where
        T: Supervised<Input = I, Output = O>,
    {
        match self.drain(imp, true) {
            DrainResult::Complete => self.end_of_output(imp),
            DrainResult::Cancelled => EventDisposition::Refuse,
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

    /// Everything is out; checks whether downstream has taken it.
    fn end_of_output<T>(&self, imp: &T) -> EventDisposition
    where
        T: Supervised<Input = I, Output = O>,
    {
        let (flow, refused) = {
            let line = self.lock();
            (line.flow_returns.flow(), line.flow_returns.refused())
        };
        if let Some(flow) = refused {
            // No buffer follows whose flow return would report it to upstream.
            let text = format!("Downstream did not accept the last output of the stream: {flow}");
            let _error = self.end_with(
                imp,
                gst::StreamError::Failed,
                EndReason::OutputRefused,
                &text,
            );
            return EventDisposition::Refuse;
        }
        match flow {
            Err(gst::FlowError::Flushing) => EventDisposition::Refuse,
            // Downstream returned EOS or is not linked: it needs no more, so the stream
            // is complete.
            _ => EventDisposition::Forward,
        }
    }
}

fn disposition_of(end: DrainResult) -> EventDisposition {
    match end {
        DrainResult::Complete => EventDisposition::Forward,
        // Refused caps or segments are sent again with the next buffer, and upstream
        // would receive NotNegotiated, also in the middle of a seek or of a state
        // change. The buffers themselves get the true flow return. A flushing pad
        // stores no sticky event, whatever is returned here: the event comes again
        // after the flush.
        DrainResult::Failed | DrainResult::Cancelled => EventDisposition::Swallow,
    }
}

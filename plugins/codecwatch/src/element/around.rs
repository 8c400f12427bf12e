// SPDX-License-Identifier: MPL-2.0
//! The pipeline around a hosted chain.

use codecwatch_hosted::Outside;
use gst::glib;
use gst::prelude::*;

use super::CodecWatch;

/// The element, as long as it lives: a chain that is given up may outlive it.
pub(super) struct Around(pub(super) glib::WeakRef<CodecWatch>);

impl Around {
    fn pad(&self, name: &str) -> Option<gst::Pad> {
        self.0.upgrade()?.static_pad(name)
    }
}

impl Outside for Around {
    fn query_upstream(&self, query: &mut gst::QueryRef) -> bool {
        self.pad("sink").is_some_and(|pad| pad.peer_query(query))
    }

    fn query_downstream(&self, query: &mut gst::QueryRef) -> bool {
        self.pad("src").is_some_and(|pad| pad.peer_query(query))
    }

    fn send_upstream(&self, event: gst::Event) -> bool {
        self.pad("sink").is_some_and(|pad| pad.push_event(event))
    }

    fn need_context(&self, context_type: &str) {
        let Some(element) = self.0.upgrade() else {
            return;
        };
        let message = gst::message::NeedContext::builder(context_type)
            .src(&element)
            .build();
        let _ = element.post_message(message);
    }

    fn contexts(&self) -> Vec<gst::Context> {
        let element = self.0.upgrade();
        element.map_or_else(Vec::new, |element| element.contexts())
    }

    fn clock(&self) -> (Option<gst::Clock>, Option<gst::ClockTime>) {
        let Some(element) = self.0.upgrade() else {
            return (None, None);
        };
        (element.clock(), element.base_time())
    }
}

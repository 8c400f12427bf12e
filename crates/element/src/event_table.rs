// SPDX-License-Identifier: MPL-2.0
//! The table of events: how each is handled, for encoders, decoders, and
//! chains that get the events themselves.
//!
//! | event | encoder | decoder | hosted chain |
//! |---|---|---|---|
//! | FLUSH_START | every wait returns; passes at once | the same | the same |
//! | FLUSH_STOP | drops what is inside; passes at once | the same | the same |
//! | CAPS | new ones: drained, the session ends | the same where the bitstream is another one; otherwise in line | to the chain |
//! | STREAM_START | in line | drained first | to the chain |
//! | SEGMENT | in line | in line; a change of direction: drained first | to the chain |
//! | GAP | in line | drained first where that costs nothing, otherwise at once | to the chain |
//! | EOS | drained, the session ends | the same | the same |
//! | SEGMENT_DONE | drained, the session ends | the same | to the chain |
//! | custom, still frame begins | in line | drained first | to the chain |
//! | every other serialized event | in line | in line | to the chain |
//! | every other event from upstream | passes at once | the same | the same |
//! | SEEK | passes at once | the same | passes at once; if upstream does not seek, to the chain |
//! | every other event from downstream | passes at once | the same | to the chain |
//!
//! *In line*: the base class keeps the event with the next frame and pushes it when
//! that comes out, so that it cannot overtake the frames inside. *Drained first*: the
//! base class would push it at once, or needs everything out for it; so the codec is
//! drained before it is chained up. *Drained, the session ends*: the same, and the
//! next frame opens a new session. *To the chain*: it goes to the hosted elements in
//! order with the frames, and they decide; from downstream, as soon as the current call
//! has returned.
//!
//! After a drain that ends in a restart the event passes: the loss was posted. After
//! one that ends in an error it is swallowed. If a flush or a stop cancels the drain,
//! caps and segments are swallowed, which upstream sends again, and EOS is refused.

use crate::BaseClass;

/// How an event is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventRule {
    /// Nothing has to happen before: the base class puts it in line, or passes it at
    /// once if it is not serialized.
    Pass,
    /// Flow returns for the frames before it do not hold for those after it.
    NewFlow,
    /// The codec is drained, and goes on afterwards.
    DrainFirst,
    /// Both [`DrainFirst`](Self::DrainFirst) and [`NewFlow`](Self::NewFlow).
    DrainBeforeNewFlow,
    /// The codec is drained, and its session ends: the next frame has another format.
    DrainForFormat,
    /// The codec is drained, and its session ends. Nothing passes unless
    /// everything is out.
    DrainAndEnd,
    /// Every wait returns.
    FlushStart,
    /// What is inside is dropped.
    FlushStop,
}

/// Where an event from downstream goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SrcRule {
    /// Upstream, at once.
    Pass,
    /// To the hosted elements, which decide.
    ToChain,
    /// Upstream, at once; to the hosted elements if upstream does not handle it.
    PassOrToChain,
}

/// What the rule for a sink event depends on besides the event and the class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Circumstances {
    /// CAPS: the session cannot go on with them.
    pub ends_session: bool,
    /// SEGMENT: the direction of playback changes.
    pub changes_direction: bool,
    /// GAP: a drain would cost the session its references.
    pub holds_back: bool,
}

/// The rule for a sink event.
pub(crate) fn sink_rule(base: BaseClass, event: &gst::EventRef, found: Circumstances) -> EventRule {
    use gst::EventView;
    let decodes = base == BaseClass::VideoDecoder;
    match event.view() {
        EventView::FlushStart(_) => EventRule::FlushStart,
        EventView::FlushStop(_) => EventRule::FlushStop,
        EventView::Eos(_) => EventRule::DrainAndEnd,
        EventView::SegmentDone(_) if base == BaseClass::Element => EventRule::Pass,
        EventView::SegmentDone(_) => EventRule::DrainAndEnd,
        EventView::Caps(_) if found.ends_session => EventRule::DrainForFormat,
        EventView::StreamStart(_) if decodes => EventRule::DrainBeforeNewFlow,
        EventView::Segment(_) if decodes && found.changes_direction => {
            EventRule::DrainBeforeNewFlow
        }
        EventView::StreamStart(_) | EventView::Segment(_) => EventRule::NewFlow,
        EventView::Gap(_) if decodes && !found.holds_back => EventRule::DrainFirst,
        EventView::CustomDownstream(_) if decodes && begins_still(event) => EventRule::DrainFirst,
        _ => EventRule::Pass,
    }
}

/// Where an event from downstream goes.
pub(crate) fn src_rule(base: BaseClass, event: &gst::EventRef) -> SrcRule {
    match (base, event.type_()) {
        (BaseClass::VideoEncoder | BaseClass::VideoDecoder, _) => SrcRule::Pass,
        (BaseClass::Element, gst::EventType::Seek) => SrcRule::PassOrToChain,
        (BaseClass::Element, _) => SrcRule::ToChain,
    }
}

fn begins_still(event: &gst::EventRef) -> bool {
    gst_video::StillFrameEvent::parse(event).is_ok_and(|still| still.in_still)
}

#[cfg(test)]
#[path = "event_table_tests.rs"]
mod tests;

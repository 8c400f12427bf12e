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
    /// The codec is drained, and its session ends. Nothing passes unless
    /// everything is out.
    DrainAndEnd,
    /// Every wait returns.
    FlushStart,
    /// What is inside is dropped.
    FlushStop,
}

/// The rule for a sink event.
pub(crate) fn sink_rule(base: BaseClass, event: &gst::EventRef) -> EventRule {
    use gst::EventView;
    let decodes = base == BaseClass::VideoDecoder;
    match event.view() {
        EventView::FlushStart(_) => EventRule::FlushStart,
        EventView::FlushStop(_) => EventRule::FlushStop,
        EventView::Eos(_) => EventRule::DrainAndEnd,
        EventView::SegmentDone(_) if base == BaseClass::Element => EventRule::Pass,
        EventView::SegmentDone(_) => EventRule::DrainAndEnd,
        EventView::StreamStart(_) if decodes => EventRule::DrainBeforeNewFlow,
        EventView::StreamStart(_) | EventView::Segment(_) => EventRule::NewFlow,
        EventView::Gap(_) if decodes => EventRule::DrainFirst,
        EventView::CustomDownstream(_) if decodes && begins_still(event) => EventRule::DrainFirst,
        _ => EventRule::Pass,
    }
}

fn begins_still(event: &gst::EventRef) -> bool {
    gst_video::StillFrameEvent::parse(event).is_ok_and(|still| still.in_still)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoder_is_drained_at_the_end_of_a_stream_alone() {
        gst::init().unwrap();
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        let still = gst_video::StillFrameEvent::builder(true).build();
        let events = [
            gst::event::StreamStart::new("a"),
            gst::event::Segment::new(&segment),
            gst::event::Gap::builder(gst::ClockTime::ZERO).build(),
            gst::event::Tag::new(gst::TagList::new()),
            gst::event::StreamGroupDone::new(gst::GroupId::next()),
            still,
        ];
        for event in &events {
            let rule = sink_rule(BaseClass::VideoEncoder, event);
            assert!(
                matches!(rule, EventRule::Pass | EventRule::NewFlow),
                "{event:?}: {rule:?}"
            );
        }
        for event in [
            gst::event::Eos::new(),
            gst::event::SegmentDone::new(gst::ClockTime::ZERO),
        ] {
            assert_eq!(
                sink_rule(BaseClass::VideoEncoder, &event),
                EventRule::DrainAndEnd
            );
        }
    }

    #[test]
    fn a_decoder_is_drained_before_what_its_base_class_pushes_at_once() {
        gst::init().unwrap();
        let rule = |event: gst::Event| sink_rule(BaseClass::VideoDecoder, &event);
        let stream = gst::event::StreamStart::new("a");
        assert_eq!(rule(stream), EventRule::DrainBeforeNewFlow);
        let gap = gst::event::Gap::builder(gst::ClockTime::ZERO).build();
        assert_eq!(rule(gap), EventRule::DrainFirst);
        let begins = gst_video::StillFrameEvent::builder(true).build();
        assert_eq!(rule(begins), EventRule::DrainFirst);
        let ends = gst_video::StillFrameEvent::builder(false).build();
        assert_eq!(rule(ends), EventRule::Pass);
        let group = gst::event::StreamGroupDone::new(gst::GroupId::next());
        assert_eq!(rule(group), EventRule::Pass);
    }

    #[test]
    fn the_documentation_shows_the_table() {
        let row = |line: &str| line.strip_prefix("//! |").map(|rest| format!("|{rest}"));
        let table: Vec<_> = include_str!("event_table.rs")
            .lines()
            .filter_map(row)
            .collect();
        let page = include_str!("../../../docs/ARCHITECTURE.md");
        assert!(table.len() > 10);
        assert!(
            page.contains(&table.join("\n")),
            "ARCHITECTURE.md has another table"
        );
    }
}

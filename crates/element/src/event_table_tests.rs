// SPDX-License-Identifier: MPL-2.0
//! The rules do what the rows of the documented table say, for each base class.

use super::*;

const BASES: [BaseClass; 3] = [
    BaseClass::VideoEncoder,
    BaseClass::VideoDecoder,
    BaseClass::Element,
];

/// The table, as the module's description has it.
fn table() -> Vec<&'static str> {
    let lines = include_str!("event_table.rs").lines();
    lines
        .filter_map(|line| line.strip_prefix("//! "))
        .filter(|line| line.starts_with('|'))
        .collect()
}

/// The event and what is said of it for each of [`BASES`], where "the same" is filled in.
fn rows() -> Vec<(&'static str, [String; 3])> {
    let of_row = |row: &'static str| {
        let mut cells = row.trim_matches('|').split('|').map(str::trim);
        let name = cells.next().unwrap();
        let mut said: Vec<String> = Vec::new();
        for cell in cells {
            let before = said.last().cloned().unwrap_or_default();
            said.push(cell.replace("the same", &before));
        }
        (name, said.try_into().unwrap())
    };
    table().into_iter().skip(2).map(of_row).collect()
}

/// Events of a row from upstream; `None` for one from downstream.
fn events(row: &str) -> Option<Vec<gst::Event>> {
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    let custom = gst::Structure::new_empty("custom");
    Some(match row {
        "FLUSH_START" => vec![gst::event::FlushStart::new()],
        "FLUSH_STOP" => vec![gst::event::FlushStop::new(true)],
        "CAPS" => vec![gst::event::Caps::new(&gst::Caps::new_empty_simple(
            "video/x-raw",
        ))],
        "STREAM_START" => vec![gst::event::StreamStart::new("a")],
        "SEGMENT" => vec![gst::event::Segment::new(&segment)],
        "GAP" => vec![gst::event::Gap::builder(gst::ClockTime::ZERO).build()],
        "EOS" => vec![gst::event::Eos::new()],
        "SEGMENT_DONE" => vec![gst::event::SegmentDone::new(gst::ClockTime::ZERO)],
        "custom, still frame begins" => vec![gst_video::StillFrameEvent::builder(true).build()],
        "every other serialized event" => vec![
            gst_video::StillFrameEvent::builder(false).build(),
            gst::event::Tag::new(gst::TagList::new()),
            gst::event::StreamGroupDone::new(gst::GroupId::next()),
            gst::event::CustomDownstream::new(custom),
        ],
        "every other event from upstream" => vec![gst::event::CustomDownstreamOob::new(custom)],
        "SEEK" | "every other event from downstream" => return None,
        row => panic!("no event for the row {row}"),
    })
}

/// The rules that words allow, in no special circumstances and in all of them.
fn meaning(words: &str) -> [&'static [EventRule]; 2] {
    use EventRule::*;
    const IN_LINE: &[EventRule] = &[Pass, NewFlow];
    const DRAINED: &[EventRule] = &[DrainFirst, DrainBeforeNewFlow];
    let always = |rules: &'static [EventRule]| [rules, rules];
    match words {
        "every wait returns; passes at once" => always(&[FlushStart]),
        "drops what is inside; passes at once" => always(&[FlushStop]),
        "in line" | "passes at once" | "to the chain" => always(IN_LINE),
        "drained first" => always(DRAINED),
        "drained, the session ends" => always(&[DrainAndEnd]),
        "new ones: drained, the session ends" => [IN_LINE, &[DrainForFormat]],
        "new ones: drained, the session ends where the bitstream is another one; otherwise in line" => {
            [IN_LINE, &[DrainForFormat]]
        }
        "in line; a change of direction: drained first" => [IN_LINE, DRAINED],
        "drained first where that costs nothing, otherwise at once" => [DRAINED, IN_LINE],
        words => panic!("no rules for the words {words}"),
    }
}

#[test]
fn each_row_says_what_the_rule_for_its_events_is() {
    gst::init().unwrap();
    let special = Circumstances {
        ends_session: true,
        changes_direction: true,
        holds_back: true,
    };
    let rows = rows();
    assert!(rows.len() > 10, "{rows:?}");
    for (row, said) in &rows {
        for (base, words) in BASES.into_iter().zip(said) {
            for event in events(row).into_iter().flatten() {
                let allowed = meaning(words);
                // A hosted chain has no circumstances: it gets the events itself.
                let found = match base {
                    BaseClass::Element => [Circumstances::default(); 2],
                    _ => [Circumstances::default(), special],
                };
                for (found, allowed) in found.into_iter().zip(allowed) {
                    let rule = sink_rule(base, &event, found);
                    assert!(
                        allowed.contains(&rule),
                        "{row}, {base:?}, {found:?}: {rule:?}, but the table says: {words}"
                    );
                }
            }
        }
    }
}

#[test]
fn each_row_says_where_events_from_downstream_go() {
    gst::init().unwrap();
    let seek = gst::event::Seek::new(
        1.0,
        gst::SeekFlags::FLUSH,
        gst::SeekType::Set,
        gst::ClockTime::ZERO,
        gst::SeekType::None,
        gst::ClockTime::NONE,
    );
    for (row, said) in rows() {
        let event = match row {
            "SEEK" => &seek,
            "every other event from downstream" => &gst::event::Reconfigure::new(),
            _ => continue,
        };
        for (base, words) in BASES.into_iter().zip(said) {
            let rule = match &*words {
                "passes at once" => SrcRule::Pass,
                "to the chain" => SrcRule::ToChain,
                "passes at once; if upstream does not seek, to the chain" => SrcRule::PassOrToChain,
                words => panic!("no rule for the words {words}"),
            };
            assert_eq!(src_rule(base, event), rule, "{row}, {base:?}");
        }
    }
}

#[test]
fn the_documentation_shows_the_table() {
    let page = include_str!("../../../docs/ARCHITECTURE.md");
    assert!(
        page.contains(&table().join("\n")),
        "ARCHITECTURE.md has another table"
    );
}

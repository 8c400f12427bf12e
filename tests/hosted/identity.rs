// SPDX-License-Identifier: MPL-2.0
//! What comes out of a hosted codec is what comes out of the bare one: bytes, times,
//! flags, metas, caps, events and answers to queries, in the same order.

use crate::codecs::{CASES, Case};
use crate::record::{Record, assert_same};
use crate::rig::{Item, Rig};

/// How many codecs have to be there, so that a machine without plugins does not pass.
const LEAST: usize = 20;

/// Plays the same items into the bare codec, the hosted one, and the hosted one in a child
/// process.
fn compare(what: &str, case: &Case, items: &[Item]) -> Vec<Record> {
    let bare = Rig::bare(case.codec).play(items);
    let hosted = Rig::hosted(case.codec).play(items);
    assert_same(&format!("{} ({what})", case.codec), &bare, &hosted);
    let isolated = Rig::isolated(case.codec).play(items);
    assert_same(
        &format!("isolated {} ({what})", case.codec),
        &bare,
        &isolated,
    );
    bare
}

fn for_each_case(test: impl Fn(&Case)) {
    support::init();
    let (mut there, mut failed) = (0, Vec::new());
    // For a look at one of them.
    let only = std::env::var("CODECWATCH_CODEC").unwrap_or_default();
    for case in CASES.iter().filter(|case| case.codec.contains(&only)) {
        if let Some(element) = case.missing() {
            println!("not installed: {element}");
            continue;
        }
        // Shown where a codec ends the process.
        println!("{}", case.codec);
        // All of them, so that one run shows every difference.
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(case))).is_err() {
            failed.push(case.codec);
        }
        there += 1;
    }
    assert!(failed.is_empty(), "not the same: {failed:#?}");
    assert!(
        !only.is_empty() || there >= LEAST,
        "only {there} codecs are installed"
    );
}

fn buffers(records: &[Record]) -> Vec<Record> {
    let is_buffer = |record: &&Record| matches!(record, Record::Buffer { .. });
    records.iter().filter(is_buffer).cloned().collect()
}

#[test]
fn a_stream_comes_out_the_same() {
    for_each_case(|case| {
        let (items, _) = case.input();
        let bare = compare("a stream", case, &items);
        assert!(buffers(&bare).len() > 5, "{}: {bare:?}", case.codec);
    });
}

#[test]
fn queries_are_answered_the_same_before_within_and_after_the_format() {
    for_each_case(|case| {
        let (mut items, _) = case.input();
        let caps = items.iter().position(is_caps).unwrap();
        let middle = items.len() / 2;
        items.insert(middle, Item::Ask);
        items.insert(caps + 1, Item::Ask);
        items.insert(caps, Item::Ask);
        compare("queries", case, &items);
    });
}

#[test]
fn a_flushing_seek_in_the_middle_changes_nothing_about_what_follows() {
    for_each_case(|case| {
        if !case.flushes {
            return;
        }
        let (items, _) = case.input();
        let middle = items.len() / 2;
        let segment = items
            .iter()
            .find(|item| is_event(item, gst::EventType::Segment));
        let mut script = items[..middle].to_vec();
        script.push(Item::Settle);
        script.push(Item::Event(gst::event::FlushStart::new()));
        script.push(Item::Event(gst::event::FlushStop::new(true)));
        script.extend(segment.cloned());
        let first_key = items
            .iter()
            .position(|item| matches!(item, Item::Buffer(_)));
        script.extend_from_slice(&items[first_key.unwrap()..]);
        compare("a flushing seek", case, &script);
    });
}

#[test]
fn a_flush_before_anything_is_inside_keeps_the_format() {
    for_each_case(|case| {
        let (items, _) = case.input();
        let first = items
            .iter()
            .position(|item| matches!(item, Item::Buffer(_)));
        let first = first.unwrap();
        let segment = items
            .iter()
            .find(|item| is_event(item, gst::EventType::Segment));
        let mut script = items[..first].to_vec();
        script.push(Item::Settle);
        script.push(Item::Event(gst::event::FlushStart::new()));
        script.push(Item::Event(gst::event::FlushStop::new(true)));
        script.extend(segment.cloned());
        script.extend_from_slice(&items[first..]);
        compare("an early flush", case, &script);
    });
}

#[test]
fn new_caps_in_the_middle_come_out_the_same() {
    for_each_case(|case| {
        let (mut items, other) = case.input();
        let Some(other) = other else { return };
        items.retain(|item| !is_event(item, gst::EventType::Eos));
        // The same stream goes on in another format.
        items.extend(other.into_iter().filter(|item| {
            !is_event(item, gst::EventType::StreamStart) && !is_event(item, gst::EventType::Segment)
        }));
        compare("new caps", case, &items);
    });
}

#[test]
fn a_segment_with_a_beginning_a_base_and_a_rate_comes_out_the_same() {
    for_each_case(|case| {
        let (mut items, _) = case.input();
        let times = items.iter().filter_map(|item| match item {
            Item::Buffer(buffer) => buffer.pts(),
            _ => None,
        });
        let (first, last) = (times.clone().min().unwrap(), times.max().unwrap());
        let is_segment = |item: &&mut Item| is_event(item, gst::EventType::Segment);
        let item = items.iter_mut().find(is_segment).unwrap();
        let ms = gst::ClockTime::from_mseconds;
        let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
        segment.set_rate(1.5);
        segment.set_start(first + (last - first) / 4);
        segment.set_time(ms(7000));
        segment.set_position(ms(100));
        segment.set_base(ms(3000));
        *item = Item::Event(gst::event::Segment::new(&segment));
        compare("a segment", case, &items);
    });
}

#[test]
fn gaps_tags_and_custom_events_keep_their_place() {
    for_each_case(|case| {
        let (mut items, _) = case.input();
        let middle = items.len() / 2;
        let Item::Buffer(lost) = &items[middle] else {
            panic!("{:?}", items[middle])
        };
        let mut gap = gst::event::Gap::builder(lost.pts().unwrap_or_default());
        if let Some(duration) = lost.duration() {
            gap = gap.duration(duration);
        }
        let structure = gst::Structure::builder("test-event").field("n", 1).build();
        let custom = gst::event::CustomDownstream::new(structure);
        let mut tags = gst::TagList::new();
        tags.make_mut()
            .add::<gst::tags::Title>(&"a title", gst::TagMergeMode::Replace);
        items[middle] = Item::Event(gap.build());
        items.insert(middle + 3, Item::Event(custom));
        items.insert(middle - 2, Item::Event(gst::event::Tag::new(tags)));
        compare("gaps, tags and custom events", case, &items);
    });
}

/// When each buffer is shown, and whether it is a key frame: a codec's bytes may depend
/// on what it has encoded before in the process.
fn times(records: &[Record]) -> Vec<Record> {
    let buffers = buffers(records).into_iter();
    let summary = buffers.map(|buffer| match buffer {
        Record::Buffer { times, flags, .. } => Record::Query(format!("{times:?} {flags:?}")),
        other => other,
    });
    summary.collect()
}

/// Bare codecs do not all go on after EOS: some give nothing, theoraenc ends the
/// process. A hosted one begins anew.
#[test]
fn a_second_stream_after_the_end_comes_out_as_the_first() {
    for_each_case(|case| {
        let (items, _) = case.input();
        let once = times(&Rig::bare(case.codec).play(&items));
        let twice = [items.clone(), items].concat();
        let twice = times(&Rig::hosted(case.codec).play(&twice));
        let wanted = [once.clone(), once].concat();
        assert_same(&format!("{} (two streams)", case.codec), &wanted, &twice);
    });
}

fn is_event(item: &Item, kind: gst::EventType) -> bool {
    matches!(item, Item::Event(event) if event.type_() == kind)
}

fn is_caps(item: &Item) -> bool {
    is_event(item, gst::EventType::Caps)
}

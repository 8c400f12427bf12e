// SPDX-License-Identifier: MPL-2.0
//! A decoder that restarts begins at a key frame, and says what it has left out.

use crate::record::Record;
use crate::rig::{Item, Rig, produce};

/// A key frame every this many.
const GROUP: usize = 8;
const FRAME: gst::ClockTime = gst::ClockTime::from_mseconds(40);

fn input() -> Vec<Item> {
    support::init();
    gstwedge::plugin_register_static().unwrap();
    produce(&format!(
        "videotestsrc num-buffers=32 ! \
         video/x-raw,format=I420,width=64,height=64,framerate=25/1 ! \
         x264enc tune=zerolatency key-int-max={GROUP} speed-preset=ultrafast threads=1"
    ))
}

/// A decoder, each session of which does `how` at the buffer `number`.
fn decoder(how: &str, number: u32) -> Rig {
    let codec =
        format!("wedge at=chain how={how} number={number} ! h264parse ! avdec_h264 max-threads=1");
    let element = gst::ElementFactory::make("codecwatch")
        .property("codec", &codec)
        .property("restart-limit", 1_u32)
        .property("watchdog-timeout", 500_000_000_u64)
        .property("max-abandoned", 0_u32)
        .build();
    Rig::around(element.unwrap(), codec)
}

/// The times and flags of the pictures that came out.
fn pictures(rig: &Rig) -> Vec<(gst::ClockTime, gst::BufferFlags)> {
    let out = rig.out.lock().unwrap();
    let of = |record: &Record| match record {
        Record::Buffer { times, flags, .. } => Some((times[0].unwrap(), *flags)),
        _ => None,
    };
    out.iter().filter_map(of).collect()
}

/// The element messages; there is no error.
fn element_messages(rig: &Rig) -> Vec<gst::Structure> {
    let messages = std::iter::from_fn(|| rig.bus.pop());
    let structures = messages.filter_map(|message| {
        assert_ne!(message.type_(), gst::MessageType::Error, "{message:?}");
        let is_element = message.type_() == gst::MessageType::Element;
        message
            .structure()
            .filter(|_| is_element)
            .map(ToOwned::to_owned)
    });
    structures.collect()
}

/// Plays a stream that ends before the second session strikes, and checks that what
/// came out, was lost and was skipped is all that went in.
fn assert_begins_at_a_key_frame(how: &str, settles: bool) {
    let items = input();
    let first = items
        .iter()
        .position(|item| matches!(item, Item::Buffer(_)))
        .unwrap();
    let Item::Buffer(begin) = &items[first] else {
        unreachable!()
    };
    let begin = begin.pts().unwrap();
    let rig = decoder(how, 10);
    let mut script = items[..first].to_vec();
    for item in &items[first..first + 20] {
        script.push(item.clone());
        if settles {
            script.push(Item::Settle);
        }
    }
    script.push(Item::Event(gst::event::Eos::new()));
    rig.play_on(&script);
    let messages = element_messages(&rig);
    let named = |name: &str| messages.iter().find(|structure| structure.name() == name);
    let restarted = named("codecwatch-restarted").expect("no restart");
    let lost = restarted.get::<u64>("frames-lost").unwrap();
    let skipped = named("codecwatch-skipped");
    let count = skipped.map_or(0, |skipped| skipped.get::<u64>("buffers").unwrap());
    let out = pictures(&rig);
    assert_eq!(out.len() as u64 + lost + count, 20, "{messages:?} {out:?}");

    let (at, _) = out
        .iter()
        .enumerate()
        .skip(1)
        .find(|(_, (_, flags))| flags.contains(gst::BufferFlags::DISCONT))
        .expect("nothing is marked");
    // The second group is lost: it begins with the third.
    assert_eq!(out[at].0, begin + FRAME * 2 * GROUP as u64, "{out:?}");
    assert!(
        out.iter()
            .all(|(_, flags)| !flags.contains(gst::BufferFlags::CORRUPTED)),
        "{out:?}"
    );
    if let Some(skipped) = skipped {
        let last = skipped.get::<gst::ClockTime>("last-pts").unwrap();
        assert_eq!(last + FRAME, out[at].0, "{skipped}");
        let first = skipped.get::<gst::ClockTime>("first-pts").unwrap();
        assert_eq!(first + FRAME * count, out[at].0, "{skipped}");
    }
    assert!(!settles || count > 0, "{messages:?}");
    let upstream = rig.upstream.lock().unwrap();
    assert!(
        upstream
            .iter()
            .any(|event| gst_video::UpstreamForceKeyUnitEvent::parse(event).is_ok()),
        "no key frame was asked for: {upstream:?}"
    );
}

#[test]
fn a_decoder_that_failed_begins_at_a_key_frame() {
    assert_begins_at_a_key_frame("error", true);
}

#[test]
fn a_decoder_that_failed_under_load_begins_at_a_key_frame() {
    assert_begins_at_a_key_frame("error", false);
}

/// Upstream waits for room in the codec that hangs: the frame that it holds is no
/// exception.
#[test]
fn a_decoder_that_hung_with_a_full_queue_begins_at_a_key_frame() {
    assert_begins_at_a_key_frame("sleep", false);
}

#[test]
fn what_was_skipped_is_told_at_the_end_if_no_key_frame_comes() {
    let items = input();
    let first = items
        .iter()
        .position(|item| matches!(item, Item::Buffer(_)))
        .unwrap();
    let rig = decoder("error", 4);
    let mut script = items[..first].to_vec();
    for item in &items[first..first + GROUP] {
        script.extend([item.clone(), Item::Settle]);
    }
    script.push(Item::Event(gst::event::Eos::new()));
    rig.play_on(&script);
    let messages = element_messages(&rig);
    let skipped = messages
        .iter()
        .find(|structure| structure.name() == "codecwatch-skipped");
    let skipped = skipped.unwrap_or_else(|| panic!("{messages:?}"));
    assert_eq!(skipped.get("buffers"), Ok(3_u64), "{skipped}");
}

fn custom(name: &str) -> Item {
    Item::Event(gst::event::CustomDownstream::new(
        gst::Structure::new_empty(name),
    ))
}

/// The places of the events with these names among what came out.
fn places(rig: &Rig, names: &[&str]) -> Vec<Option<usize>> {
    let out = rig.out.lock().unwrap();
    let place = |name: &&str| {
        let mut found = out.iter().enumerate().filter(|(_, record)| match record {
            Record::Event(text) => text.contains(*name),
            _ => false,
        });
        let first = found.next().map(|(at, _)| at);
        assert_eq!(found.next(), None, "{name} came twice");
        first
    };
    names.iter().map(place).collect()
}

/// The events up to the first buffer, and its place.
fn beginning(items: &[Item]) -> (Vec<Item>, usize) {
    let is_buffer = |item: &Item| matches!(item, Item::Buffer(_));
    let first = items.iter().position(is_buffer).unwrap();
    (items[..first].to_vec(), first)
}

#[test]
fn events_that_waited_for_a_chain_which_hung_come_out_of_the_next_one() {
    let items = input();
    let (mut script, first) = beginning(&items);
    let rig = decoder("sleep", 10);
    // The eleventh hangs; what follows waits.
    script.extend_from_slice(&items[first..first + 11]);
    let sticky = gst::Structure::new_empty("waited-sticky");
    let sticky = Item::Event(gst::event::CustomDownstreamSticky::new(sticky));
    script.extend([custom("waited-first"), sticky, custom("waited-second")]);
    script.extend_from_slice(&items[first + 11..first + 18]);
    script.push(Item::Event(gst::event::Eos::new()));
    rig.play_on(&script);
    let messages = element_messages(&rig);
    assert!(
        messages
            .iter()
            .any(|message| message.name() == "codecwatch-restarted"),
        "{messages:?}"
    );
    let places = places(&rig, &["waited-first", "waited-second", "waited-sticky"]);
    assert!(places[2].is_some(), "{places:?}");
    assert!(places[0].is_some() && places[0] < places[1], "{places:?}");
    // They were in the stream before the buffers of the next chain.
    let out = rig.out.lock().unwrap();
    let after = &out[places[1].unwrap()..];
    let buffers = after
        .iter()
        .filter(|record| matches!(record, Record::Buffer { .. }));
    assert_eq!(buffers.count(), 2, "{out:?}");
}

#[test]
fn events_that_waited_for_the_last_chain_come_before_the_end() {
    let items = input();
    let (mut script, first) = beginning(&items);
    let rig = decoder("sleep", 10);
    script.extend_from_slice(&items[first..first + 11]);
    script.push(custom("waited-last"));
    script.push(Item::Event(gst::event::Eos::new()));
    rig.play_on(&script);
    let places = places(&rig, &["waited-last", "eos"]);
    assert!(places[0].is_some() && places[0] < places[1], "{places:?}");
}

#[test]
fn events_that_waited_for_a_chain_which_hung_are_dropped_by_a_flush() {
    let items = input();
    let (mut script, first) = beginning(&items);
    let rig = decoder("sleep", 10);
    script.extend_from_slice(&items[first..first + 11]);
    script.push(custom("flushed"));
    // Returns when the element has restarted, and begins no other chain.
    script.push(Item::Event(
        gst::event::Gap::builder(gst::ClockTime::ZERO).build(),
    ));
    rig.play_on(&script);
    let restarted = rig.bus.timed_pop_filtered(
        gst::ClockTime::from_seconds(30),
        &[gst::MessageType::Element],
    );
    assert!(restarted.is_some());
    let flush = [
        Item::Event(gst::event::FlushStart::new()),
        Item::Event(gst::event::FlushStop::new(true)),
    ];
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    rig.play_on(&flush);
    rig.play_on(&[Item::Event(gst::event::Segment::new(&segment))]);
    rig.play_on(&items[first..first + 3]);
    rig.play_on(&[Item::Event(gst::event::Eos::new())]);
    let places = places(&rig, &["flushed", "eos"]);
    assert!(places[0].is_none() && places[1].is_some(), "{places:?}");
}

// SPDX-License-Identifier: MPL-2.0
//! What passes through a hosted chain besides its stream, in both directions.

use std::time::{Duration, Instant};

use gst::prelude::*;

use crate::record::{Record, assert_same};
use crate::rig::{Item, Rig, produce};

const BOUND: Duration = Duration::from_secs(20);
const X264: &str = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=1000 threads=1";

fn input() -> Vec<Item> {
    support::init();
    gstwedge::plugin_register_static().unwrap();
    produce(
        "videotestsrc num-buffers=30 ! video/x-raw,format=I420,width=64,height=64,framerate=25/1",
    )
}

/// What comes before the first buffer, and the buffers.
fn parts(items: &[Item]) -> (Vec<Item>, Vec<gst::Buffer>) {
    let first = items
        .iter()
        .position(|item| matches!(item, Item::Buffer(_)))
        .unwrap();
    let buffers = items.iter().filter_map(|item| match item {
        Item::Buffer(buffer) => Some(buffer.clone()),
        _ => None,
    });
    (items[..first].to_vec(), buffers.collect())
}

fn hosted(codec: &str) -> Rig {
    support::init();
    gstwedge::plugin_register_static().unwrap();
    Rig::hosted(codec)
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < BOUND, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn message(rig: &Rig, kind: gst::MessageType) -> gst::Message {
    let wait = gst::ClockTime::try_from(BOUND).unwrap();
    let message = rig.bus.timed_pop_filtered(wait, &[kind]);
    message.unwrap_or_else(|| panic!("{}: no {kind:?}", rig.name()))
}

fn buffers(records: &[Record]) -> Vec<(Option<gst::ClockTime>, gst::BufferFlags, bool)> {
    let of = |record: &Record| match record {
        Record::Buffer {
            times,
            flags,
            listed,
            ..
        } => Some((times[0], *flags, *listed)),
        _ => None,
    };
    records.iter().filter_map(of).collect()
}

fn count(rig: &Rig) -> usize {
    buffers(&rig.out.lock().unwrap()).len()
}

// ---- messages and contexts

#[test]
fn messages_of_inner_elements_come_from_the_outer_one() {
    let items = input();
    for (how, kind) in [
        ("warning", gst::MessageType::Warning),
        ("info", gst::MessageType::Info),
        ("element-message", gst::MessageType::Element),
    ] {
        let rig = hosted(&format!("wedge at=chain number=3 how={how}"));
        rig.play(&items);
        let message = message(&rig, kind);
        assert_eq!(
            message.src(),
            Some(rig.element.upcast_ref()),
            "{how}: {message:?}"
        );
        match message.view() {
            gst::MessageView::Warning(warning) => {
                assert!(warning.error().matches(gst::StreamError::Decode));
                assert_eq!(warning.error().message(), "a warning");
                assert!(warning.debug().unwrap().contains("on purpose"));
            }
            gst::MessageView::Info(info) => assert_eq!(info.error().message(), "an info"),
            _ => assert_eq!(message.structure().unwrap().name(), "wedge-message"),
        }
        assert_eq!(count(&rig), 30, "{how}");
    }
}

fn context() -> gst::Context {
    gst::Context::new("test.context", true)
}

/// Whether the inner element has found a context.
fn found(rig: &Rig) -> bool {
    let message = message(rig, gst::MessageType::Element);
    assert_eq!(message.structure().unwrap().name(), "wedge-context");
    message.structure().unwrap().get("value").unwrap()
}

#[test]
fn a_context_that_the_application_set_before_reaches_an_inner_element() {
    let items = input();
    let rig = hosted("wedge at=chain number=3 how=need-context");
    rig.element.set_context(&context());
    rig.play(&items);
    assert!(found(&rig));
}

#[test]
fn a_context_that_the_application_sets_when_asked_reaches_an_inner_element() {
    let items = input();
    let rig = hosted("wedge at=chain number=3 how=need-context");
    rig.bus.set_sync_handler(|_, message| {
        if let gst::MessageView::NeedContext(need) = message.view()
            && need.context_type() == "test.context"
        {
            let source = message.src().unwrap();
            source
                .downcast_ref::<gst::Element>()
                .unwrap()
                .set_context(&context());
        }
        gst::BusSyncReply::Pass
    });
    rig.play(&items);
    assert!(found(&rig));
}

#[test]
fn a_context_and_a_clock_that_come_later_reach_an_inner_element() {
    support::init();
    gstwedge::plugin_register_static().unwrap();
    let rig = Rig::hosted("wedge");
    rig.settle_open();
    let text = |property: &str| {
        let proxy = rig
            .element
            .clone()
            .dynamic_cast::<gst::ChildProxy>()
            .unwrap();
        proxy.child_property::<Option<String>>(property)
    };
    rig.element
        .set_context(&gst::Context::new("a.later.context", true));
    assert_eq!(text("codec::context").as_deref(), Some("a.later.context"));
    assert_eq!(text("codec::clock"), None);
    rig.element.set_state(gst::State::Paused).unwrap();
    let clock = gst::SystemClock::obtain();
    rig.element.set_clock(Some(&clock)).unwrap();
    rig.element.set_state(gst::State::Playing).unwrap();
    assert_eq!(text("codec::clock").as_deref(), Some(clock.name().as_str()));
}

#[test]
fn without_a_context_an_inner_element_goes_on_without() {
    let items = input();
    let rig = hosted("wedge at=chain number=3 how=need-context");
    rig.play(&items);
    assert!(!found(&rig));
    assert_eq!(count(&rig), 30);
}

// ---- events from downstream

#[test]
fn qos_and_custom_events_reach_upstream_through_the_chain() {
    let items = input();
    for codec in ["wedge", "videoconvert", "identity ! queue ! identity"] {
        let rig = hosted(codec);
        rig.play(&items[..items.len() - 1]);
        let qos = gst::event::Qos::new(
            gst::QOSType::Underflow,
            2.0,
            5_000_000,
            gst::ClockTime::ZERO,
        );
        let structure = gst::Structure::new_empty("to-upstream");
        assert!(rig.end.push_event(qos), "{codec}");
        assert!(
            rig.end
                .push_event(gst::event::CustomUpstream::new(structure)),
            "{codec}"
        );
        let has = |kind| {
            let came = rig.upstream.lock().unwrap();
            came.iter().any(|event| event.type_() == kind)
        };
        eventually(codec, || {
            has(gst::EventType::Qos) && has(gst::EventType::CustomUpstream)
        });
    }
}

#[test]
fn downstream_gets_the_key_frame_that_it_asks_for() {
    let items = input();
    let (begin, frames) = parts(&items);
    for codec in [X264, "vp8enc deadline=1 keyframe-max-dist=1000"] {
        let rig = hosted(codec);
        rig.play(&begin);
        let push = |frames: &[gst::Buffer]| {
            for frame in frames {
                rig.feed.push(frame.copy()).unwrap();
            }
            rig.settle();
        };
        push(&frames[..10]);
        let request = gst_video::UpstreamForceKeyUnitEvent::builder()
            .all_headers(true)
            .build();
        assert!(rig.end.push_event(request), "{codec}");
        push(&frames[10..20]);
        let out = buffers(&rig.out.lock().unwrap());
        let keys: Vec<_> = out
            .iter()
            .enumerate()
            .filter(|(_, (_, flags, _))| !flags.contains(gst::BufferFlags::DELTA_UNIT))
            .map(|(at, _)| at)
            .collect();
        // One input may go first: questions and inputs take turns.
        assert!(matches!(keys[..], [0, 10 | 11]), "{codec}: {keys:?}");
        assert!(
            rig.upstream
                .lock()
                .unwrap()
                .iter()
                .all(|event| { event.type_() != gst::EventType::CustomUpstream })
        );
    }
}

// ---- what downstream answers

#[test]
fn a_stream_goes_on_with_its_format_when_downstream_is_linked_late() {
    let items = input();
    let (begin, frames) = parts(&items);
    let rig = hosted(X264);
    let src = rig.element.static_pad("src").unwrap();
    src.unlink(&rig.end).unwrap();
    rig.play(&begin);
    let begun = Instant::now();
    let mut at = 0;
    let flow = loop {
        let flow = rig.feed.push(frames[at].copy());
        at += 1;
        if flow.is_err() || begun.elapsed() > BOUND {
            break flow;
        }
        rig.settle();
    };
    assert_eq!(flow, Err(gst::FlowError::NotLinked));
    rig.settle();
    src.link(&rig.end).unwrap();
    for frame in &frames[at..] {
        assert!(rig.feed.push(frame.copy()).is_ok());
    }
    rig.settle();
    let records = rig.out.lock().unwrap().clone();
    let out = buffers(&records);
    assert_eq!(out.len(), 30 - at);
    assert!(out[0].1.contains(gst::BufferFlags::DISCONT), "{out:?}");
    assert!(!out[1].1.contains(gst::BufferFlags::DISCONT), "{out:?}");
    for kind in ["stream-start", "caps", "segment"] {
        let before = records
            .iter()
            .take_while(|r| !matches!(r, Record::Buffer { .. }));
        let mut named =
            before.filter(|record| matches!(record, Record::Event(text) if text.starts_with(kind)));
        assert!(named.next().is_some(), "{kind}: {records:?}");
    }
    assert!(rig.errors().is_empty());
}

#[test]
fn eos_of_downstream_reaches_upstream_and_a_new_segment_goes_on() {
    let items = input();
    let (begin, frames) = parts(&items);
    let rig = hosted(X264);
    rig.play(&begin);
    *rig.downstream.flow.lock().unwrap() = Err(gst::FlowError::Eos);
    let begun = Instant::now();
    while rig.feed.push(frames[0].copy()) != Err(gst::FlowError::Eos) {
        assert!(begun.elapsed() < BOUND);
        rig.settle();
    }
    rig.settle();
    *rig.downstream.flow.lock().unwrap() = Ok(gst::FlowSuccess::Ok);
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    rig.feed.push_event(gst::event::Segment::new(&segment));
    for frame in &frames[..5] {
        assert!(rig.feed.push(frame.copy()).is_ok());
    }
    rig.settle();
    assert_eq!(count(&rig), 5);
    assert!(rig.errors().is_empty());
}

// ---- the stream

#[test]
fn a_buffer_list_stays_a_list() {
    let items = input();
    let (begin, frames) = parts(&items);
    let rig = hosted("queue");
    rig.play(&begin);
    let list: gst::BufferList = frames[..6].iter().map(|frame| frame.copy()).collect();
    rig.feed.push_list(list).unwrap();
    rig.feed.push(frames[6].copy()).unwrap();
    eventually("all out", || count(&rig) == 7);
    let listed: Vec<_> = buffers(&rig.out.lock().unwrap())
        .iter()
        .map(|buffer| buffer.2)
        .collect();
    assert_eq!(listed, [true, true, true, true, true, true, false]);
    // Elements that take no lists get the buffers; those that give them, give them.
    let payloader = format!("{X264} ! rtph264pay mtu=100");
    if gst::ElementFactory::find("rtph264pay").is_some() {
        let rig = hosted(&payloader);
        rig.play(&begin);
        let list: gst::BufferList = frames[..6].iter().map(|frame| frame.copy()).collect();
        rig.feed.push_list(list).unwrap();
        eventually("a list", || {
            let out = buffers(&rig.out.lock().unwrap());
            out.iter().any(|buffer| buffer.2)
        });
    }
}

/// Bare and hosted, the same.
fn compare(what: &str, codec: &str, items: &[Item]) -> Vec<Record> {
    let bare = Rig::bare(codec).play(items);
    let hosted = Rig::hosted(codec).play(items);
    assert_same(&format!("{codec} ({what})"), &bare, &hosted);
    hosted
}

#[test]
fn segment_done_comes_after_what_is_inside() {
    let mut items = input();
    items.pop();
    items.push(Item::Settle);
    items.push(Item::Event(gst::event::SegmentDone::new(
        gst::ClockTime::from_seconds(1),
    )));
    items.push(Item::Settle);
    for codec in [
        "wedge",
        "x264enc speed-preset=ultrafast threads=1",
        "identity ! queue",
    ] {
        let records = if codec.contains("queue") {
            let rig = hosted(codec);
            rig.play(&items);
            eventually("the end", || {
                let out = rig.out.lock().unwrap();
                matches!(out.last(), Some(Record::Event(text)) if text.starts_with("segment-done"))
            });
            rig.out.lock().unwrap().clone()
        } else {
            compare("segment-done", codec, &items)
        };
        assert_eq!(buffers(&records).len(), 30, "{codec}");
        // Encoders give what they hold at EOS, after it, bare, too.
        let last = records.last();
        assert!(
            codec.contains("x264enc")
                || matches!(last, Some(Record::Event(text)) if text.starts_with("segment-done")),
            "{codec}: {last:?}"
        );
    }
}

/// Reversed groups of pictures, as a demuxer gives them at a rate of -1.
#[test]
fn a_stream_that_is_played_backwards_comes_out_as_from_the_bare_codec() {
    support::init();
    gstwedge::plugin_register_static().unwrap();
    let items = produce(
        "videotestsrc num-buffers=24 ! \
         video/x-raw,format=I420,width=64,height=64,framerate=25/1 ! \
         x264enc tune=zerolatency key-int-max=8 speed-preset=ultrafast threads=1",
    );
    let (begin, frames) = parts(&items);
    let mut script: Vec<Item> = begin
        .into_iter()
        .filter(
            |item| !matches!(item, Item::Event(event) if event.type_() == gst::EventType::Segment),
        )
        .collect();
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_rate(-1.0);
    let first = frames[0].pts().unwrap();
    segment.set_start(first);
    segment.set_stop(first + gst::ClockTime::from_seconds(1));
    script.push(Item::Event(gst::event::Segment::new(&segment)));
    for group in frames.chunks(8).rev() {
        for (at, frame) in group.iter().enumerate() {
            let mut frame = frame.copy();
            let fields = frame.make_mut();
            fields.unset_flags(gst::BufferFlags::DISCONT);
            if at == 0 {
                fields.set_flags(gst::BufferFlags::DISCONT);
            }
            script.push(Item::Buffer(frame));
        }
    }
    script.push(Item::Event(gst::event::Eos::new()));
    compare("backwards", "wedge", &script);
    let out = compare("backwards", "avdec_h264 max-threads=1", &script);
    assert!(buffers(&out).len() >= 20, "{}", buffers(&out).len());
}

#[test]
fn a_flush_frees_an_element_whose_downstream_takes_nothing() {
    let items = input();
    let (begin, frames) = parts(&items);
    for codec in [X264, "queue max-size-buffers=1 ! identity", "wedge"] {
        let rig = hosted(codec);
        rig.play(&begin);
        rig.downstream.block(true);
        let fed = std::thread::scope(|scope| {
            let feeds = scope.spawn(|| {
                frames
                    .iter()
                    .take_while(|frame| rig.feed.push(frame.copy()).is_ok())
                    .count()
            });
            let _open = rig.downstream.opens_at_last();
            eventually("it blocks", || rig.is_full());
            let begun = Instant::now();
            rig.feed.push_event(gst::event::FlushStart::new());
            let fed = feeds.join().unwrap();
            rig.feed.push_event(gst::event::FlushStop::new(true));
            assert!(begun.elapsed() < Duration::from_millis(500), "{codec}");
            fed
        });
        assert!(fed < 30, "{codec}");
        let segment = begin.iter().filter_map(|item| match item {
            Item::Event(event) if event.type_() == gst::EventType::Segment => Some(event.copy()),
            _ => None,
        });
        for segment in segment {
            rig.feed.push_event(segment);
        }
        let before = count(&rig);
        for frame in &frames[20..] {
            assert!(rig.feed.push(frame.copy()).is_ok(), "{codec}");
        }
        eventually(codec, || count(&rig) == before + 10);
        assert!(rig.errors().is_empty(), "{codec}");
    }
}

// ---- lives

#[test]
fn after_ready_and_back_a_new_session_gives_the_same() {
    let items = input();
    let rig = hosted(X264);
    let first = rig.play(&items);
    rig.out.lock().unwrap().clear();
    for state in [gst::State::Ready, gst::State::Null] {
        rig.element.set_state(state).unwrap();
        rig.element.set_state(gst::State::Playing).unwrap();
        let again = rig.play(&items);
        rig.out.lock().unwrap().clear();
        assert_same(&format!("after {state:?}"), &first, &again);
    }
    assert!(rig.errors().is_empty());
}

#[test]
fn a_chain_that_changes_the_answer_of_upstream_gives_its_own() {
    let rig = hosted("videorate rate=2.0");
    rig.settle_open();
    rig.feed
        .add_probe(gst::PadProbeType::QUERY_UPSTREAM, |_, info| {
            let Some(query) = info.query_mut() else {
                return gst::PadProbeReturn::Ok;
            };
            let gst::QueryViewMut::Duration(query) = query.view_mut() else {
                return gst::PadProbeReturn::Ok;
            };
            query.set(gst::ClockTime::SECOND);
            gst::PadProbeReturn::Handled
        });
    let duration = rig.end.peer_query_duration::<gst::ClockTime>();
    assert_eq!(duration, Some(gst::ClockTime::from_mseconds(500)));
}
